"""Our client against a server that is not ours: pydlms's meter simulator, in a process and environment of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.client import (
    AssociationRejected,
    Attribute,
    AuthenticationFailed,
    ClientSecurity,
    ClientSettings,
    Method,
    Refused,
    act_item,
    by_entry,
    by_range,
    client_counters,
    read_item,
    write_item,
)
from protocols.dlms.datetime import pack
from protocols.dlms.enums import Conformance, DataAccessResult, Mechanism
from protocols.dlms.notification import DataNotification, EventNotification
from protocols.dlms.security import Envelope, Keys
from protocols.hdlc import Parameters
from rigs.client import ClientError, ClientOptions, DlmsClient

if TYPE_CHECKING:
    from tests.interop.conftest import Peers

pytestmark = pytest.mark.interop

SERVER = Path(__file__).parent / "servers" / "pydlms_server.py"
KEY, AUTH_KEY = bytes(range(16)), bytes(range(0xD0, 0xE0))
ENERGY = Attribute(3, obis.parse("1-0:1.8.0"), 2)
SCALER = Attribute(3, obis.parse("1-0:1.8.0"), 3)
PROFILE = Attribute(7, obis.parse("1-0:99.1.0"), 2)
ABSENT = Attribute(1, obis.parse("0-0:96.77.0"), 2)
WRITABLE = Attribute(1, obis.parse("0-0:96.99.1"), 2)
ECHO = Method(9000, obis.parse("0-0:96.99.2"), 1)
PLAIN = [[16, 0, ""], [17, 1, "12345678"], [21, 2, "abcdefghabcdefgh"], [18, 3, "abcdefgh"], [19, 4, "abcdefgh"]]
LONG = axdr.octets(bytes(range(256)) * 12)


@dataclass
class Servers:
    """Simulators with the behaviour asked for, started when first asked for."""

    peers: Peers
    running: dict[str, tuple[subprocess.Popen[str], int]] = field(default_factory=dict)

    def port(self, **spec: Any) -> str:
        """The client's port of a simulator of ``spec``."""
        text = json.dumps({"clients": PLAIN, **spec}, sort_keys=True)
        if text not in self.running:
            command = [self.peers.python("pydlms"), str(SERVER), text]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            self.running[text] = process, int(process.stdout.readline())
        return f"{'tcp+hdlc' if spec.get('hdlc') else 'tcp'}:{self.running[text][1]}"


@pytest.fixture(scope="module")
def servers(peers: Peers) -> Iterator[Servers]:
    made = Servers(peers)
    yield made
    for process, _ in made.running.values():
        with process:
            assert process.stdin is not None
            process.stdin.close()
            process.kill()


def run(port: str, options: ClientOptions, use: Callable[[DlmsClient], Awaitable[None]]) -> None:
    async def main() -> None:
        async with DlmsClient.open(port, options) as meter:
            await use(meter)

    asyncio.run(main())


def security(**settings: Any) -> ClientSecurity:
    return ClientSecurity(b"Gurux123", Keys(KEY, AUTH_KEY), **settings)


async def read_all(meter: DlmsClient) -> None:
    """Every service that needs no writing, with values known from the simulator's example meter."""
    assert axdr.decode_all(await meter.get(ENERGY)) == (6, 12345678)
    assert await meter.get(SCALER) == axdr.structure(axdr.i8(0), axdr.enum_(30))
    rows = axdr.decode_all(await meter.get(PROFILE)).value
    assert isinstance(rows, tuple)
    assert len(rows) == 96
    assert [row.value[1].value for row in rows] == [1000 + 7 * index for index in range(96)]
    some = axdr.decode_all(await meter.get(PROFILE, by_entry(3, 5))).value
    assert some == rows[2:5]
    day = 19844 * 86400  # 2024-05-01
    start, end = (axdr.octets(pack(day + hour * 3600)) for hour in (1, 2))
    assert axdr.decode_all(await meter.get(PROFILE, by_range(start, end))).value == rows[4:9]
    with pytest.raises(ClientError, match="object undefined") as refused:
        await meter.get(ABSENT)
    assert isinstance(refused.value.__cause__, Refused)
    outcomes = await meter.get_list([(ENERGY, None), (ABSENT, None), (PROFILE, by_entry(1, 1))])
    assert [outcome.result for outcome in outcomes] == [0, DataAccessResult.OBJECT_UNDEFINED, 0]
    assert outcomes[0].value() == axdr.u32(12345678)


