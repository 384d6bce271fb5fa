"""Our client: known answers, every way an answer can be wrong, and nothing from outside that it cannot take."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.client import (
    AssociationRejected,
    Attribute,
    AuthenticationFailed,
    Client,
    ClientSecurity,
    ClientSettings,
    ClientState,
    ConfirmedServiceError,
    ExceptionAnswer,
    Method,
    NoAnswer,
    Outcome,
    Refused,
    UnexpectedAnswer,
    by_entry,
    by_range,
    client_counters,
    read_item,
)
from protocols.dlms.enums import Conformance, InitiateErrorCode, Mechanism
from protocols.dlms.notification import DataNotification, EventNotification
from protocols.dlms.security import Counters, Envelope, Keys, SecurityContext
from protocols.errors import DecodeError, LocalProtocolError, ProtocolError, SecurityError, SecurityFault

EK = bytes(range(16))
AK = bytes(range(0xD0, 0xE0))
ENERGY = Attribute(3, obis.parse("1-0:1.8.0"), 2)
LDN = Attribute(1, obis.parse("0-0:42.0.0"), 2)
ECHO = Method(9, obis.parse("0-0:10.0.0"), 1)
AARE = "6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F0400{conformance}{pdu}0007"
EVERYTHING = "60FEDF"


def hexed(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def made(settings: ClientSettings | None = None, octets: bytes = b"") -> Client:
    """A client whose random octets are given, or repeat."""
    source = Random(1).randbytes
    return Client(settings or ClientSettings(), (lambda count: octets[:count]) if octets else source)


def opened(settings: ClientSettings | None = None, *, conformance: str = EVERYTHING, pdu: int = 0x400) -> Client:
    """A client with an open association that needed no secrets."""
    client = made(settings)
    client.associate()
    client.to_send()
    client.receive(hexed(AARE.format(conformance=conformance, pdu=f"{pdu:04X}")))
    assert client.state is ClientState.OPEN
    return client


def sent(client: Client) -> bytes:
    """The one APDU that is due."""
    (apdu,) = client.to_send()
    return apdu


# -- known answers (Green Book, and traces of independent implementations) ---------------------------------------------


def test_aarq_of_a_public_client() -> None:
    client = made(ClientSettings(conformance=0x001E1D))
    client.associate()
    assert sent(client) == hexed("601DA109060760857405080101BE10040E01000000065F1F0400001E1DFFFF")


def test_aarq_with_a_challenge() -> None:
    settings = ClientSettings(Mechanism.HLS, b"secret", conformance=0x007E1F, challenge_octets=8)
    client = made(settings, b"12345678")
    client.associate()
    assert sent(client) == hexed(
        "6036A1090607608574050801018A0207808B0760857405080202AC0A80083132333435363738"
        "BE10040E01000000065F1F0400007E1FFFFF"
    )


def test_aarq_of_a_ciphered_context_with_a_dedicated_key() -> None:
    security = ClientSecurity(
        hexed("4D4D4D0000BC614E"), Keys(EK, AK), dedicated=True, counters=client_counters(0x01234566)
    )
    settings = ClientSettings(Mechanism.LLS, b"12345678", security, conformance=0x007E1F, max_receive_pdu=0x04B0)
    client = made(settings, hexed("00112233445566778899AABBCCDDEEFF"))
    client.associate()
    assert sent(client) == hexed(
        "6066A109060760857405080103A60A04084D4D4D0000BC614E8A0207808B0760857405080201AC0A80083132333435363738BE340432"
        "21303001234567801302FF8A7874133D414CED25B42534D28DB0047720606B175BD52211BE6841DB204D39EE6FDB8E356855"
    )


def test_get_of_the_object_list() -> None:
    client = opened()
    client.get(Attribute(15, obis.parse("0-0:40.0.0"), 2))
    assert sent(client) == hexed("C001C1 000F 0000280000FF 02 00")


def test_negotiation_of_a_known_aare() -> None:
    client = made(ClientSettings(conformance=0x00501F))
    opening = client.associate()
    client.receive(hexed("6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F040000501F01F40007"))
    assert opening.result().max_send_pdu == 500
    assert opening.result().conformance == 0x00501F


def test_conformance_is_never_more_than_was_proposed() -> None:
    client = opened(ClientSettings(conformance=0x000010), conformance="FFFFFF")
    assert client.negotiated is not None
    assert client.negotiated.conformance == Conformance.GET


@pytest.mark.parametrize(
    ("aare", "diagnostic", "error"),
    [
        ("6129A109060760857405080101A203020101A305A103020102BE10040E0800065F1F040000501F01F40007", 2, None),
        ("611FA109060760857405080101A203020101A305A103020101BE0604040E010601", 1, InitiateErrorCode.VERSION_TOO_LOW),
        ("6117A109060760857405080101A203020101A305A10302010D", 13, None),
    ],
)
def test_known_refusals(aare: str, diagnostic: int, error: InitiateErrorCode | None) -> None:
    client = made()
    opening = client.associate()
    client.receive(hexed(aare))
    with pytest.raises(AssociationRejected) as refusal:
        opening.result()
    assert (refusal.value.diagnostic, refusal.value.error) == (diagnostic, error)
    assert client.state is ClientState.IDLE
    client.associate()


def gmac_client(server_title: bytes = hexed("4D4D4D0000BC614E")) -> Client:
    """In a plain context, with the challenge and keys of the Green Book's example."""
    security = ClientSecurity(hexed("4D4D4D0000000001"), Keys(EK, AK), ciphered=False, server_title=server_title)
    settings = ClientSettings(Mechanism.HLS_GMAC, security=security, challenge_octets=8)
    return made(settings, hexed("4B35366956616759"))


