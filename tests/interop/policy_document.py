#!/usr/bin/python3
"""The policy as a document: shown, compared, applied, confirmed or not, and gone back over; docs/reference/policy-document.md."""
import json
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from broker import BUILD, HERE, Broker, await_true, check, expect, expect_equal, finish

RULE = '      - { allow: both, topic: "a/#" }\n'
SMALL = "roles:\n  r:\n    permissions:\n" + RULE


def mortise(*words, text=None):
    done = subprocess.run([BUILD + "/mortise", "--state", BROKER.state, *words], input=text, capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout, done.stderr


def good(*words, text=None):
    status, out, fault = mortise(*words, text=text)
    expect(status == 0, "%s: exit %d: %s" % (" ".join(words), status, fault))
    return out


def show():
    return good("policy", "show")


def the_example_of_the_page():
    with open(os.path.join(HERE, "docs/reference/policy-document.md"), encoding="utf-8") as page:
        example = re.search("```yaml\n(.*?)```", page.read(), re.S).group(1)
    before = show()
    good("policy", "apply", "--dry-run", "-", text=example)
    expect_equal(show(), before)
    good("policy", "apply", "-", text=example)
    expect(json.loads(good("--json", "policy", "diff", "-", text=example))["changes"] == [], "it is there")
    expect_equal(good("policy", "apply", "-", text=show()), "nothing changes\n")
    expect("subscribe: filter" in show() and "password" not in show(), show())


def every_error_and_nothing_applied():
    before = show()
    status, _, fault = mortise("policy", "apply", "-", text="roles:\n  admin: {}\n  x: { permissions: [{ allow: all }] }\n"
                               "users:\n  y: { roles: [nope] }\nmore: 1\n")
    expect_equal(status, 2)
    for line in "line 2: ", "line 3: ", "line 5: ", "line 6: ":
        expect(line in fault, fault)
    expect_equal(show(), before)


def users_are_not_forgotten():
    status, _, fault = mortise("policy", "apply", "-", text="users: {}\n")
    expect(status == 1 and "--remove-users" in fault, fault)
    expect("th-17" in show(), "kept")
    good("policy", "apply", "--remove-users", "-", text="users: { admin: { roles: [admin] } }\n")
    expect("th-17" not in show() and "thermostat" in show(), "gone, and the roles stay")


def rolled_back_without_secrets():
    good("user", "add", "bob", "--password-stdin", "--role", "operator", text="hunter2\n")
    revision = json.loads(good("--json", "policy", "log"))["revisions"][0]["revision"]
    was = show()
    identity = json.loads(good("--json", "user", "show", "bob"))["id"]
    good("user", "remove", "bob")
    good("policy", "rollback", str(revision))
    expect_equal(show(), was)
    bob = json.loads(good("--json", "user", "show", "bob"))
    expect(bob["id"] == identity and not bob["password"], str(bob))
    status, _, fault = mortise("policy", "rollback", "999999")
    expect(status == 1 and "no such revision" in fault, fault)
    status, _, fault = mortise("policy", "apply", "-", text=SMALL)
    expect(status == 1 and "operator" in fault, "a role that a user holds: " + fault)
    good("user", "remove", "bob")


def confirmed_or_undone():
    before = show()
    good("policy", "apply", "--confirm-within", "60s", "-", text=SMALL)
    status, _, fault = mortise("role", "add", "meanwhile")
    expect(status == 1 and "policy confirm" in fault, fault)
    good("policy", "confirm")
    expect('topic: "a/#"' in show(), show())
    after = show()
    good("policy", "apply", "--confirm-within", "1s", "-", text=SMALL + RULE.replace("a/", "b/"))
    await_true(lambda: show() == after, 20)
    expect("not confirmed in time" in good("policy", "log"), good("policy", "log"))
    expect(mortise("policy", "confirm")[0] == 1, "nothing waits")
    expect(before != after, "something was applied")


def undone_after_a_crash():
    before = show()
    good("policy", "apply", "--confirm-within", "1s", "-", text=SMALL + RULE.replace("a/", "c/"))
    BROKER.process.kill()
    BROKER.process.wait()
    time.sleep(1.5)
    BROKER.__enter__()
    expect_equal(show(), before)
    expect("undone: nobody confirmed it in time" in "\n".join(BROKER.log()), "logged")


def main():
    check("the example of the page is applied, and shown again", the_example_of_the_page)
    check("every error is told with its line, and nothing is applied", every_error_and_nothing_applied)
    check("users that a document forgets are not removed", users_are_not_forgotten)
    check("going back brings users back, but no secrets", rolled_back_without_secrets)
    check("what nobody confirms is undone", confirmed_or_undone)
    check("also after the broker was killed", undone_after_a_crash)


with Broker() as BROKER:
    main()
finish()
