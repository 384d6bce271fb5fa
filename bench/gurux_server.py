"""The server half of gurux-dlms, timed: run by the interpreter of the peer's own environment (see `.ci/peers`).

Each line read is ``CASE COUNT``: the case runs COUNT times and the nanoseconds of one are written. The package ships no
server that works: methods its own code calls do not exist, and calls give the wrong number of arguments. What is mended
here is only that glue; every octet parsed, encoded, encrypted and framed is the library's work.
"""

from __future__ import annotations

import datetime
import gc
import os
import sys
import time
from collections.abc import Callable

from gurux_dlms import GXByteBuffer, GXDateTime, GXDLMSServer, GXReplyData
from gurux_dlms._GXAPDU import _GXAPDU as apdu
from gurux_dlms.enums import (
    AccessMode,
    Authentication,
    DataType,
    InterfaceType,
    MethodAccessMode,
    Security,
    SourceDiagnostic,
    Unit,
)
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.GXDLMSLongTransaction import GXDLMSLongTransaction
from gurux_dlms.GXDLMSSettings import GXDLMSSettings
from gurux_dlms.GXSecure import GXSecure
from gurux_dlms.GXServerReply import GXServerReply
from gurux_dlms.objects import (
    GXDLMSAssociationLogicalName,
    GXDLMSClock,
    GXDLMSHdlcSetup,
    GXDLMSProfileGeneric,
    GXDLMSRegister,
)
from gurux_dlms.objects.enums import AssociationStatus
from gurux_dlms.secure import GXDLMSSecureClient
from gurux_dlms.ValueEventArgs import ValueEventArgs

REGISTERS = 20
ROWS = 1000


# -- glue: what the library calls and does not have -----------------------------------------------------------------

GXServerReply.setReply = lambda self, value: setattr(self, "reply", value)
GXServerReply.getConnectionInfo = lambda self: self.connectionInfo
GXServerReply.getCount = lambda self: self.count
GXServerReply.setCount = lambda self, value: setattr(self, "count", value)
GXDLMSSettings.getMaxPduSize = lambda self: self.maxPduSize
GXDLMSSettings.gbtWndowSize = property(lambda self: self.gbtWindowSize)
GXDLMSSettings.setConnected = lambda self, value: setattr(self, "connected", value)
GXDLMSLongTransaction.setData = lambda self, value: setattr(self, "data", value)
GXDLMSAssociationLogicalName.getAssociationStatus = lambda self: self.associationStatus
ValueEventArgs.__iter__ = lambda self: iter((self,))  # one argument is passed where a list is walked

library = sys.modules["gurux_dlms.GXDLMS"]  # the package hides this module behind the class of the same name
_parameters = library.AesGcmParameter
library.AesGcmParameter = lambda *given, **named: (
    _parameters(*given, **named) if given and isinstance(given[0], int) else _parameters(0, *given, **named)
)


def _accept(original: Callable[..., None]) -> Callable[..., None]:
    """AARE generation: one length is written without its value, and that of the system title is wrong."""

    def generate(settings: object, data: GXByteBuffer, *rest: object) -> None:
        write = GXByteBuffer.setUInt8
        GXByteBuffer.setUInt8 = lambda self, item=8, index=None: write(self, item, index)
        try:
            original(settings, data, *rest)
        finally:
            GXByteBuffer.setUInt8 = write
        where = bytes(data._data[: data.size]).find(b"\xa4\x08\x04\x08")
        if where >= 0:
            data._data[where + 1] = 10

    return staticmethod(generate)


apdu.generateAARE = _accept(apdu.generateAARE)