AARE_GMAC = (
    "6142A109060760857405080101A203020100A305A10302010E88020780890760857405080205AA0A8008503677524A323146"
    "BE10040E0800065F1F040000501F01F40007"
)


def test_gmac_passes_of_the_green_book() -> None:
    client = gmac_client()
    opening = client.associate()
    client.to_send()
    client.receive(hexed(AARE_GMAC))
    assert client.state is ClientState.AUTHENTICATING
    assert sent(client) == hexed("C301C1 000F 0000280000FF 01 01 0911 10 00000001 1A52FE7DD3E72748973C1E28")
    client.receive(hexed("C701C1 00 01 00 0911 10 01234567 FE1466AFB3DBCD4F9389E2B7"))
    assert opening.result().server_title == hexed("4D4D4D0000BC614E")
    assert client.state is ClientState.OPEN


@pytest.mark.parametrize(
    "answer",
    [
        "C701C1 00 01 00 0911 10 01234567 FE1466AFB3DBCD4F9389E2B8",
        "C701C1 00 00",
        "C701C1 FA 00",
        "C701C1 00 01 00 1201FF",
        "C701C1 00 01 01 03",
    ],
)
def test_server_that_cannot_prove_itself(answer: str) -> None:
    client = gmac_client()
    opening = client.associate()
    client.receive(hexed(AARE_GMAC))
    client.receive(hexed(answer))
    with pytest.raises(AuthenticationFailed):
        opening.result()
    assert client.state is ClientState.IDLE


def test_our_own_challenge_is_not_answered() -> None:
    client = gmac_client()
    opening = client.associate()
    client.receive(hexed(AARE_GMAC.replace("503677524A323146", "4B35366956616759")))
    with pytest.raises(AuthenticationFailed, match="our own challenge"):
        opening.result()
    client = gmac_client()
    opening = client.associate()
    client.receive(hexed("6129A109060760857405080101A203020100A305A10302010EBE10040E0800065F1F040000501F01F40007"))
    with pytest.raises(AuthenticationFailed, match="no challenge"):
        opening.result()


def ciphered(**settings: object) -> ClientSettings:
    counters = client_counters(settings.pop("sent", 0))
    recover = settings.pop("recover_counter", False)
    keys = Keys(EK, AK, kek=b"1" * 16)
    return ClientSettings(
        security=ClientSecurity(b"Gurux123", keys, counters=counters, **settings), recover_counter=recover
    )


def test_counter_is_recovered_once_when_asked_for() -> None:
    refusal = hexed("D801060000232B")
    client = made(ciphered())
    opening = client.associate()
    client.to_send()
    client.receive(refusal)
    with pytest.raises(ExceptionAnswer, match="last counter 9003") as error:
        opening.result()
    assert error.value.counter == 0x232B

    client = made(ciphered(recover_counter=True))
    opening = client.associate()
    client.to_send()
    client.receive(refusal)
    assert hexed("211F 30 0000232C") in sent(client).replace(hexed("2127"), hexed("211F"))
    client.receive(refusal)
    with pytest.raises(ExceptionAnswer):
        opening.result()


