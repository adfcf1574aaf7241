"""What Python's jsonschema says, for tests of constrained output.

Usage: json_schema_oracle.py cases SUITE EXPECTED
       json_schema_oracle.py judge < LINES

`cases` prints a JSON object a line for every schema of the official test suite: {"file", "name",
"schema" (text), "tests": [{"name", "texts", "valid", "expected"}]}. `texts` are ways to write the
instance that differ in the order of its keys alone; "valid" is null where the suite takes for valid
what only fails by its format (`format` is obeyed here). "expected" is what EXPECTED, llguidance's
results, says of the instance, or null.

`judge` reads {"schema", "text"} a line and prints for each "ok", or why the text is no JSON or does not obey
the schema.
"""

import itertools
import json
import re
import sys

from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable

MOST_TEXTS = 720
DIALECTS = {"draft7": Draft7Validator, "draft2020-12": Draft202012Validator}


def scalar_text(value):
    """Numbers in the one form that the grammar has for them."""
    if isinstance(value, float):
        if value.is_integer():
            return str(int(value))
        text = repr(value)
        return text if "e" not in text else format(value, ".20f").rstrip("0")
    return json.dumps(value, ensure_ascii=False)


def texts(value):
    """All ways to write it, as far as the order of keys goes."""
    if isinstance(value, list):
        for parts in itertools.product(*(list(texts(item)) for item in value)):
            yield "[" + ",".join(parts) + "]"
    elif isinstance(value, dict):
        for keys in itertools.permutations(value):
            for parts in itertools.product(*(list(texts(value[key])) for key in keys)):
                members = (scalar_text(key) + ":" + part for key, part in zip(keys, parts))
                yield "{" + ",".join(members) + "}"
    else:
        yield scalar_text(value)


def validator(schema, default=Draft202012Validator):
    kind = validator_for(schema, default=default)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def cases(suite_path, expected_path):
    with open(suite_path) as file:
        suite = json.load(file)
    with open(expected_path) as file:
        expected = json.load(file)
    for path, groups in suite.items():
        _, dialect, *rest = path.split("/")
        name = "/".join(rest).removesuffix(".json")
        for group in groups:
            schema = group["schema"]
            if dialect == "draft7" and isinstance(schema, dict) and "$schema" not in schema:
                schema = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
            known = expected.get(dialect, {}).get(name, {}).get(group["description"], {})
            tests = []
            for test in group["tests"]:
                valid = test["valid"]
                if valid:
                    try:
                        valid = True if validator(schema, DIALECTS[dialect]).is_valid(test["data"]) else None
                    except (Unresolvable, re.error):
                        pass
                tests.append({"name": test["description"], "valid": valid,
                              "texts": list(itertools.islice(texts(test["data"]), MOST_TEXTS)),
                              "expected": known.get(test["description"])})
            print(json.dumps({"file": dialect + "/" + name, "name": group["description"],
                              "schema": json.dumps(schema), "tests": tests}))


def judge():
    for line in sys.stdin:
        case = json.loads(line)
        try:
            value = json.loads(case["text"])
            error = next(validator(json.loads(case["schema"])).iter_errors(value), None)
            print("ok" if error is None else json.dumps(error.message))
        except ValueError as error:
            print(json.dumps(str(error)))


if __name__ == "__main__":
    if sys.argv[1] == "cases":
        cases(*sys.argv[2:])
    else:
        judge()
