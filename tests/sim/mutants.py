#!/usr/bin/env python3
"""Plants the faults of tests/sim/mutations one at a time, and demands that the simulator finds each.

usage: mutants.py [WORD...]      only those whose names hold one of the words

Each fault is one changed file, compiled beside the others and linked before them: nothing of the tree changes.
"""
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("MT_BUILD", "build/release")
SEEDS = os.environ.get("MUTANT_SEEDS", "4000")
SECONDS = "300"
FOLDER = os.path.join(BUILD, "mutants")


def read_mutations(path):
    mutations = []
    with open(path) as file:
        for line in file:
            line = line.rstrip("\n")
            if line.startswith("== "):
                name, source, cores = (field.strip() for field in line[3:].split("|"))
                mutations.append({"name": name, "source": source, "cores": cores, "changes": []})
            elif line.startswith("-"):
                changes = mutations[-1]["changes"]
                if not changes or changes[-1][1]:
                    changes.append(([], []))
                changes[-1][0].append(line[1:])
            elif line.startswith("+"):
                mutations[-1]["changes"][-1][1].append(line[1:])
    return mutations


def mutate(text, mutation):
    for old, new in mutation["changes"]:
        if text.count("\n".join(old) + "\n") != 1:
            raise ValueError("these lines do not stand once in %s: %s" % (mutation["source"], old[0].strip()))
        text = text.replace("\n".join(old) + "\n", "\n".join(new) + "\n")
    return text


def flags():
    """The compiler, its flags, and the libraries of the simulator, as the makefile has them."""
    said = subprocess.run(["make", "-s", "mutant-flags", "V=" + os.path.basename(BUILD)], cwd=TOP, check=True,
                          env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")},
                          capture_output=True, text=True)
    return [shlex.split(line) for line in said.stdout.splitlines()[-2:]]


def build(mutation, compiler, libraries):
    stem = os.path.join(FOLDER, mutation["name"].replace(" ", "-").replace("'", ""))
    with open(os.path.join(TOP, mutation["source"])) as file:
        text = mutate(file.read(), mutation)
    with open(os.path.join(TOP, stem + ".c"), "w") as file:
        file.write(text)
    objects = sorted(os.path.join(BUILD, "tests/sim", name)
                     for name in os.listdir(os.path.join(TOP, BUILD, "tests/sim")) if name.endswith(".o"))
    subprocess.run(compiler + ["-w", "-iquote", os.path.dirname(mutation["source"]), "-c", "-o", stem + ".o", stem + ".c"],
                   cwd=TOP, check=True, capture_output=True, text=True)
    subprocess.run(compiler + ["-o", stem] + objects + [stem + ".o"] + libraries, cwd=TOP, check=True,
                   capture_output=True, text=True)
    return os.path.join(TOP, stem)


def find(mutation, compiler, libraries):
    """`ok NAME: what was found`, or why not."""
    name = mutation["name"]
    try:
        program = build(mutation, compiler, libraries)
    except (ValueError, OSError) as error:
        return "not ok %s: %s" % (name, error)
    except subprocess.CalledProcessError as error:
        return "not ok %s: it does not compile: %s" % (name, error.stderr.strip()[-400:])
    try:
        ran = subprocess.run(["timeout", "-k", "1", SECONDS, program, "--count", SEEDS, "--cores", mutation["cores"]],
                             capture_output=True, text=True)
    except OSError as error:
        return "not ok %s: %s" % (name, error)
    if ran.returncode == 124:
        return "not ok %s: still running after %s s" % (name, SECONDS)
    last = [line for line in ran.stdout.splitlines() if line.startswith("not ok sim:")]
    if ran.returncode == 0 or not last:
        return "not ok %s: %s seeds did not find it" % (name, SEEDS)
    seed = last[0].split(";")[0].split(" ")[-1]
    return "ok %s: found by seed %s" % (name, seed)


def main():
    words = sys.argv[1:]
    mutations = [m for m in read_mutations(os.path.join(HERE, "mutations"))
                 if not words or any(word in m["name"] for word in words)]
    os.makedirs(os.path.join(TOP, FOLDER), exist_ok=True)
    compiler, libraries = flags()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda m: find(m, compiler, libraries), mutations))
    print("\n".join(results))
    sys.exit(any(result.startswith("not ok") for result in results))


if __name__ == "__main__":
    main()