# -- services --------------------------------------------------------------------------------------------------------


def test_selections() -> None:
    assert by_entry(3, 5) == hexed("02 0204 0600000003 0600000005 120001 120000")
    clock = hexed("0204 120008 09060000010000FF 0F02 120000")
    assert by_range(axdr.u32(1), axdr.u32(2)) == b"\x01" + hexed("0204") + clock + hexed("0600000001 0600000002 0100")


def test_get_in_blocks() -> None:
    client = opened()
    exchange = client.get(LDN)
    assert sent(client) == hexed("C001C1 0001 00002A0000FF 02 00")
    client.receive(hexed("C402C1 00 00000001 00 03 090341"))
    assert (exchange.done, exchange.octets, exchange.blocks) == (False, 3, 1)
    assert sent(client) == hexed("C002C1 00000001")
    client.receive(hexed("C402C1 01 00000002 00 02 4243"))
    assert exchange.result() == axdr.octets(b"ABC")
    assert not client.busy


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("C402C1 00 00000002 00 01 09", DecodeError),
        ("C402C1 00 00000001 00 00", UnexpectedAnswer),
        ("C402C1 00 00000001 01 0F", Refused),
        ("C402C1 00 00000001 00 05 09", DecodeError),
        ("C403C1 01 00 1105", UnexpectedAnswer),
        ("C401C1 02 1105", UnexpectedAnswer),
        ("C401C1 01", DecodeError),
        ("C501C1 00", UnexpectedAnswer),
        ("C7", UnexpectedAnswer),
        ("DA", UnexpectedAnswer),
        ("D80102", ExceptionAnswer),
        ("D801", DecodeError),
        ("0E050103", ConfirmedServiceError),
        ("0E", DecodeError),
        ("C80100", DecodeError),
        ("E0", DecodeError),
    ],
)
def test_wrong_answers_to_a_get(answer: str, error: type[ProtocolError]) -> None:
    client = opened()
    exchange = client.get(LDN)
    client.to_send()
    client.receive(hexed(answer))
    with pytest.raises(ProtocolError) as raised:
        exchange.result()
    assert isinstance(raised.value, error) or (error is DecodeError and isinstance(raised.value, SecurityError))
    again = client.get(LDN)
    client.to_send()
    client.receive(hexed("C401C2 00 1105"))
    assert again.result() == axdr.u8(5)


def test_values_longer_than_wanted_are_given_up() -> None:
    client = opened(ClientSettings(longest_value=100))
    exchange = client.get(LDN)
    for number in range(1, 4):
        client.receive(hexed("C402C1 00") + number.to_bytes(4, "big") + b"\x00" + axdr.sized(bytes(40)))
    with pytest.raises(DecodeError, match="more than 100 octets"):
        exchange.result()


def test_late_answers_are_ignored() -> None:
    said: list[str] = []
    client = opened()
    client.explain = said.append
    first = client.get(LDN)
    client.abandon(NoAnswer("no answer for 10 s"))
    with pytest.raises(NoAnswer):
        first.result()
    second = client.set(LDN, axdr.u8(1))
    client.to_send()
    client.receive(hexed("C401C1 00 1105"))
    client.receive(hexed("C501C1 00"))
    assert not second.done
    client.receive(hexed("C501C2 00"))
    assert second.result() is None
    client.receive(hexed("C501C2 00"))
    client.receive(b"")
    client.receive(b"\x61\x00")
    assert client.counters == {"late": 3, "unexpected": 2}
    assert len(said) == 5


def test_one_exchange_at_a_time_and_only_on_an_open_association() -> None:
    client = made()
    with pytest.raises(LocalProtocolError, match="the association is idle"):
        client.get(LDN)
    client.associate()
    with pytest.raises(LocalProtocolError, match="opening"):
        client.associate()
    client = opened()
    unfinished = client.get(LDN)
    with pytest.raises(LocalProtocolError, match="another exchange"):
        client.release()
    with pytest.raises(LocalProtocolError, match="still under way"):
        unfinished.result()


