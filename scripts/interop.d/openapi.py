"""Every example of an OpenAPI document has to fit the schema that stands beside it."""

import json
import sys
import urllib.parse

import jsonschema_rs

document = json.load(open(sys.argv[1], encoding="utf-8"))
checked = 0


def check(place, holder):
    global checked
    if "example" not in holder:
        return
    schema = {"allOf": [holder["schema"]], "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    for error in validator.iter_errors(holder["example"]):
        sys.exit(f"{place}: {error.message} at {list(error.instance_path)}")
    checked += 1


for path, item in document["paths"].items():
    for method, operation in item.items():
        for parameter in operation.get("parameters", []):
            check(f"{method} {path}: {parameter['name']}", parameter)
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for kind, media in (media for body in bodies for media in body.get("content", {}).items()):
            if kind == "application/x-www-form-urlencoded" and "example" in media:
                # The schema is about the parameters, the example shows them as they are sent.
                media = {**media, "example": dict(urllib.parse.parse_qsl(media["example"], strict_parsing=True))}
            check(f"{method} {path}", media)
print(f"{checked} examples")
sys.exit(checked < 50)
