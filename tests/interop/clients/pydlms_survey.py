"""All that the pydlms client is shown of a device: objects, rights and values; run like ``pydlms_client.py``.

The one result is a list of objects: class, version, logical name, readable and writable attributes, methods, and what
reading each readable attribute gave, except the rows of profiles.
"""

from __future__ import annotations

import json
import sys
import traceback

from pydlms import DlmsClient
from pydlms.exceptions import ServiceError
from pydlms_client import opened, plain

_PROFILE = 7


def read(client: DlmsClient, interface_class: int, name: object, attribute: int) -> object:
    """The value, or the result code of a refusal in a list of its own."""
    try:
        return plain(client.get(name, interface_class, attribute))
    except ServiceError as error:
        return [f"refused {int(error.result)}"]


def main() -> None:
    spec = json.loads(sys.argv[1])
    seen: list[object] = []
    errors: list[str] = []
    facts: dict[str, object] = {"results": [seen], "errors": errors}
    try:
        client = opened(spec)
        facts["conformance"] = int(client.conformance)
        for entry in client.get_association_view():
            assert entry.rights is not None, entry
            readable = [item.attribute_id for item in entry.rights.attributes if item.readable]
            writable = [item.attribute_id for item in entry.rights.attributes if item.writable]
            methods = [item.method_id for item in entry.rights.methods if item.executable]
            values = {
                str(index): read(client, entry.class_id, entry.logical_name, index)
                for index in readable
                if not (entry.class_id == _PROFILE and index == 2)
            }
            name = str(entry.logical_name)
            seen.append([int(entry.class_id), entry.version, name, readable, writable, methods, values])
        client.close()
    except Exception as error:
        traceback.print_exc()
        errors.append(repr(error))
    finally:
        print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