def test_long_set_is_cut_to_what_the_server_takes() -> None:
    client = opened(pdu=40)
    value = axdr.octets(bytes(range(60)))
    exchange = client.set(LDN, value)
    raw = b""
    for number in range(1, 9):
        apdu = sent(client)
        assert len(apdu) <= 40
        head = 13 if number == 1 else 3
        assert apdu[:2] == (b"\xc1\x02" if number == 1 else b"\xc1\x03")
        last, block, data = apdu[head], apdu[head + 1 : head + 5], apdu[head + 5 :]
        assert int.from_bytes(block, "big") == number
        raw += axdr.read_sized(data, 0)[0]
        if last:
            client.receive(b"\xc5\x03\xc1\x00" + block)
            break
        client.receive(b"\xc5\x02\xc1" + block)
    assert exchange.result() is None
    assert raw == value


@pytest.mark.parametrize("answer", ["C502C1 00000002", "C501C1 00", "C503C1 00 00000001", "C502C1 000000", "C509C1 00"])
def test_wrong_answers_to_a_block(answer: str) -> None:
    client = opened(pdu=64)
    exchange = client.set(LDN, axdr.octets(bytes(200)))
    client.to_send()
    client.receive(hexed(answer))
    with pytest.raises((UnexpectedAnswer, DecodeError)):
        exchange.result()


def test_long_requests_need_blocks() -> None:
    client = opened(conformance="000019", pdu=64)
    with pytest.raises(LocalProtocolError, match="SET in blocks was not negotiated"):
        client.set(LDN, axdr.octets(bytes(100)))
    with pytest.raises(LocalProtocolError, match="ACTION in blocks was not negotiated"):
        client.action(ECHO, axdr.octets(bytes(100)))
    assert not client.busy
    assert client.to_send() == []
    client = opened(pdu=12)
    with pytest.raises(LocalProtocolError, match="12 octets only"):
        client.set(LDN, axdr.octets(bytes(100)))


@pytest.mark.parametrize(
    "raw", ["0901AA", "00 01 00 0901AA", "01 00 0901AA"], ids=["value", "result and value", "return parameters"]
)
def test_return_values_in_blocks_as_servers_write_them(raw: str) -> None:
    client = opened()
    exchange = client.action(ECHO)
    octets = hexed(raw)
    client.receive(hexed("C702C1 00 00000001 02") + octets[:2])
    client.receive(hexed("C702C1 01 00000002") + axdr.sized(octets[2:]))
    assert exchange.result() == axdr.octets(b"\xaa")


def test_lists() -> None:
    client = opened()
    reading = client.get_list([(LDN, None), (ENERGY, by_entry(1, 2))])
    assert sent(client) == hexed("C003C1 02 0001 00002A0000FF 02 00 0003 0100010800FF 02 01") + by_entry(1, 2)
    client.receive(hexed("C403C1 02 00 1105 01 04"))
    assert reading.result() == (Outcome(0, axdr.u8(5)), Outcome(4))
    assert reading.result()[0].value() == axdr.u8(5)
    with pytest.raises(Refused, match="object undefined"):
        reading.result()[1].value()
    writing = client.set_list([(LDN, None, axdr.u8(1)), (ENERGY, None, axdr.u8(2))])
    assert sent(client) == hexed("C104C2 02 0001 00002A0000FF 02 00 0003 0100010800FF 02 00 02 1101 1102")
    client.receive(hexed("C505C2 02 00 03"))
    assert [outcome.result for outcome in writing.result()] == [0, 3]
    acting = client.action_list([(ECHO, None), (ECHO, axdr.u8(3))])
    assert sent(client) == hexed("C303C3 02 0009 00000A0000FF 01 0009 00000A0000FF 01 02 00 1103")
    client.receive(hexed("C703C3 02 00 00 00 01 00 1103"))
    assert acting.result() == (Outcome(0), Outcome(0, axdr.u8(3)))


@pytest.mark.parametrize(
    ("begin", "answer"),
    [
        (lambda client: client.get_list([(LDN, None)]), "C401C1 01 0B"),
        (lambda client: client.set_list([(LDN, None, b"\x00")]), "C501C1 0B"),
        (lambda client: client.action_list([(ECHO, None)]), "C701C1 0B 00"),
    ],
)
def test_lists_refused_at_once(begin: Callable[[Client], object], answer: str) -> None:
    client = opened()
    exchange = begin(client)
    client.receive(hexed(answer))
    with pytest.raises(Refused, match="object unavailable"):
        exchange.result()


