"""A sample of every device profile message, for the tests of the codec and of the dissector."""

from __future__ import annotations

from typing import Any

EUI, OTHER = bytes.fromhex("00DB1234567890A0"), bytes.fromhex("0102030405060708")

_NODE = {
    "kind": {"user": False, "complex": False, "type": 2},
    "band": {"frequencies": 8},
    "capability": 0x80,
    "manufacturer": 0x1234,
    "buffer": 82,
    "incoming_transfer": 255,
    "server_mask": 0,
    "outgoing_transfer": 255,
    "descriptor_capability": 0,
}
_SIMPLE = {
    "endpoint": 1,
    "profile": 0x0109,
    "device": 0x0501,
    "version": 0,
    "input_clusters": [0x0000, 0x0702],
    "output_clusters": [0x000A],
}
_NEIGHBOUR = {
    "extended_pan": OTHER,
    "eui": EUI,
    "address": 0x3456,
    "what": {"relationship": 1, "receiver_on": 0, "type": 2},
    "permit_joining": 0,
    "depth": 1,
    "lqi": 200,
}
_BINDING = {
    "source": EUI,
    "source_endpoint": 1,
    "cluster": 0x0702,
    "mode": 3,
    "destination": {"eui": OTHER, "endpoint": 2},
}
_GROUPED = {**_BINDING, "mode": 1, "destination": {"group": 7}}
_ASSOCIATED = {"start": 0, "devices": [0x3456, 0x789A]}

SAMPLES: list[tuple[int, dict[str, Any]]] = [
    (0x0000, {"eui": EUI, "request_type": 0, "start": 0}),
    (0x8000, {"status": 0, "eui": EUI, "address": 0x3456}),
    (0x8000, {"status": 0, "eui": EUI, "address": 0x3456, "associated": _ASSOCIATED}),
    (0x0001, {"address": 0x3456, "request_type": 1, "start": 0}),
    (0x8001, {"status": 0, "eui": EUI, "address": 0x3456, "associated": {"devices": []}}),
    (0x8001, {"status": 0x81, "eui": EUI, "address": 0xFFFF}),
    (0x0002, {"address": 0x3456}),
    (0x8002, {"status": 0, "address": 0x3456, "descriptor": _NODE}),
    (0x8002, {"status": 0x81, "address": 0x3456}),
    (0x0003, {"address": 0x3456}),
    (
        0x8003,
        {
            "status": 0,
            "address": 0x3456,
            "descriptor": {"available_sources": 1, "mode": 0, "level": 12, "source": 1},
        },
    ),
    (0x0004, {"address": 0x3456, "endpoint": 1}),
    (0x8004, {"status": 0, "address": 0x3456, "descriptor": _SIMPLE}),
    (0x8004, {"status": 0x82, "address": 0x3456}),
    (0x0005, {"address": 0x3456}),
    (0x8005, {"status": 0, "address": 0x3456, "endpoints": [1, 2]}),
    (0x0006, {"address": 0xFFFD, "profile": 0x0109, "input_clusters": [0x0700], "output_clusters": []}),
    (0x8006, {"status": 0, "address": 0, "endpoints": [1]}),
    (0x0013, {"address": 0x3456, "eui": EUI, "capability": 0x80}),
    (0x0021, _BINDING),
    (0x8021, {"status": 0}),
    (0x0022, _GROUPED),
    (0x8022, {"status": 0x88}),
    (0x0031, {"start": 0}),
    (0x8031, {"status": 0, "page": {"total": 1, "start": 0, "entries": [_NEIGHBOUR]}}),
    (0x8031, {"status": 0x84}),
    (0x0032, {"start": 0}),
    (
        0x8032,
        {
            "status": 0,
            "page": {"total": 1, "start": 0, "entries": [{"destination": 0x3456, "state": 0, "next_hop": 0x789A}]},
        },
    ),
    (0x0033, {"start": 0}),
    (0x8033, {"status": 0, "page": {"total": 2, "start": 0, "entries": [_BINDING, _GROUPED]}}),
    (0x0034, {"eui": EUI, "options": {"rejoin": True, "remove_children": False}}),
    (0x8034, {"status": 0}),
    (0x0036, {"duration": 60, "trust_centre": 1}),
    (0x8036, {"status": 0}),
    (0x0038, {"channels": 0x07FFF800, "duration": 3, "count": 1}),
    (0x0038, {"channels": 0x00100000, "duration": 0xFE, "update_id": 1}),
    (0x0038, {"channels": 0x07FFF800, "duration": 0xFF, "update_id": 1, "manager": 0}),
    (0x8038, {"status": 0, "channels": 0x1800, "transmissions": 9, "failures": 1, "energies": [20, 30]}),
]
