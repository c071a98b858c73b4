"""lint.py ROOT PREFIX P5M PLIST: the IPS manifest and the pkgsrc packing list name each file below ROOT once, in the form
that pkgsend and pkg_create read, and nothing else. What takes an unpacked package away is not for package managers."""

import os
import re
import shlex
import sys

REQUIRED = {
    "set": {"name", "value"},
    "license": {"license"},
    "depend": {"type", "fmri"},
    "dir": {"path", "owner", "group", "mode"},
    "file": {"path", "owner", "group", "mode"},
}
PAYLOAD = {"license", "file"}
# Attributes that a package must carry.
FACTS = {
    "pkg.fmri",
    "pkg.summary",
    "pkg.description",
    "info.classification",
    "org.opensolaris.smf.fmri",
    "variant.arch",
}
UNMANAGED = {"lib/uninstall", "share/zonekit/PLIST"}
SERVICES = "lib/svc/manifest/"
IMPORT = "svc:/system/manifest-import:default"
FMRI = re.compile(r"pkg://[\w.-]+/[\w/+.-]+@\d+(\.\d+)*(,\d+(\.\d+)*)?(-\d+(\.\d+)*)?")


def installed(root, prefix):
    for directory, _, files in os.walk(root):
        for name in files:
            path = os.path.relpath(os.path.join(directory, name), root)
            if os.path.relpath(path, prefix) not in UNMANAGED:
                yield path


def lint_p5m(path, root, prefix):
    facts, paths, payloads, directories = {}, [], [], []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        action, *words = shlex.split(line)
        where = f"{path}:{number}"
        if action not in REQUIRED:
            yield f"{where}: unknown action {action}"
            continue
        payload = None if "=" in words[0] else words.pop(0)
        attributes = dict(word.split("=", 1) for word in words)
        # A fact may have several values.
        if len(attributes) != len(words) and action != "set":
            yield f"{where}: an attribute stands twice"
        for name in REQUIRED[action] - attributes.keys():
            yield f"{where}: no {name}"
        if (action in PAYLOAD) != (payload is not None):
            yield f"{where}: {action} with payload {payload}"
        if payload and not os.path.isfile(os.path.join(root, payload)):
            yield f"{where}: {payload} is not in the package"
        if action == "set":
            facts[attributes["name"]] = attributes["value"]
        if action == "dir":
            directories.append(attributes["path"])
        if action == "file":
            paths.append(attributes["path"])
            payloads.append(payload)
            if not attributes["path"].startswith((prefix + "/", SERVICES)):
                yield f"{where}: {attributes['path']} is outside the package"
            if attributes["path"].startswith(SERVICES) != (attributes.get("restart_fmri") == IMPORT):
                yield f"{where}: a service's manifest is to be imported, nothing else is"
            mode = os.stat(os.path.join(root, payload)).st_mode & 0o7777
            if int(attributes["mode"], 8) != mode:
                yield f"{where}: mode {attributes['mode']}, the file has {mode:04o}"
    for name in FACTS - facts.keys():
        yield f"{path}: no {name}"
    if not FMRI.fullmatch(facts.get("pkg.fmri", "")):
        yield f"{path}: {facts.get('pkg.fmri')} is no package's name"
    yield from unique(path, paths)
    yield from complete(path, payloads, root, prefix)
    for name in sorted({os.path.dirname(name) for name in paths} - set(directories)):
        yield f"{path}: no directory {name}"


def lint_plist(path, root, prefix):
    lines = open(path, encoding="utf-8").read().splitlines()
    if lines[0] != "@comment $NetBSD$":
        yield f"{path}: does not begin with @comment $NetBSD$"
    paths = lines[1:]
    if paths != sorted(paths):
        yield f"{path}: not sorted"
    yield from unique(path, paths)
    yield from complete(path, [os.path.join(prefix, name) for name in paths], root, prefix)


def unique(path, names):
    for name in names:
        if name.startswith("/") or names.count(name) > 1:
            yield f"{path}: {name} is absolute or stands twice"


def complete(path, names, root, prefix):
    for name in set(installed(root, prefix)) ^ set(names):
        yield f"{path}: {name} is in one of list and package alone"


def main(root, prefix, p5m, plist):
    prefix = prefix.strip("/")
    wrong = [*lint_p5m(p5m, root, prefix), *lint_plist(plist, root, prefix)]
    for text in wrong:
        print(text, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
