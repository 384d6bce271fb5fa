"""Drives the gurux-dlms client over a socket or a terminal; run by the interpreter of the peer's own environment.

    python gurux_client.py '{"port": "tcp:127.0.0.1:4059", "framing": "wrapper", "client": 16, "do": [["readall"]]}'

The last line written is a JSON object: ``results``, one a step, ``errors``, and what the link and association settled
on. Steps: ``["read", class, "a.b.c.d.e.f", attribute]``, ``["list", [[class, name, attribute], ...]]``,
``["entries", name, first, count]``, ``["range", name, from, to]`` (ISO instants of the meter's own time),
``["write", class, name, attribute, type, value]``, ``["method", class, name, method, type, value]``, ``["objects"]``,
``["readall"]``, ``["typed", class, name]`` (all attributes as the library's own object of that class has them),
``["put", class, name, attribute, {field: value}]`` (changes fields of that object, such as ``unit.rows.0``, and writes
the attribute; instants in ISO form, a table of ``TABLES`` as its rows' fields), ``["refused", step]`` (the error number
of a step that must fail).
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable
from datetime import date, datetime, timedelta
from datetime import time as day_time

import serial
from gurux_dlms import GXBitString, GXByteBuffer, GXDateTime, GXReplyData
from gurux_dlms.enums import Authentication, DataType, InterfaceType, ObjectType, Security
from gurux_dlms.GXDLMSSettings import GXDLMSSettings
from gurux_dlms.objects import GXDLMSObject
from gurux_dlms.objects.GXChargeTable import GXChargeTable
from gurux_dlms.secure import GXDLMSSecureClient

TIMEOUT = 10.0
"""Seconds without an octet, unless a specification has its own ``timeout``."""
MECHANISMS = {
    "none": Authentication.NONE,
    "lls": Authentication.LOW,
    "hls": Authentication.HIGH,
    "md5": Authentication.HIGH_MD5,
    "sha1": Authentication.HIGH_SHA1,
    "gmac": Authentication.HIGH_GMAC,
    "sha256": Authentication.HIGH_SHA256,
}

TABLES = {"chargeTables": (GXChargeTable, ("index", "chargePerUnit"))}
"""Tables by the name of their field: what the library makes their rows of, and the fields of a row."""


def _window(original: Callable[..., bool]) -> Callable[..., bool]:
    """The library proposes a window of more than one frame and then loses count in the answer's second frame.

    It keeps the frame's number in a variable of the wrong name, and acknowledges one frame however many came. With a
    window the numbers of I frames are kept here, frame by frame; all else stays the library's.
    """

    def check(self: GXDLMSSettings, frame: int, xml: object) -> bool:
        if frame & 1 or self.isServer or self.hdlc.windowSizeRX == 1:
            return original(self, frame, xml)
        if frame >> 1 & 7 != ((self.receiverFrame >> 1) + 1) & 7:
            return False
        self.receiverFrame = frame
        if not frame & 0x10:  # more of this window follow; the last is counted when the next frame is sent
            self.senderFrame = (self.senderFrame + 0x20) & 0xFF
        return True

    return check


GXDLMSSettings.checkFrame = _window(GXDLMSSettings.checkFrame)


class Refused(ValueError):
    """The meter answers with an error; ``number`` is its code."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = int(number)


