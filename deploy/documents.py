"""The documents of this folder with a deployment's own values in them: `python -m deploy.documents NAME`."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.domain.policy import TABLE
from lib.runtime.origins import check_origins, origins_of

FOLDER = Path(__file__).parent
PLACE = re.compile(r"\$\{(\w+)\}")
DEFAULTS = {"STAGE": "dev", "KEY_PREFIX": TABLE.prefix}


class InvalidValueError(Exception):
    """A variable that a document has a place for is not set, or is invalid; the text names it."""


def document(name: str, env: Mapping[str, str]) -> dict[str, Any]:
    """A document, its `${VARIABLE}` places filled in; raises `InvalidValueError`."""
    template = json.loads((FOLDER / f"{name}.json").read_text())
    known = {key: value.strip() for key, value in env.items() if value.strip()}
    partition = partition_of(known.get("S3_REGION") or known.get("AWS_REGION") or "us-east-1")
    return dict(_filled(template, DEFAULTS | {"AWS_PARTITION": partition} | known))


def partition_of(region: str) -> str:
    """The part of AWS that a region belongs to, as ARNs name it: aws, aws-cn, aws-us-gov, …"""
    from botocore.exceptions import UnknownRegionError
    from botocore.session import Session

    try:
        return str(Session().get_partition_for_region(region.lower()))
    except UnknownRegionError:  # a store of others
        return "aws"


def _filled(value: Any, env: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {_filled(key, env): _filled(one, env) for key, one in value.items()}
    if value == ["${ALLOWED_ORIGINS}"]:
        return sorted(origins_of(_checked_origins(_filled(value[0], env))))
    if isinstance(value, list):
        return [_filled(one, env) for one in value]
    return PLACE.sub(lambda place: _value(place[1], env), value) if isinstance(value, str) else value


def _checked_origins(listed: str) -> str:
    try:
        return check_origins(listed)
    except ValueError as error:
        raise InvalidValueError(f"ALLOWED_ORIGINS: {error}") from None


def _value(variable: str, env: Mapping[str, str]) -> str:
    if variable not in env:
        raise InvalidValueError(f"Set {variable}: the document has a place for it.")
    return env[variable]


def names() -> list[str]:
    """All documents."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def main() -> int:
    """Print one document, filled in from the environment."""
    if sys.argv[1:2] == [] or sys.argv[1] not in names():
        print(f"Say which: {', '.join(names())}.", file=sys.stderr)
        return 1
    try:
        print(json.dumps(document(sys.argv[1], os.environ), indent=2))
    except InvalidValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