def _invoke(original: Callable[..., object]) -> Callable[..., object]:
    """reply_to_HLS_authentication with GMAC: both directions computed by the library."""

    def invoke(self: GXDLMSAssociationLogicalName, settings: GXDLMSSettings, event: ValueEventArgs) -> object:
        if event.index != 1:
            return original(self, settings, event)
        cipher, given = settings.cipher, bytes(event.parameters)
        counter = int.from_bytes(given[1:5], "big")
        expected = GXSecure.secure(settings, cipher, counter, settings.stoCChallenge, settings.sourceSystemTitle)
        if bytes(expected) != given:
            self.associationStatus = AssociationStatus.NON_ASSOCIATED
            return None
        self.associationStatus = AssociationStatus.ASSOCIATED
        challenge = settings.getCtoSChallenge()
        return GXSecure.secure(settings, cipher, cipher.invocationCounter, challenge, cipher.systemTitle)

    return invoke


GXDLMSAssociationLogicalName.invoke = _invoke(GXDLMSAssociationLogicalName.invoke)


class Meter(GXDLMSServer):
    """A meter of the library, everything allowed, nothing looked up."""

    def __init__(self, interface: InterfaceType, cipher: GXCiphering | None = None, rows: int = 0) -> None:
        super().__init__(True, interface)
        self.initialized = True  # initialize() raises TypeError
        self.settings.cipher = cipher
        self.hdlc = None
        self.transaction = None
        if interface == InterfaceType.HDLC:
            setup = GXDLMSHdlcSetup()
            setup.inactivityTimeout = 0
            setup.maximumInfoLengthTransmit = setup.maximumInfoLengthReceive = setup.maxInfoTX = setup.maxInfoRX = 128
            setup.windowSizeTransmit = setup.windowSizeReceive = setup.windowSizeTX = setup.windowSizeRX = 1
            self.hdlc = setup
            self.settings.hdlc.update = lambda *_: None
        self.registers = []
        for number in range(REGISTERS):
            register = GXDLMSRegister(f"1.0.{number + 1}.8.0.255")
            register.value, register.scaler, register.unit = 100_000 + number, 0.001, Unit.ACTIVE_ENERGY
            register.setDataType(2, DataType.UINT32)
            self.registers.append(register)
            self.items.append(register)
        clock = GXDLMSClock("0.0.1.0.0.255")
        self.items.append(clock)
        self.items.append(GXDLMSAssociationLogicalName("0.0.40.0.0.255"))
        self.profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
        for target in (clock, self.registers[0], self.registers[1]):
            self.profile.addCaptureObject(target, 2, 0)
        begin = datetime.datetime(2026, 1, 1)
        for row in range(rows):
            self.profile.buffer.append([GXDateTime(begin + datetime.timedelta(minutes=30 * row)), 100_000 + row, row])
        self.profile.entriesInUse = self.profile.profileEntries = rows
        self.items.append(self.profile)

    def answer(self, request: bytes) -> bytes:
        reply = GXServerReply(request)
        self.handleRequest(reply)
        return reply.reply

    def isTarget(self, server: int, client: int) -> bool:
        return True

    def onValidateAuthentication(self, authentication: Authentication, password: bytes) -> SourceDiagnostic:
        return SourceDiagnostic.NONE

    def onFindObject(self, *_: object) -> None:
        return None

    def onGetAttributeAccess(self, _: object) -> AccessMode:
        return AccessMode.READ_WRITE

    def onGetMethodAccess(self, _: object) -> MethodAccessMode:
        return MethodAccessMode.ACCESS

    def setTransaction(self, value: object) -> None:
        self.transaction = value

    def getTransaction(self) -> object:
        return self.transaction

    def _nothing(self, *_: object) -> None:
        return None

    onConnected = onDisconnected = onInvalidConnection = _nothing
    onPreRead = onPostRead = onPreAction = onPostAction = notifyRead = notifyConnected = _nothing


# -- clients, to make requests and to check the answers --------------------------------------------------------------


def ciphering() -> GXCiphering:
    cipher = GXCiphering(b"SRV00001")
    cipher.security = Security.AUTHENTICATION_ENCRYPTION
    return cipher


