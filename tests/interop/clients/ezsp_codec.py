"""What bellows makes of EZSP parameters that are all zeros: whether they are a request or an answer, to the end."""

import json
import sys

from bellows.ezsp.v13.commands import COMMANDS
from bellows.types import deserialize_dict

spec = json.loads(sys.argv[1])
known = {number: (name, request, answer) for name, (number, request, answer) in COMMANDS.items()}


def left(schema, size: int) -> int:
    """Octets over after the schema has taken its part of so many zeros; -1 where they are too few."""
    try:
        if isinstance(schema, dict):
            _, rest = deserialize_dict(bytes(size), schema)
        else:
            _, rest = schema.deserialize(bytes(size))
    except ValueError:
        return -1
    return len(rest)


results, errors = [], []
for number, request, answer in spec["commands"]:
    if number not in known:
        errors.append(f"no command {number:04X}")
        continue
    name, asks, tells = known[number]
    results.append([number, name, left(asks, request), left(tells, answer)])
print(json.dumps({"results": results, "errors": errors}))