@pytest.mark.parametrize(
    ("begin", "answer"),
    [
        (lambda client: client.get_list([(LDN, None)]), "C403C1 02 00 1105 01 04"),
        (lambda client: client.set_list([(LDN, None, b"\x00")]), "C505C1 02 00 00"),
        (lambda client: client.action_list([(ECHO, None)]), "C703C1 02 00 00 00 00"),
        (lambda client: client.access([read_item(LDN)]), "DA 00000001 00 00 00 00"),
        (lambda client: client.access([read_item(LDN)]), "DA 00000001 00 00 01 1105 01 02 00"),
    ],
)
def test_lists_of_another_length_or_kind(begin: Callable[[Client], object], answer: str) -> None:
    client = opened()
    exchange = begin(client)
    client.receive(hexed(answer))
    with pytest.raises(UnexpectedAnswer):
        exchange.result()


def test_release() -> None:
    client = opened()
    release = client.release()
    assert sent(client) == hexed("6203800100")
    client.receive(hexed("6303800100"))
    assert release.result() is None
    assert client.state is ClientState.IDLE
    with pytest.raises(LocalProtocolError):
        client.get(LDN)


def test_lost_link_ends_everything() -> None:
    client = opened()
    exchange = client.get(LDN)
    client.lost(NoAnswer("the connection was closed"))
    with pytest.raises(NoAnswer, match="connection was closed"):
        exchange.result()
    assert client.state is ClientState.IDLE
    assert client.to_send() == []


# -- protection ------------------------------------------------------------------------------------------------------


def server_context(sent: int = 0) -> SecurityContext:
    return SecurityContext(
        suite=0, system_title=b"ABCDEFGH", peer_title=b"Gurux123", keys=Keys(EK, AK), counters=Counters(sent, -1)
    )


def opened_ciphered(server: SecurityContext, **settings: object) -> Client:
    client = made(ciphered(**settings))
    client.associate()
    client.to_send()
    information = server.protect(hexed("0800065F1F0400") + hexed(EVERYTHING) + hexed("04000007"), Envelope.GLO, 0x30)
    fields = hexed("A109060760857405080103A203020100A305A103020100A40A04084142434445464748BE")
    octets = fields + axdr.sized(b"\x04" + axdr.sized(information))
    client.receive(b"\x61" + axdr.sized(octets))
    assert client.state is ClientState.OPEN
    return client


def test_answers_are_protected_like_requests() -> None:
    server = server_context()
    client = opened_ciphered(server)
    exchange = client.get(LDN)
    assert server.unprotect(sent(client)).plain == hexed("C001C1 0001 00002A0000FF 02 00")
    client.receive(server.protect(hexed("C401C1 00 1105"), Envelope.GLO, 0x30))
    assert exchange.result() == axdr.u8(5)


@pytest.mark.parametrize("protection", [None, 0x10, 0x20, 0x00])
def test_answers_protected_less_are_refused(protection: int | None) -> None:
    server = server_context()
    client = opened_ciphered(server)
    exchange = client.get(LDN)
    answer = hexed("C401C1 00 1105")
    client.receive(answer if protection is None else server.protect(answer, Envelope.GLO, protection))
    with pytest.raises(SecurityError) as error:
        exchange.result()
    assert error.value.fault is SecurityFault.POLICY


def test_replayed_and_damaged_answers_are_refused() -> None:
    server = server_context()
    client = opened_ciphered(server)
    exchange = client.get(LDN)
    answer = server.protect(hexed("C401C1 00 1105"), Envelope.GLO, 0x30)
    client.receive(answer)
    assert exchange.done
    for octets, fault in ((answer, SecurityFault.COUNTER), (answer[:6] + b"\x09" + answer[7:], None)):
        exchange = client.get(LDN)
        client.receive(octets)
        with pytest.raises(SecurityError) as error:
            exchange.result()
        assert fault in (None, error.value.fault)


def test_unprotected_initiate_response_is_refused() -> None:
    client = made(ciphered())
    opening = client.associate()
    client.receive(hexed(AARE.format(conformance=EVERYTHING, pdu="0400")))
    with pytest.raises(SecurityError, match="InitiateResponse is not protected"):
        opening.result()