def client_of(meter: Meter, interface: InterfaceType, mechanism: Authentication = Authentication.NONE) -> object:
    client = GXDLMSSecureClient(True, 16, 1, mechanism, None, interface)
    if meter.settings.cipher is not None:
        client.ciphering.systemTitle = b"CLI00001"
        client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        client.ciphering.blockCipherKey = meter.settings.cipher.blockCipherKey
        client.ciphering.authenticationKey = meter.settings.cipher.authenticationKey
    return client


def ask(meter: Meter, client: object, request: object) -> GXReplyData:
    reply = GXReplyData()
    client.getData(GXByteBuffer(bytes(meter.answer(bytes(request)))), reply, None)
    if reply.error:
        raise ValueError(f"the library answers with error {reply.error}")
    return reply


def associated(interface: InterfaceType, cipher: GXCiphering | None = None, rows: int = 0) -> tuple[Meter, object]:
    meter = Meter(interface, cipher, rows)
    client = client_of(meter, interface)
    if interface == InterfaceType.HDLC:
        client.parseUAResponse(ask(meter, client, client.snrmRequest()).data)
    client.parseAareResponse(ask(meter, client, client.aarqRequest()[0]).data)
    return meter, client


# -- cases: each returns the nanoseconds of one operation ------------------------------------------------------------


def timed(operation: Callable[[], object], count: int) -> float:
    clock = time.perf_counter_ns
    gc.collect()
    gc.disable()
    begin = clock()
    for _ in range(count):
        operation()
    spent = clock() - begin
    gc.enable()
    return spent / count


def get_wrapper() -> Callable[[int], float]:
    meter, client = associated(InterfaceType.WRAPPER)
    ask(meter, client, client.read(meter.registers[0], 2)[0])
    request = bytes(client.read(meter.registers[0], 2)[0])
    return lambda count: timed(lambda: meter.answer(request), count)


def get_hdlc() -> Callable[[int], float]:
    meter, client = associated(InterfaceType.HDLC)
    frames = []
    for _ in range(8):
        frames.append(bytes(client.read(meter.registers[0], 2)[0]))
        ask(meter, client, frames[-1])

    def eight() -> None:
        for frame in frames:
            meter.answer(frame)

    return lambda count: timed(eight, max(1, count // 8)) / 8


def get_ciphered() -> Callable[[int], float]:
    meter, client = associated(InterfaceType.WRAPPER, ciphering())
    ask(meter, client, client.read(meter.registers[0], 2)[0])
    request = bytes(client.read(meter.registers[0], 2)[0])  # the library takes a repeated counter, so one will do
    return lambda count: timed(lambda: meter.answer(request), count)


def association() -> Callable[[int], float]:
    def run(count: int) -> float:
        clock, spent = time.perf_counter_ns, 0
        for _ in range(count):
            meter = Meter(InterfaceType.WRAPPER, ciphering())
            client = client_of(meter, InterfaceType.WRAPPER, Authentication.HIGH_GMAC)
            for make, parse in (
                (client.aarqRequest, client.parseAareResponse),
                (client.getApplicationAssociationRequest, client.parseApplicationAssociationResponse),
            ):
                request = bytes(make()[0])
                begin = clock()
                answer = meter.answer(request)
                spent += clock() - begin
                reply = GXReplyData()
                client.getData(GXByteBuffer(bytes(answer)), reply, None)
                parse(reply.data)
        return spent / count

    return run


def profile_row() -> Callable[[int], float]:
    meter, client = associated(InterfaceType.WRAPPER, rows=ROWS)
    request = bytes(client.read(meter.profile, 2)[0])
    return lambda count: timed(lambda: meter.answer(request), count) / ROWS


CASES = {
    "get-wrapper": get_wrapper,
    "get-hdlc": get_hdlc,
    "get-ciphered": get_ciphered,
    "association": association,
    "profile-row": profile_row,
}


def main() -> None:
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the library prints while it works
    ready: dict[str, Callable[[int], float]] = {}
    for line in sys.stdin:
        name, count = line.split()
        if name not in ready:
            ready[name] = CASES[name]()
        out.write(f"{ready[name](int(count))}\n")


if __name__ == "__main__":
    main()
