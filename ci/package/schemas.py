"""schemas.py SHARE OBSERVED LOADED: the schemas in SHARE/schemas keep to their draft and take SHARE/examples, each payload
that SmartOS's vmadm was observed to take (OBSERVED/validate.jsonl), and the VM objects in LOADED."""

import json
import pathlib
import sys

from jsonschema import Draft202012Validator as Validator

# What vmadm takes and cannot use: arrays as maps, a NIC that is null, a change of no NIC.
SENSELESS = {
    "create-joyent-tags-array",
    "create-joyent-customer_metadata-array",
    "create-joyent-nics-arr-null",
    "update-joyent-update_nics-nomac",
}
PAYLOADS = {"create": "vm-create", "receive": "vm-create", "update": "vm-update"}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def documents(share, observed, loaded):
    """What is checked, as (name, schema, document)."""
    for path in sorted((share / "examples").glob("*.json")):
        yield path.name, "image" if path.name.startswith("image") else "vm-create", read(path)
    for path in sorted(loaded.glob("*.get.json")):
        yield path.name, "vm-object", read(path)
    for line in (observed / "validate.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case["exit"] == 0:
            schema = PAYLOADS[case["action"]]
            brand = {"brand": case["brand"]} if case["brand"] and schema == "vm-create" else {}
            yield case["name"], schema, brand | case["payload"]


def main(share, observed, loaded):
    schemas = {}
    for path in (share / "schemas").glob("*.json"):
        Validator.check_schema(read(path))
        schemas[path.name.removesuffix(".schema.json")] = Validator(read(path))
    checked, wrong, senseless = 0, [], set()
    for name, schema, document in documents(share, observed, loaded):
        checked += 1
        errors = [f"{name}: {schema}: {error.json_path}: {error.message}" for error in schemas[schema].iter_errors(document)]
        if name in SENSELESS and errors:
            senseless.add(name)
        else:
            wrong += errors
    wrong += [f"{name} is taken" for name in sorted(SENSELESS - senseless)]
    for text in wrong:
        print(text, file=sys.stderr)
    print(f"schemas: {checked} documents, {len(wrong)} wrong")
    return 1 if wrong or checked < 100 else 0


if __name__ == "__main__":
    sys.exit(main(*map(pathlib.Path, sys.argv[1:])))