class Socket:
    """Octets over TCP."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._socket = socket.create_connection((host, port), timeout)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self) -> bytes:
        data = self._socket.recv(4096)
        if not data:
            raise EOFError("the meter closed the connection")
        return data

    def close(self) -> None:
        self._socket.close()


class Terminal:
    """Octets over a terminal, 8N1."""

    def __init__(self, path: str, baud: int, timeout: float) -> None:
        self._port = serial.Serial(path, baud, timeout=timeout)

    def send(self, data: bytes) -> None:
        self._port.write(data)
        self._port.flush()

    def receive(self) -> bytes:
        data = self._port.read(1)
        if not data:
            raise TimeoutError("the meter is silent")
        return data + self._port.read(self._port.in_waiting)

    def sign_on(self) -> str:
        """IEC 62056-21 mode E at 300 Bd; returns the identification."""
        self.send(b"/?!\r\n")
        line = b""
        while not line.endswith(b"\n"):
            line += bytes(octet & 0x7F for octet in self._port.read(1))
            if not line:
                raise TimeoutError("no identification")
        code = chr(line[4])
        answer = b"\x062" + code.encode() + b"2\r\n"
        self.send(answer)
        self._port.baudrate = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}[code]
        echo = bytes(octet & 0x7F for octet in self._port.read(6))
        if echo != answer:
            raise ValueError(f"mode E acknowledged by {echo!r}")
        time.sleep(0.1)
        return line.strip().decode()

    def close(self) -> None:
        self._port.close()


class Reader:
    """One session of the peer's client."""

    def __init__(self, spec: dict, client_sap: int, mechanism: str, ciphered: bool) -> None:
        framing = spec.get("framing", "hdlc")
        self.interface = InterfaceType.WRAPPER if framing == "wrapper" else InterfaceType.HDLC
        password = spec.get("password")
        client = GXDLMSSecureClient(
            True, client_sap, 1, MECHANISMS[mechanism], bytes.fromhex(password) if password else None, self.interface
        )
        server = spec.get("server", 1)
        if self.interface == InterfaceType.HDLC and "physical" in spec:
            size = spec.get("address_octets", 2)
            server = client.getServerAddress(server, spec["physical"], size)
            client.serverAddressSize = size
        client.serverAddress = server
        cipher = client.ciphering
        cipher.systemTitle = bytes.fromhex(spec.get("title", "4755525530303031"))
        if ciphered:
            cipher.security = Security(spec.get("security", 0x30))
        if ciphered or mechanism == "gmac":
            cipher.blockCipherKey = bytearray.fromhex(spec["encryption"])
            cipher.authenticationKey = bytearray.fromhex(spec["authentication"])
        if spec.get("dedicated"):
            cipher.dedicatedKey = bytearray.fromhex(spec["dedicated"])
        client.hdlcSettings.maxInfoRX = client.hdlcSettings.maxInfoTX = spec.get("frame", 128)
        client.hdlcSettings.windowSizeRX = client.hdlcSettings.windowSizeTX = spec.get("window", 1)
        if "max_pdu" in spec:
            client.maxReceivePDUSize = spec["max_pdu"]
        self.client = client
        self.identification = ""
        where, timeout = spec["port"], spec.get("timeout", TIMEOUT)
        if where.startswith("tcp:"):
            host, port = where[4:].rsplit(":", 1)
            self.media = Socket(host, int(port), timeout)
        elif framing == "mode-e":
            self.media = Terminal(where.removeprefix("pty:"), 300, timeout)
            self.identification = self.media.sign_on()
        else:
            self.media = Terminal(where.removeprefix("pty:"), spec.get("baud", 9600), timeout)

    def _exchange(self, data: bytes | None, reply: GXReplyData) -> None:
        if data is None and not reply.isStreaming():
            return
        if data is not None:
            self.media.send(bytes(data))
        received = GXByteBuffer()
        reply.error = 0
        received.set(self.media.receive())
        while not self.client.getData(received, reply, None):
            received.set(self.media.receive())
        if reply.error:
            raise Refused(reply.error, f"error {reply.error}: {reply.getErrorMessage()}")

    def ask(self, messages: object) -> GXReplyData:
        """Send a request, one frame or block after the other, and collect the whole answer."""
        reply = GXReplyData()
        for message in messages if isinstance(messages, list) else [messages]:
            reply.clear()
            self._exchange(message, reply)
            while reply.isMoreData():
                self._exchange(None if reply.isStreaming() else self.client.receiverReady(reply), reply)
        return reply

    def connect(self) -> None:
        client = self.client
        snrm = client.snrmRequest()
        if snrm:
            client.parseUAResponse(self.ask(snrm).data)
        client.parseAareResponse(self.ask(client.aarqRequest()).data)
        if client.isAuthenticationRequired:
            client.parseApplicationAssociationResponse(self.ask(client.getApplicationAssociationRequest()).data)

    def disconnect(self) -> None:
        client = self.client
        if self.interface == InterfaceType.WRAPPER or client.ciphering.security != Security.NONE:
            release = client.releaseRequest()
            if release:
                self.ask(release)
        if self.interface == InterfaceType.HDLC:
            self.ask(client.disconnectRequest(True))
        self.media.close()

    def read(self, target: object, attribute: int) -> object:
        reply = self.ask(self.client.read(target, attribute)[0])
        if type(target) is GXDLMSObject:
            return reply.value
        return self.client.updateValue(target, attribute, reply.value)

    def objects(self) -> list:
        return list(self.client.parseObjects(self.ask(self.client.getObjectsRequest()).data, False, False))

    def find(self, interface_class: int, name: str) -> object:
        found = self.client.objects.findByLN(interface_class, name)
        if found is None:
            found = self.client.createObject(interface_class)
            found.logicalName = name
        return found

    def rows(self, profile: object, messages: object) -> list:
        reply = self.ask(messages[0])
        self.client.updateValue(profile, 2, reply.value)
        return profile.buffer


