"""The emulated meter without I/O, and the octets that a client sends it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from protocols import obis, wrapper
from protocols.dlms.client import Attribute, Client, ClientSecurity, ClientSettings, by_entry
from protocols.dlms.enums import Mechanism
from protocols.dlms.security import AUTHENTICATED_ENCRYPTED, Envelope, Keys, SecurityContext
from protocols.hdlc.frame import CLIENT_LLC, POLL, SERVER_LLC, SNRM, WHOLE, encode_address, encode_parts
from protocols.hdlc.frame import decode as decode_frame
from rigs.config import rig_of
from rigs.rig import STEPPED_START

if TYPE_CHECKING:
    from emulator.electricity import ElectricityMeter
    from emulator.ports import Stack
    from emulator.premises import Premises
    from emulator.time import Clock

IMPORT = Attribute(3, obis.parse("1-0:1.8.0.255"), 2)
"""The register that is read: active energy import."""
LOAD_PROFILE = Attribute(7, obis.parse("1-0:99.1.0.255"), 2)
READER = "data_collection"
"""The association of a reader with a password."""
CIPHERED = "extended"
"""The association with HLS-GMAC and ciphering."""
SERVER = 1
TITLE = b"BEN00001"


def premises(count: int, *, hub: bool = True, gas: bool = True, display: bool = False) -> tuple[Clock, list[Premises]]:
    """Premises with an electricity meter, on a stepped clock and without ports."""
    from emulator.time import Clock
    from rigs.building import build

    clock = Clock(STEPPED_START)
    kinds = {"hub": hub, "gas": gas, "display": display}
    devices = {kind: {} if wanted else None for kind, wanted in kinds.items()}
    file = rig_of({"seed": 1, "premises": [{"name": "p", "count": count, "electricity": {}, **devices}]})
    return clock, [build(file, spec, clock) for spec in file.specs]


def meter() -> ElectricityMeter:
    """One electricity meter with 13 months behind it."""
    found = premises(1, hub=False, gas=False)[1][0].electricity
    assert found is not None
    return found


def sap_of(device: ElectricityMeter, association: str) -> int:
    """The client SAP of an association."""
    model = device.firmware.model
    return model.associations[model.by_name[association]].client


def reader_of(device: ElectricityMeter) -> Client:
    """A client of the association with a password."""
    state = device.security(device.firmware.model.by_name[READER])
    return Client(ClientSettings(mechanism=Mechanism.LLS, secret=state.secret), bytes)


def ciphered_of(device: ElectricityMeter, title: bytes = TITLE) -> ClientSettings:
    """Settings of a client of the ciphered association."""
    state = device.security(device.firmware.model.by_name[CIPHERED])
    keys = Keys(state.encryption, state.authentication)
    security = ClientSecurity(title, keys)
    security.counters.sent = state.counters.received
    return ClientSettings(mechanism=Mechanism.HLS_GMAC, security=security)


class WrapperLine:
    """A meter's TCP port and one client at it; ``spent`` adds up the nanoseconds the meter took."""

    def __init__(self, device: ElectricityMeter, client_sap: int) -> None:
        self.stack: Stack = device.stacks["local-tcp"]()
        self.stack.opened(STEPPED_START)
        self.client_sap = client_sap
        self.spent = 0

    def frame(self, apdu: bytes) -> bytes:
        """What arrives at the meter for an APDU."""
        return wrapper.encode(self.client_sap, SERVER, apdu)

    def ask(self, apdu: bytes) -> bytes:
        """The meter's answer to an APDU."""
        request = self.frame(apdu)
        begin = time.perf_counter_ns()
        answer = self.stack.receive(request, 0)
        self.spent += time.perf_counter_ns() - begin
        return wrapper.decode(answer)[2]

    def run(self, client: Client) -> None:
        """Carry APDUs to and fro until the client has nothing to send."""
        while due := client.to_send():
            for apdu in due:
                client.receive(self.ask(apdu))

    def associated(self, client: Client) -> Client:
        """Open the association."""
        opening = client.associate()
        self.run(client)
        opening.result()
        return client


class Frames:
    """What a client of one logical device sends on a serial line in a lock-step exchange."""

    def __init__(self, server: int, client_sap: int) -> None:
        self.addresses = encode_address(server) + encode_address(client_sap)
        self._turn = 0

    def opening(self, aarq: bytes) -> list[bytes]:
        """SNRM and AARQ."""
        self._turn = 0
        return [encode_parts(WHOLE, self.addresses, SNRM | POLL), self.request(aarq)]

    def request(self, apdu: bytes) -> bytes:
        """The next I frame, which acknowledges every answer before it."""
        control = self._turn << 5 | POLL | self._turn << 1
        self._turn = (self._turn + 1) & 7
        return encode_parts(WHOLE, self.addresses, control, CLIENT_LLC + apdu)

    def eight(self, apdu: bytes) -> list[bytes]:
        """The frames of eight requests, after which the first is due again."""
        return [self.request(apdu) for _ in range(8)]

    @staticmethod
    def apdu(answer: bytes) -> bytes:
        """The APDU in an answering I frame that is whole."""
        return decode_frame(answer).information[len(SERVER_LLC) :]