def test_services_without_a_form_of_their_own_go_in_a_general_envelope() -> None:
    server = server_context()
    client = opened_ciphered(server)
    client.access([read_item(LDN)])
    apdu = sent(client)
    assert apdu[0] == 0xDB
    assert server.unprotect(apdu).plain[0] == 0xD9


@pytest.mark.parametrize("envelope", [Envelope.GENERAL_GLO, Envelope.GENERAL_CIPHERING])
@pytest.mark.parametrize("wrapped_keys", [False, True])
def test_long_requests_stay_within_the_limit_when_protected(envelope: Envelope, wrapped_keys: bool) -> None:
    server = server_context()
    client = opened_ciphered(server, envelope=envelope, wrapped_keys=wrapped_keys)
    client.set(LDN, axdr.octets(bytes(4000)))
    assert 0x400 - 30 < len(sent(client)) <= 0x400


# -- notifications ---------------------------------------------------------------------------------------------------


def test_notifications_do_not_disturb_an_exchange() -> None:
    data = DataNotification(0x40000007, axdr.u8(1), bytes(12))
    event = EventNotification(LDN.encode(), axdr.u8(2))
    client = opened()
    exchange = client.get(LDN)
    assert client.receive(data.encode()) == data
    assert client.receive(event.encode()) == event
    assert not exchange.done
    assert client.receive(hexed("C401C1 00 1105")) is None
    assert exchange.result() == axdr.u8(5)


def test_protected_notifications_are_opened_and_plain_ones_refused() -> None:
    server = server_context()
    client = opened_ciphered(server)
    event = EventNotification(LDN.encode(), axdr.u8(2))
    assert client.receive(server.protect(event.encode(), Envelope.GENERAL_GLO, 0x30)) == event
    assert client.receive(event.encode()) is None
    assert client.counters["refused"] == 1


# -- whatever comes --------------------------------------------------------------------------------------------------


def in_each_state() -> list[Client]:
    opening = made(ClientSettings(Mechanism.HLS_MD5, b"secret"))
    opening.associate()
    authenticating = gmac_client()
    authenticating.associate()
    authenticating.receive(hexed(AARE_GMAC))
    busy = [opened(ClientSettings(block_window=3)) for _ in range(7)]
    busy[0].get(LDN)
    busy[1].get_list([(LDN, None), (LDN, None)])
    busy[2].set(LDN, axdr.octets(bytes(3000)))
    busy[3].set_list([(LDN, None, axdr.octets(bytes(3000)))])
    busy[4].action(ECHO)
    busy[5].action_list([(ECHO, axdr.octets(bytes(3000)))])
    busy[6].access([read_item(LDN)])
    releasing = opened()
    releasing.release()
    protected = opened_ciphered(server_context())
    protected.get(LDN)
    clients = [made(), opening, authenticating, opened(), *busy, releasing, protected]
    assert {client.state for client in clients} == set(ClientState)
    return clients


TAGS = hexed("61 63 C4 C5 C7 D8 DA 0E 0F C2 E0 CC DB DC DD 28 D4")
PLAUSIBLE = st.tuples(st.sampled_from(TAGS), st.integers(0, 7)).map(bytes)
OCTETS = st.binary(max_size=60)


@given(st.lists(st.one_of(OCTETS, st.tuples(PLAUSIBLE, OCTETS).map(b"".join)), min_size=1, max_size=5))
def test_nothing_that_comes_in_raises(apdus: list[bytes]) -> None:
    for client in in_each_state():
        for apdu in apdus:
            client.receive(apdu)
            assert len(client.to_send()) <= 64


@given(st.data())
def test_damaged_answers_give_an_error_or_a_value_but_never_raise(data: st.DataObject) -> None:
    client = opened()
    exchange = client.access([read_item(LDN), read_item(ENERGY)])
    client.to_send()
    whole = bytearray(hexed("DA C0000001 00 00 02 090341424C 1105 02 01 00 01 00"))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(1, len(whole) - 1))] = data.draw(st.integers(0, 255))
    client.receive(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    if exchange.done:
        try:
            assert len(exchange.result()) == 2
        except ProtocolError:
            assert not client.busy