def plain(value: object) -> object:
    """What JSON can carry."""
    match value:
        case bytes() | bytearray():
            return bytes(value).hex()
        case bool() | int() | float() | str() | None:
            return value
        case GXDateTime():
            return plain(value.value)
        case datetime() | date() | day_time():
            return value.isoformat()
        case list() | tuple():
            return [plain(item) for item in value]
        case GXDLMSObject():
            return [int(value.objectType), value.logicalName]
        case GXBitString():
            return str(value)
        case _ if hasattr(value, "__dict__"):
            return [plain(item) for item in vars(value).values()]
        case _:
            return str(value)


def put(target: object, path: str, value: object) -> None:
    """Set a field of an object of the library, or of what it holds."""
    *way, last = path.split(".")
    for part in way:
        target = target[int(part)] if part.isdigit() else getattr(target, part)
    match value:
        case list():
            value = [row_of(*TABLES[last], fields) for fields in value]
        case str():
            value = GXDateTime(datetime.fromisoformat(value))
        case _:
            pass
    setattr(target, last, value)


def row_of(kind: type, names: tuple[str, ...], fields: list) -> object:
    row = kind()
    for name, value in zip(names, fields, strict=True):
        setattr(row, name, bytes.fromhex(value) if name == "index" else value)
    return row


def readable(target: object, attribute: int) -> bool:
    return bool(int(target.getAccess(attribute)) & 1)


def read_all(reader: Reader, errors: list[str]) -> dict[str, int]:
    """Everything the association view says may be read; for profiles the columns, the first rows and the last day."""
    objects = reader.objects()
    count = rows = 0
    for target in objects:
        known = type(target) is not GXDLMSObject
        listed = range(1, target.getAttributeCount() + 1) if known else [item.index for item in target.attributes]
        indices = [index for index in listed if readable(target, index)]
        profile = target.objectType == ObjectType.PROFILE_GENERIC
        for index in sorted(indices, key=lambda index: (index == 2, index)):
            try:
                if profile and index == 2:
                    now = reader.read(reader.find(ObjectType.CLOCK, "0.0.1.0.0.255"), 2).value.replace(tzinfo=None)
                    in_use = reader.read(target, 7)
                    by_entry = len(reader.rows(target, reader.client.readRowsByEntry(target, 1, 3)))
                    if by_entry != min(3, in_use):
                        errors.append(f"{target.logicalName}: {by_entry} rows of {in_use} by entry 1 to 3")
                    first = target.captureObjects[0][0].objectType
                    if first == ObjectType.CLOCK:
                        day = reader.client.readRowsByRange(target, now - timedelta(days=1), now)
                        rows += len(reader.rows(target, day))
                elif known:
                    reader.read(target, index)
                else:
                    reader.ask(reader.client.read(target, index)[0])
                count += 1
            except Exception as error:
                errors.append(f"{int(target.objectType)} {target.logicalName} attribute {index}: {error!r}")
    return {"objects": len(objects), "attributes": count, "rows": rows}