def get_request(attribute: Attribute = IMPORT, selection: bytes | None = None) -> bytes:
    """A GET-request-normal."""
    access = b"\x00" if selection is None else b"\x01" + selection
    return b"\xc0\x01\xc1" + attribute.encode() + access


def timed(operation: Callable[[], object], count: int) -> float:
    """Nanoseconds of one operation, ``count`` of them timed together."""
    gc.collect()
    gc.disable()
    turns = range(count)
    begin = time.perf_counter_ns()
    for _ in turns:
        operation()
    spent = time.perf_counter_ns() - begin
    gc.enable()
    return spent / count


# -- the cases, by the names that bench.gurux_server has for the same work --------------------------------------------


def get_wrapper() -> Callable[[int], float]:
    """GET of a register in the wrapper, all checks made."""
    device = meter()
    line = WrapperLine(device, sap_of(device, READER))
    line.associated(reader_of(device))
    request, receive = line.frame(get_request()), line.stack.receive
    assert line.ask(get_request())[3] == 0, "the register is not read"
    return lambda count: timed(lambda: receive(request, 0), count)


def get_hdlc() -> Callable[[int], float]:
    """The same in HDLC frames, both check sequences made and checked."""
    device = meter()
    stack = device.stacks["optical"]()
    stack.opened(STEPPED_START)
    frames, client = Frames(SERVER, sap_of(device, READER)), reader_of(device)
    opening = client.associate()
    receive = stack.receive
    snrm, aarq = frames.opening(client.to_send()[0])
    receive(snrm, 0)
    client.receive(frames.apdu(receive(aarq, 0)))
    opening.result()
    requests = frames.eight(get_request())
    assert all(frames.apdu(receive(request, 0))[3] == 0 for request in requests), "the register is not read"

    def eight() -> None:
        for request in requests:
            receive(request, 0)

    return lambda count: timed(eight, max(1, count // 8)) / 8


def get_ciphered() -> Callable[[int], float]:
    """GET of a register authenticated and encrypted both ways; each request has a counter of its own."""
    device = meter()
    line = WrapperLine(device, sap_of(device, CIPHERED))
    settings = ciphered_of(device)
    line.associated(Client(settings, _octets))
    security = settings.security
    assert security is not None
    context = SecurityContext(
        suite=0,
        system_title=security.system_title,
        peer_title=device.identity.system_title,
        keys=security.keys,
        counters=security.counters,
    )
    plain, receive = get_request(), line.stack.receive

    def sealed(count: int) -> Iterable[bytes]:
        return [line.frame(context.protect(plain, Envelope.GLO, AUTHENTICATED_ENCRYPTED)) for _ in range(count)]

    answer = wrapper.decode(receive(next(iter(sealed(1))), 0))[2]
    assert context.unprotect(answer).plain[3] == 0, "the register is not read"

    def run(count: int) -> float:
        requests = iter(sealed(count))
        return timed(lambda: receive(next(requests), 0), count)

    return run


def association() -> Callable[[int], float]:
    """AARQ and reply_to_HLS_authentication with GMAC in a ciphered context; the meter's time only."""
    device = meter()
    line = WrapperLine(device, sap_of(device, CIPHERED))
    settings = ciphered_of(device)

    def run(count: int) -> float:
        line.spent = 0
        gc.collect()
        gc.disable()
        for _ in range(count):
            line.associated(Client(settings, _octets))
        gc.enable()
        return line.spent / count

    return run


def profile_row() -> Callable[[int], float]:
    """1,000 rows of the load profile by entry, in as many blocks as the meter's longest APDU makes of them."""
    rows = 1000
    device = meter()
    line = WrapperLine(device, sap_of(device, READER))
    client = line.associated(reader_of(device))
    selection = by_entry(1, rows)

    def read() -> bytes:
        exchange = client.get(LOAD_PROFILE, selection)
        line.run(client)
        return exchange.result()

    assert read()[:4] == b"\x01\x82\x03\xe8", "not 1,000 rows"

    def run(count: int) -> float:
        line.spent = 0
        gc.collect()
        gc.disable()
        for _ in range(count):
            read()
        gc.enable()
        return line.spent / count / rows

    return run


CASES: dict[str, Callable[[], Callable[[int], float]]] = {
    "get-wrapper": get_wrapper,
    "get-hdlc": get_hdlc,
    "get-ciphered": get_ciphered,
    "association": association,
    "profile-row": profile_row,
}

_drawn = 0


def _octets(count: int) -> bytes:
    """Challenges of the client: never the same, and the same in each run."""
    global _drawn
    _drawn += 1
    return _drawn.to_bytes(count, "big")
