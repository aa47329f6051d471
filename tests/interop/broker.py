"""Imported by the Python scripts of this folder: a broker of variant V in a temporary folder, on ports the system
chooses, and checks that print `ok NAME` or `not ok NAME: why`. The sibling of common.sh."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(HERE, os.environ.get("MT_BUILD", "build/" + os.environ.get("V", "release")))


class Broker:
    """Serves from __enter__ to __exit__: .plain and .tls are ports, .ca a file, .log() its lines."""

    def __init__(self, *settings):
        self.record = None  # a file to record to
        self.folder = tempfile.mkdtemp(prefix="mortise-interop.")
        self.state = os.path.join(self.folder, "state")
        self.settings = ["listeners.tls.address=127.0.0.1:0", "listeners.plain.address=127.0.0.1:0",
                         "listeners.plain.tls=no", "listeners.plain.anonymous=open", *settings]

    def __enter__(self):
        arguments = [BUILD + "/mortised", "--state", self.state]
        for setting in self.settings:
            arguments += ["--set", setting]
        if self.record:
            arguments += ["--record", self.record]
        self.log_path = os.path.join(self.folder, "log")
        with open(self.log_path, "wb") as log:
            # A sanitizer that keeps freed memory back would look like a leak.
            self.process = subprocess.Popen(arguments, stderr=log, env={
                "ASAN_OPTIONS": "quarantine_size_mb=1:thread_local_quarantine_size_kb=16", **os.environ})
        try:
            await_true(self.is_ready, 20)
            ready = [line for line in self.log() if line.startswith("ready ")][0]
        except Exception:
            print("not ok the broker starts:", "; ".join(self.log()[-3:]))
            self.__exit__(None, None, None)
            sys.exit(1)
        self.ready = ready
        self.plain = self.port("plain")
        self.tls = self.port("tls")
        self.mortise("cert", "export", "--out", self.folder)
        self.ca = os.path.join(self.folder, "ca.pem")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        faults = [line for line in self.log() if "ERROR: " in line or "runtime error" in line]
        check("the broker of %s ends in peace" % os.path.basename(sys.argv[0]),
              lambda: expect(status == 0 and not faults, "status %s %s" % (status, faults[:3])))
        shutil.rmtree(self.folder)

    def port(self, listener):
        return int(re.search(r" %s=127\.0\.0\.1:(\d+)" % listener, self.ready)[1])

    def is_ready(self):
        return self.process.poll() is not None or any(line.startswith("ready ") for line in self.log())

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read().splitlines()

    def mortise(self, *arguments, secret=None):
        done = subprocess.run([BUILD + "/mortise", "--state", self.state, *arguments], input=secret, text=True,
                              capture_output=True, timeout=30, check=False)
        expect(done.returncode == 0, "mortise %s: %s" % (" ".join(arguments), done.stderr))
        return done.stdout

    def resident_kib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


FAILED = []


def check(name, test, *arguments):
    try:
        test(*arguments)
        print("ok", name, flush=True)
    except Exception as error:  # whatever it was, it is this test's failure
        where = traceback.extract_tb(error.__traceback__)[-1]
        print("not ok %s: %s:%d: %s: %s" % (name, os.path.basename(where.filename), where.lineno, type(error).__name__,
                                            " ".join(str(error).split())[:600]), flush=True)
        FAILED.append(name)


def expect(condition, why="not as expected"):
    if not condition:
        raise AssertionError(why)


def expect_equal(found, wanted):
    expect(found == wanted, "found %r, wanted %r" % (found, wanted))


def await_true(test, seconds=5):
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise AssertionError("never came true")
        time.sleep(0.01)


def finish():
    sys.exit(1 if FAILED else 0)