@pytest.mark.parametrize(("sap", "mechanism", "secret"), PLAIN)
@pytest.mark.parametrize("hdlc", [False, True])
def test_plain_associations(servers: Servers, sap: int, mechanism: int, secret: str, hdlc: bool) -> None:
    settings = ClientSettings(Mechanism(mechanism), secret.encode())
    run(servers.port(hdlc=hdlc), ClientOptions(client=sap, settings=settings), read_all)


def test_hls_sha256_with_system_titles(servers: Servers) -> None:
    settings = ClientSettings(Mechanism.HLS_SHA256, b"abcdefgh", security(ciphered=False))
    run(servers.port(clients=[[20, 6, "abcdefgh"]]), ClientOptions(client=20, settings=settings), read_all)


@pytest.mark.parametrize(("octets", "physical"), [(1, None), (2, 17), (4, 17)])
@pytest.mark.parametrize("size", [(128, 1), (512, 3), (2030, 7)])
def test_hdlc_addresses_and_parameters(
    servers: Servers, octets: int, physical: int | None, size: tuple[int, int]
) -> None:
    proposal = Parameters(size[0], size[0], size[1], size[1])
    options = ClientOptions(address_octets=octets, physical=physical, hdlc=proposal)
    run(servers.port(hdlc=True, hdlc_window=5), options, read_all)


@pytest.mark.parametrize("envelope", [Envelope.GLO, Envelope.GENERAL_GLO, Envelope.GENERAL_CIPHERING])
@pytest.mark.parametrize("dedicated", [False, True])
@pytest.mark.parametrize("mechanism", [Mechanism.NONE, Mechanism.LLS, Mechanism.HLS_GMAC, Mechanism.HLS_SHA256])
def test_ciphered_associations(servers: Servers, envelope: Envelope, dedicated: bool, mechanism: Mechanism) -> None:
    clients = [[1, 5, ""], [2, 0, ""], [3, 1, "12345678"], [4, 6, "abcdefgh"]]
    port = servers.port(clients=clients, key=KEY.hex(), auth_key=AUTH_KEY.hex())
    sap, secret = {5: (1, b""), 0: (2, b""), 1: (3, b"12345678"), 6: (4, b"abcdefgh")}[mechanism]
    keys = security(envelope=envelope, dedicated=dedicated)
    # The simulator remembers the counter of the runs before, and says so.
    settings = ClientSettings(mechanism, secret, keys, recover_counter=True)
    run(port, ClientOptions(client=sap, settings=settings), read_all)


def test_counter_read_through_the_public_client(servers: Servers) -> None:
    clients = [[16, 0, ""], [1, 5, ""]]
    port = servers.port(clients=clients, plain=[16], key=KEY.hex(), auth_key=AUTH_KEY.hex())
    fresh = security(counters=client_counters(7000))
    run(port, ClientOptions(client=1, settings=ClientSettings(Mechanism.HLS_GMAC, security=fresh)), read_all)
    stale = security()
    settings = ClientSettings(Mechanism.HLS_GMAC, security=stale)
    run(port, ClientOptions(client=1, settings=settings, frame_counter=obis.parse("0-0:43.1.0")), read_all)
    assert stale.counters.sent > fresh.counters.sent > 7000