def step(reader: Reader, what: list, errors: list[str]) -> object:
    client = reader.client
    match what:
        case ["read", interface_class, name, attribute]:
            return plain(reader.read(reader.find(interface_class, name), attribute))
        case ["list", items]:
            targets = [(reader.find(interface_class, name), attribute) for interface_class, name, attribute in items]
            values: list = []
            for message in client.readList(targets):
                reply = reader.ask(message)
                values.extend(reply.value if isinstance(reply.value, list) else [reply.value])
            client.updateValues(targets, values)
            return [plain(target.getValues()[attribute - 1]) for target, attribute in targets]
        case ["entries", name, first, count]:
            profile = reader.find(ObjectType.PROFILE_GENERIC, name)
            reader.read(profile, 3)
            return plain(reader.rows(profile, client.readRowsByEntry(profile, first, count)))
        case ["range", name, begin, end]:
            profile = reader.find(ObjectType.PROFILE_GENERIC, name)
            reader.read(profile, 3)
            span = datetime.fromisoformat(begin), datetime.fromisoformat(end)
            return plain(reader.rows(profile, client.readRowsByRange(profile, *span)))
        case ["write", interface_class, name, attribute, data_type, value]:
            target = reader.find(interface_class, name)
            target.setDataType(attribute, DataType(data_type))
            target.value = bytes.fromhex(value) if isinstance(value, str) else value
            if type(target) is GXDLMSObject:
                target.getValue = lambda settings, event: target.value
            reader.ask(client.write(target, attribute))
            return True
        case ["method", interface_class, name, method, data_type, value]:
            argument = bytes.fromhex(value) if isinstance(value, str) else value
            reader.ask(client.method(reader.find(interface_class, name), method, argument, DataType(data_type)))
            return True
        case ["typed", interface_class, name]:
            target = reader.find(interface_class, name)
            return [plain(reader.read(target, index)) for index in range(1, target.getAttributeCount() + 1)]
        case ["put", interface_class, name, attribute, fields]:
            target = reader.find(interface_class, name)
            reader.read(target, attribute)
            for path, value in fields.items():
                put(target, path, value)
            reader.ask(client.write(target, attribute))
            return True
        case ["refused", refused]:
            try:
                return [False, step(reader, refused, errors)]
            except Refused as error:
                return error.number
        case ["objects"]:
            return [[int(item.objectType), item.version, item.logicalName] for item in reader.objects()]
        case ["readall"]:
            return read_all(reader, errors)
        case _:
            raise ValueError(f"no step {what}")


def counter_of(spec: dict) -> int:
    """The frame counter as the public client reads it."""
    public = Reader({**spec, "dedicated": None}, 16, "none", False)
    public.connect()
    value = public.read(public.find(ObjectType.DATA, spec["counter"]), 2)
    public.disconnect()
    return int(value)


def main() -> None:
    spec = json.loads(sys.argv[1])
    results: list[object] = []
    errors: list[str] = []
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    outcome: dict[str, object] = {"results": results, "errors": errors}
    try:
        counter = counter_of(spec) if "counter" in spec else spec.get("invocation_counter", 0)
        reader = Reader(spec, spec.get("client", 16), spec.get("mechanism", "none"), spec.get("ciphered", False))
        reader.client.ciphering.invocationCounter = counter + 1
        reader.connect()
        link = reader.client.hdlcSettings
        outcome["link"] = [link.maxInfoTX, link.maxInfoRX, link.windowSizeTX, link.windowSizeRX]
        outcome["conformance"] = int(reader.client.negotiatedConformance)
        outcome["identification"] = reader.identification
        results.extend(step(reader, what, errors) for what in spec.get("do", []))
        reader.disconnect()
    except Exception as error:
        traceback.print_exc()
        errors.append(repr(error))
    out.write(json.dumps(outcome) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
