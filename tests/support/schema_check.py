#!/usr/bin/env python3
"""Whether outputs are what a JSON Schema's $defs say of them.

    schema_check.py SCHEMA < OUTPUTS

OUTPUTS is one JSON object a line: {"def": NAME of $defs, "output": ANY}. Prints what is wrong, a line each, and exits
with 1 where something is. Strict: a key that the schema does not name is wrong, although its readers ignore such.
"""
import json
import sys

from jsonschema import Draft202012Validator


def strict(schema):
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: strict(value) for key, value in schema.items()}
    if "properties" in out and isinstance(schema.get("required"), list):
        out.setdefault("additionalProperties", False)
    return out


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    definitions = strict(schema["$defs"])
    wrong = 0
    for line in sys.stdin:
        row = json.loads(line)
        name = row["def"]
        if name not in definitions:
            print(f"{name}: no such definition")
            wrong += 1
            continue
        validator = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions})
        for error in validator.iter_errors(row["output"]):
            print(f"{name}: {error.json_path}: {error.message}")
            wrong += 1
    sys.exit(1 if wrong else 0)


main()
