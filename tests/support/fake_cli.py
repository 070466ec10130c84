"""Stand-ins for `vercel`, `aws`, `npm` and `curl`: they take what the real ones take, and refuse the rest.

`vercel`: the commands and options of its 64.0.2, by each command's `--help`; what is stored as a secret is
pulled as `[SENSITIVE]`. `aws`: each operation and parameter by botocore's model of the service, documents
validated (https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-parameters.html).
"""

import json
import os
import sys
from pathlib import Path

VERCEL = {
    ("login",): set(),
    ("link",): {"--yes", "--team", "--project"},
    ("env", "add"): {"--type", "--force"},
    ("env", "pull"): {"--environment", "--yes"},
    ("pull",): {"--yes", "--environment"},
    ("build",): {"--prod"},
    ("deploy",): {"--prod", "--prebuilt", "--local-config"},
}
NEED_A_LINK = {"env", "pull", "build", "deploy"}
WITHOUT_VALUE = {"--yes", "--prod", "--prebuilt", "--force"}
AWS_GLOBAL = {"--query", "--output", "--region", "--endpoint-url"}
SERVICES = {"s3api": "s3"}
ANSWERS = {
    "get-caller-identity": "123456789012",
    "create-access-key": "AKIAEXAMPLE\texample-secret",
}


def options_of(arguments):
    """Options with their values, and the words between them."""
    options, words, rest = {}, [], list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            words.append(word)
            continue
        name, equals, value = word.partition("=")
        options[name] = value if equals else ("" if name in WITHOUT_VALUE else rest.pop(0))
    return options, words


def vercel(folder, arguments):
    options, words = options_of(arguments)
    command = tuple(words[: 2 if words[0] == "env" else 1])
    unknown = options.keys() - VERCEL[command]
    assert not unknown, f"vercel {' '.join(command)} has no {unknown}"
    state = folder / "linked"
    assert command[0] not in NEED_A_LINK or state.exists(), "vercel link comes first"
    if command == ("link",):
        state.touch()
    elif command == ("env", "add"):
        assert words[3] == "production"
        kind = options.get("--type", "secret")
        assert kind in ("config", "secret")
        store(folder, words[2], kind, sys.stdin.read())
    elif command == ("env", "pull"):
        pull(folder, Path(words[2]))
    elif command == ("deploy",):
        print("https://uploads-acme.vercel.app")


def stored(folder):
    file = folder / "env.json"
    return json.loads(file.read_text()) if file.exists() else {}


def store(folder, name, kind, value):
    (folder / "env.json").write_text(json.dumps(stored(folder) | {name: [kind, value]}))


def pull(folder, file):
    lines = ["# Created by Vercel CLI"]
    for name, (kind, value) in stored(folder).items():
        shown = "[SENSITIVE]" if kind == "secret" else value.replace("\n", "\\n")
        lines.append(f'{name}="{shown}"')
    file.write_text("\n".join(lines) + "\n")


def aws(_folder, arguments):
    from botocore import xform_name
    from botocore.session import Session
    from botocore.validate import ParamValidator

    service, operation, *rest = arguments
    options, words = options_of(rest)
    assert not words, words
    model = Session().get_service_model(SERVICES.get(service, service))
    [name] = [one for one in model.operation_names if xform_name(one, "-") == operation]
    shape = model.operation_model(name).input_shape
    members = {xform_name(member, "-"): member for member in shape.members} if shape else {}
    given = {}
    for option, value in options.items():
        if option in AWS_GLOBAL:
            continue
        member = members[option[2:]]
        given[member] = value_of(shape.members[member], value)
    if shape:
        report = ParamValidator().validate(given, shape)
        assert not report.has_errors(), report.generate_report()
    print(ANSWERS.get(operation, ""))


def value_of(shape, text):
    if shape.type_name == "list":
        return [text]
    if shape.type_name != "structure":
        return text
    return json.loads(text) if text.startswith("{") else dict([text.split("=", 1)])


if __name__ == "__main__":
    program, folder = Path(sys.argv[0]).name, Path(os.environ["FAKES"])
    with (folder / "ran").open("a") as log:
        log.write(json.dumps([program, *sys.argv[1:]]) + "\n")
    if program in ("vercel", "aws"):
        {"vercel": vercel, "aws": aws}[program](folder, sys.argv[1:])
