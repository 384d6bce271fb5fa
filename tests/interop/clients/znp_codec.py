"""What zigpy-znp makes of MT frames and NV items: for each, its name, and the octets it writes itself."""

import json
import sys

import zigpy_znp.types as t
from zigpy_znp.commands import COMMANDS_BY_ID
from zigpy_znp.frames import TransportFrame

spec = json.loads(sys.argv[1])
results, errors = [], []
for text in spec["frames"]:
    try:
        frame, rest = TransportFrame.deserialize(bytes.fromhex(text))
        command = COMMANDS_BY_ID[frame.payload.header].from_frame(frame.payload)
        again = TransportFrame(command.to_frame()).serialize()
        results.append([type(command).__qualname__, again.hex(), rest.hex()])
    except Exception as error:
        errors.append(f"{text}: {error!r}")
base, rest = t.NIB.deserialize(bytes.fromhex(spec["nib"]), align=False)
network = {
    "channel": int(base.nwkLogicalChannel),
    "pan": int(base.nwkPanId),
    "short": int(base.nwkDevAddress),
    "extended_pan": base.extendedPANID.serialize()[::-1].hex(),
    "update_id": int(base.nwkUpdateId),
}
print(json.dumps({"results": results, "errors": errors, "rest": rest.hex(), "network": network}))
