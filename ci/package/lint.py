"""lint.py ROOT PREFIX P5M PLIST: the IPS manifest and the pkgsrc packing list name each file below ROOT once, in the form
that pkgsend and pkg_create read, and nothing else."""

import os
import re
import shlex
import sys

REQUIRED = {"set": {"name", "value"}, "file": {"path", "owner", "group", "mode"}, "license": {"license"}}
# Attributes that a package must carry.
FACTS = {"pkg.fmri", "pkg.summary", "info.classification", "variant.arch"}
FMRI = re.compile(r"pkg://[\w.-]+/[\w/+.-]+@\d+(\.\d+)*(,\d+(\.\d+)*)?(-\d+(\.\d+)*)?")


def installed(root):
    for directory, _, files in os.walk(root):
        for name in files:
            yield os.path.relpath(os.path.join(directory, name), root)


def lint_p5m(path, root):
    facts, paths = {}, []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        action, *words = shlex.split(line)
        where = f"{path}:{number}"
        if action not in REQUIRED:
            yield f"{where}: unknown action {action}"
            continue
        payload = None if "=" in words[0] else words.pop(0)
        attributes = dict(word.split("=", 1) for word in words)
        if len(attributes) != len(words):
            yield f"{where}: an attribute stands twice"
        for name in REQUIRED[action] - attributes.keys():
            yield f"{where}: no {name}"
        if (action == "set") == (payload is not None):
            yield f"{where}: {action} with payload {payload}"
        if payload and not os.path.isfile(os.path.join(root, payload)):
            yield f"{where}: {payload} is not in the package"
        if action == "set":
            facts[attributes["name"]] = attributes["value"]
        if action == "file":
            paths.append(attributes["path"])
            mode = os.stat(os.path.join(root, payload)).st_mode & 0o7777
            if int(attributes["mode"], 8) != mode:
                yield f"{where}: mode {attributes['mode']}, the file has {mode:04o}"
    for name in FACTS - facts.keys():
        yield f"{path}: no {name}"
    if not FMRI.fullmatch(facts.get("pkg.fmri", "")):
        yield f"{path}: {facts.get('pkg.fmri')} is no package's name"
    yield from complete(path, paths, root)


def lint_plist(path, root, prefix):
    lines = open(path, encoding="utf-8").read().splitlines()
    if lines[0] != "@comment $NetBSD$":
        yield f"{path}: does not begin with @comment $NetBSD$"
    paths = lines[1:]
    if paths != sorted(paths):
        yield f"{path}: not sorted"
    yield from complete(path, [f"{prefix.strip('/')}/{name}" for name in paths], root)


def complete(path, paths, root):
    for name in paths:
        if name.startswith("/") or paths.count(name) > 1:
            yield f"{path}: {name} is absolute or stands twice"
    for name in set(installed(root)) ^ set(paths):
        yield f"{path}: {name} is in one of list and package alone"


def main(root, prefix, p5m, plist):
    wrong = [*lint_p5m(p5m, root), *lint_plist(plist, root, prefix)]
    for text in wrong:
        print(text, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