@pytest.mark.parametrize(
    ("suite", "curve", "key"),
    [(0, ec.SECP256R1, KEY), (1, ec.SECP256R1, KEY), (2, ec.SECP384R1, KEY + AUTH_KEY)],
    ids=["suite 0", "suite 1", "suite 2"],
)
@pytest.mark.parametrize("mechanism", [Mechanism.LLS, Mechanism.HLS_ECDSA])
def test_security_suites(
    servers: Servers, suite: int, curve: type[ec.EllipticCurve], key: bytes, mechanism: Mechanism
) -> None:
    ours, theirs = ec.derive_private_key(20_011, curve()), ec.derive_private_key(20_021, curve())
    port = servers.port(
        clients=[[1, 1, "12345678"], [7, 7, ""]],
        key=key.hex(),
        auth_key=key[::-1].hex(),
        suite=suite,
        signing_key=theirs.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        client_key=ours.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )
    keys = ClientSecurity(
        b"Gurux123", Keys(key, key[::-1]), suite=suite, signing=ours, peer_verifying=theirs.public_key()
    )
    settings = ClientSettings(mechanism, b"12345678", keys, recover_counter=True)
    run(port, ClientOptions(client=int(mechanism), settings=settings), read_all)


@pytest.mark.parametrize("hdlc", [False, True])
@pytest.mark.parametrize(
    "push",
    [
        DataNotification(0x40000001, axdr.structure(axdr.u8(1), axdr.visible("push")), pack(900_000_000)),
        EventNotification(ENERGY.encode(), axdr.u32(5)),
    ],
)
def test_pushes_are_kept_apart_from_answers(
    servers: Servers, push: DataNotification | EventNotification, hdlc: bool
) -> None:
    async def use(meter: DlmsClient) -> None:
        assert await meter.get(ENERGY) == axdr.u32(12345678)
        assert await asyncio.wait_for(meter.notification(), 5) == push

    run(servers.port(push=push.encode().hex(), hdlc=hdlc), ClientOptions(), use)


def test_stale_counter_is_an_error_unless_recovery_is_asked_for(servers: Servers) -> None:
    port = servers.port(clients=[[1, 5, ""]], key=KEY.hex(), auth_key=AUTH_KEY.hex(), max_pdu=900)
    fresh = security(counters=client_counters(5000))
    run(port, ClientOptions(client=1, settings=ClientSettings(Mechanism.HLS_GMAC, security=fresh)), read_all)
    for recover in (False, True):
        stale = security(counters=client_counters(10))
        settings = ClientSettings(Mechanism.HLS_GMAC, security=stale, recover_counter=recover)
        if recover:
            run(port, ClientOptions(client=1, settings=settings), read_all)
            assert stale.counters.sent > fresh.counters.sent
        else:
            with pytest.raises(ClientError, match=r"invocation counter error \(last counter \d+\)"):
                run(port, ClientOptions(client=1, settings=settings), read_all)


@pytest.mark.parametrize("window", [1, 4, 63])
@pytest.mark.parametrize("hdlc", [False, True])
def test_general_block_transfer(servers: Servers, window: int, hdlc: bool) -> None:
    async def use(meter: DlmsClient) -> None:
        assert meter.negotiated is not None
        assert Conformance.GENERAL_BLOCK_TRANSFER in meter.negotiated.conformance
        await read_all(meter)
        if not hdlc:  # on HDLC this simulator leaves an I frame unanswered that it has no APDU for
            assert await meter.action(ECHO, LONG) == LONG

    options = ClientOptions(settings=ClientSettings(block_window=window, max_receive_pdu=200))
    run(servers.port(gbt_window=3, max_pdu=256, hdlc=hdlc), options, use)


