"""JSON for a jsonb column, in which every number is a decimal, so that each comes back as it went in."""

import json
import re
from decimal import Decimal
from typing import Any

# A string, or a number that jsonb would give back as an integer of up to 309 digits
_STRING_OR_LARGE = re.compile(r'"(?:[^"\\]|\\.)*"|(-?[0-9.]+e\+[0-9]+)')


def dumps(value: Any) -> str:
    """The JSON of a value; a double of 1e16 or more gets a decimal place.

    PostgreSQL keeps that place (numeric's scale), so that it is read as a double again, not as an integer.
    """
    text = json.dumps(value, ensure_ascii=False)
    return _STRING_OR_LARGE.sub(lambda found: f"{Decimal(found[1]):f}.0" if found[1] else found[0], text)
