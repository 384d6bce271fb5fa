"""Drives the dlms-cosem client; run by the interpreter of the peer's own environment.

    python dlms_cosem_client.py '{"transport": "tcp", "where": "127.0.0.1:4059", "client": 16, "do": [...]}'

``transport`` is tcp (wrapper), tcp+hdlc or serial. The last line written is a JSON object with ``results``, one a step,
and ``errors``.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback

import structlog
from dlms_cosem import cosem, utils
from dlms_cosem import enumerations as enums
from dlms_cosem.client import DlmsClient
from dlms_cosem.hdlc import state
from dlms_cosem.io import BlockingTcpIO, HdlcTransport, SerialIO, TcpTransport
from dlms_cosem.security import (
    HighLevelSecurityGmacAuthentication,
    LowLevelSecurityAuthentication,
    NoSecurityAuthentication,
)


class FramedTransport(HdlcTransport):
    """The peer's HDLC transport, reading frames by their length.

    As it is, it looks for flags only. Where 7E is an octet of a frame it asks for more octets although the frame is all
    there, and waits for ever if that was the last octet of the check sequence: one frame of 256.
    """

    def next_event(self) -> object:
        connection = self.hdlc_connection
        while True:
            event = connection.next_event()
            if event is not state.NEED_DATA:
                return event
            if connection.buffer.find(b"\x7e", connection.buffer_search_position) < 0:
                connection.receive_data(self.recv_frame())

    def recv_frame(self) -> bytes:
        start = self.io.recv_until(b"\x7e")[-1:] + self.io.recv(2)
        if len(start) < 3:
            raise TimeoutError("the meter is silent")
        return start + self.io.recv(((start[1] & 7) << 8 | start[2]) - 1)


def opened(spec: dict) -> DlmsClient:
    """A client as the specification says."""
    where = spec["where"]
    if spec["transport"] == "serial":
        io = SerialIO(where)
    else:
        host, port = where.rsplit(":", 1)
        io = BlockingTcpIO(host, int(port))
    addresses = {"client_logical_address": spec.get("client", 16), "server_logical_address": spec.get("server", 1)}
    if spec["transport"] == "tcp":
        transport = TcpTransport(io=io, **addresses)
    else:
        transport = FramedTransport(io=io, server_physical_address=spec.get("physical"), **addresses)
    match spec.get("mechanism", "none"):
        case "none":
            authentication = NoSecurityAuthentication()
        case "lls":
            authentication = LowLevelSecurityAuthentication(secret=bytes.fromhex(spec["password"]))
        case "gmac":
            authentication = HighLevelSecurityGmacAuthentication(challenge_length=16)
        case other:
            raise ValueError(f"no mechanism {other}")
    keys = {}
    if spec.get("ciphered"):
        keys = {
            "encryption_key": bytes.fromhex(spec["encryption"]),
            "authentication_key": bytes.fromhex(spec["authentication"]),
            "client_system_title": bytes.fromhex(spec.get("title", "4443530000000001")),
            "client_initial_invocation_counter": spec.get("invocation_counter", 0) + 1,
        }
    return DlmsClient(
        transport=transport, authentication=authentication, max_pdu_size=spec.get("max_pdu", 65535), **keys
    )


def plain(value: object) -> object:
    match value:
        case bytes() | bytearray():
            return bytes(value).hex()
        case list() | tuple():
            return [plain(item) for item in value]
        case bool() | int() | float() | str() | None:
            return value
        case _:
            return str(value)


def step(client: DlmsClient, what: list) -> object:
    match what:
        case ["get", interface_class, name, attribute]:
            obis = cosem.Obis(*(int(part) for part in name.split(".")[:5]))
            target = cosem.CosemAttribute(enums.CosemInterface(interface_class), obis, attribute)
            return plain(utils.parse_as_dlms_data(client.get(target)))
        case ["set", interface_class, name, attribute, encoded]:
            obis = cosem.Obis(*(int(part) for part in name.split(".")[:5]))
            target = cosem.CosemAttribute(enums.CosemInterface(interface_class), obis, attribute)
            return client.set(target, bytes.fromhex(encoded)).result.name
        case _:
            raise ValueError(f"no step {what}")


def main() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    spec = json.loads(sys.argv[1])
    results: list[object] = []
    errors: list[str] = []
    try:
        with opened(spec).session() as client:
            for what in spec.get("do", []):
                results.append(step(client, what))
    except Exception as error:
        traceback.print_exc()
        errors.append(repr(error))
    print(json.dumps({"results": results, "errors": errors}))


if __name__ == "__main__":
    main()