@pytest.mark.parametrize("lost", [{"lose_ours": [1, 4]}, {"lose_ours": [2]}, {"lose_theirs": [2, 9]}])
def test_general_block_transfer_with_losses(servers: Servers, lost: dict[str, list[int]]) -> None:
    async def use(meter: DlmsClient) -> None:
        for _ in range(2):
            assert await meter.action(ECHO, LONG) == LONG

    options = ClientOptions(timeout=0.3, settings=ClientSettings(block_window=5, max_receive_pdu=300))
    run(servers.port(gbt_window=4, max_pdu=400, **lost), options, use)


@pytest.mark.parametrize("max_pdu", [128, 1024])
def test_writing_and_acting_in_blocks(servers: Servers, max_pdu: int) -> None:
    async def use(meter: DlmsClient) -> None:
        await meter.set(WRITABLE, LONG)
        assert await meter.get(WRITABLE) == LONG
        outcomes = await meter.set_list([(WRITABLE, None, axdr.octets(bytes(300))), (ABSENT, None, axdr.u8(1))])
        assert outcomes[0].result == 0
        assert outcomes[1].result != 0
        assert await meter.get(WRITABLE) == axdr.octets(bytes(300))
        assert await meter.action(ECHO, LONG) == LONG
        assert await meter.action(ECHO, axdr.u8(7)) == axdr.u8(7)
        returned = await meter.action_list([(ECHO, axdr.octets(bytes(400))), (ECHO, axdr.u8(2))])
        assert [outcome.data for outcome in returned] == [axdr.octets(bytes(400)), axdr.u8(2)]

    run(servers.port(max_pdu=max_pdu), ClientOptions(), use)


@pytest.mark.parametrize("ciphered", [False, True])
def test_access(servers: Servers, ciphered: bool) -> None:
    async def use(meter: DlmsClient) -> None:
        outcomes = await meter.access(
            [
                read_item(ENERGY),
                read_item(PROFILE, by_entry(1, 2)),
                write_item(WRITABLE, axdr.octets(b"by access")),
                read_item(WRITABLE),
                act_item(ECHO, axdr.u16(99)),
                read_item(ABSENT),
            ]
        )
        assert [outcome.result for outcome in outcomes] == [0, 0, 0, 0, 0, DataAccessResult.OBJECT_UNDEFINED]
        assert outcomes[0].data == axdr.u32(12345678)
        assert outcomes[3].data == axdr.octets(b"by access")
        assert outcomes[4].data == axdr.u16(99)

    if ciphered:
        port = servers.port(clients=[[1, 5, ""]], key=KEY.hex(), auth_key=AUTH_KEY.hex())
        settings = ClientSettings(Mechanism.HLS_GMAC, security=security(), recover_counter=True)
        run(port, ClientOptions(client=1, settings=settings), use)
    else:
        run(servers.port(), ClientOptions(), use)


@pytest.mark.parametrize(
    ("sap", "mechanism", "secret", "error"),
    [
        (17, Mechanism.LLS, b"wrong", AssociationRejected),
        (18, Mechanism.HLS_MD5, b"wrong", AuthenticationFailed),
        (16, Mechanism.LLS, b"12345678", AssociationRejected),
        (99, Mechanism.NONE, b"", AssociationRejected),
    ],
)
def test_refusals(servers: Servers, sap: int, mechanism: Mechanism, secret: bytes, error: type[Exception]) -> None:
    with pytest.raises(ClientError) as refused:
        run(servers.port(), ClientOptions(client=sap, settings=ClientSettings(mechanism, secret)), read_all)
    assert isinstance(refused.value.__cause__, error)


def test_wrong_key_is_refused(servers: Servers) -> None:
    port = servers.port(clients=[[1, 5, ""]], key=KEY.hex(), auth_key=AUTH_KEY.hex(), max_pdu=901)
    wrong = ClientSecurity(b"Gurux123", Keys(bytes(16), AUTH_KEY))
    with pytest.raises(ClientError):
        run(port, ClientOptions(client=1, settings=ClientSettings(Mechanism.HLS_GMAC, security=wrong)), read_all)
