"""workflows.py --extract DIR FILE...: checks GitHub workflows against what is written here, and puts each shell script in
them into DIR for shellcheck. Inputs of actions are checked by name: GitHub ignores misspelt ones with a warning."""

import os
import re
import sys

import yaml

WORKFLOW = {"name", "on", "jobs", "env", "permissions", "concurrency", "defaults"}
EVENTS = {"push", "pull_request", "workflow_dispatch", "schedule"}
JOB = {"name", "runs-on", "timeout-minutes", "steps", "needs", "if", "env", "strategy"}
STEP = {"name", "id", "if", "uses", "with", "run", "env", "shell", "working-directory", "timeout-minutes"}
INPUTS = {
    "actions/checkout": {"ref", "fetch-depth", "path"},
    "actions/upload-artifact": {"name", "path", "if-no-files-found", "retention-days"},
    "vmactions/omnios-vm": {"release", "prepare", "run", "usesh", "copyback", "sync", "mem", "cpu", "envs"},
}
# Inputs that are shell scripts.
SCRIPTS = {"vmactions/omnios-vm": ["prepare", "run"]}


class Unique(yaml.SafeLoader):
    """Refuses a key that stands twice, and keeps `on` a word."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise yaml.YAMLError(f"a key stands twice in {keys}")
        return super().construct_mapping(node, deep)


Unique.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first not in "oOyYnN"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def check(workflow):
    """Yields what is wrong, as text."""

    def unknown(what, given, known):
        return [f"{what}: unknown {key}" for key in given if key not in known]

    yield from unknown("workflow", workflow, WORKFLOW)
    yield from unknown("on", workflow.get("on") or ["nothing"], EVENTS)
    for name, job in (workflow.get("jobs") or {"nothing": {}}).items():
        yield from unknown(f"job {name}", job, JOB)
        for key in ("runs-on", "timeout-minutes", "steps"):
            if not job.get(key):
                yield f"job {name}: no {key}"
        for number, step in enumerate(job.get("steps") or [], 1):
            what = f"job {name}, step {number}"
            yield from unknown(what, step, STEP)
            if ("uses" in step) == ("run" in step):
                yield f"{what}: one of uses and run"
            if "uses" in step:
                action = re.fullmatch(r"([\w.-]+/[\w.-]+)@v?[0-9a-f.]+", step["uses"])
                if not action:
                    yield f"{what}: {step['uses']} is no owner/name@version"
                elif action[1] not in INPUTS:
                    yield f"{what}: the inputs of {action[1]} are not listed in workflows.py"
                else:
                    yield from unknown(what, step.get("with") or {}, INPUTS[action[1]])


def scripts(workflow):
    """Yields the shell scripts."""
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if "run" in step:
                yield "bash", step["run"]
            inputs = step.get("with") or {}
            for name in SCRIPTS.get(step.get("uses", "").split("@")[0], []):
                if name in inputs:
                    yield "sh" if inputs.get("usesh") else "bash", inputs[name]


def main(directory, paths):
    os.makedirs(directory, exist_ok=True)
    failed = False
    for path in paths:
        with open(path, encoding="utf-8") as file:
            workflow = yaml.load(file, Unique)
        wrong = list(check(workflow))
        for text in wrong:
            print(f"{path}: {text}", file=sys.stderr)
        failed = failed or bool(wrong)
        if wrong:
            continue
        for number, (shell, text) in enumerate(scripts(workflow)):
            with open(f"{directory}/{os.path.basename(path)}.{number}.sh", "w", encoding="utf-8") as file:
                file.write(f"# shellcheck shell={shell}\n{text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2], sys.argv[3:]))
