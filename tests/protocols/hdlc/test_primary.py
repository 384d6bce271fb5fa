"""The primary station against a server that the tests play by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError
from protocols.hdlc import (
    Connected,
    Disconnected,
    Event,
    Frame,
    FrameReader,
    Notified,
    Parameters,
    PrimaryStation,
    Received,
    encode,
    encode_address,
)
from protocols.hdlc.frame import control_name

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
LLC = bytes.fromhex("E6E600")
SERVER_LLC = bytes.fromhex("E6E700")
UA, DM, FRMR = 0x73, 0x1F, 0x97


class Client:
    """A primary station, and the frames it sends."""

    def __init__(self, **settings: object) -> None:
        self.station = PrimaryStation(16, 1, **settings)  # type: ignore[arg-type]
        self.sentences: list[str] = []
        self.station.explain = self.sentences.append
        self.now = 0
        self.events: list[Event] = []
        self._own, self._server = encode_address(16), encode_address(1)

    def sent(self, data: bytes | None = None) -> list[str]:
        """What the station sends now: control octet by name, and the length of the information."""
        frames = FrameReader(lambda reason, sentence: pytest.fail(f"{reason}: {sentence}")).receive(
            self.station.data_to_send() if data is None else data
        )
        self.frames = frames
        return [control_name(frame.control) for frame in frames]

    def hear(self, control: int, information: bytes = b"", segmented: bool = False, **address: bytes) -> list[str]:
        """One frame of the server, and what the station sends then."""
        values = {"destination": self._own, "source": self._server} | address
        frame = Frame(values["destination"], values["source"], control, information, segmented)
        self.events += self.station.receive(encode(frame), self.now)
        return self.sent()

    def wait(self) -> list[str]:
        """Until the next time-out, and what the station sends then."""
        due = self.station.next_timeout()
        assert due is not None and due >= self.now
        self.now = due
        self.events += self.station.timeout(due)
        return self.sent()


@pytest.fixture
def client() -> Client:
    """A client that has connected with the default parameters."""
    made = Client()
    assert made.sent(made.station.connect(0)) == ["SNRM P/F=1"]
    assert made.hear(UA) == []
    assert made.events.pop() == Connected(Parameters())
    return made


def test_gurux_exchange() -> None:
    """The client's frames of the fact sheet's trace, to the octet."""
    station = PrimaryStation(16, 1)
    ua = "7EA01E210373C37A818012050180060180070400000001080400000001533B7E"
    aarq = "601DA109060760857405080101BE10040E01000000065F1F0400401E5DFFFF"
    aare = (
        "7EA0372103306C7CE6E7006129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F0400000010"
        "020000071CEA7E"
    )
    assert station.connect(0).hex().upper() == "7EA0070321930F017E"
    assert station.receive(bytes.fromhex(ua), 1) == [Connected(Parameters())]
    sent = station.send(bytes.fromhex(aarq), 2)
    assert sent.hex().upper() == f"7EA02B032110FBAFE6E600{aarq}91237E"
    (event,) = station.receive(bytes.fromhex(aare), 3)
    assert isinstance(event, Received) and event.apdu.hex().startswith("6129a1")
    assert station.idle
    request = station.send(bytes.fromhex("C001C1000F0000280000FF0200"), 4)
    assert request.hex().upper() == "7EA0190321326FD8E6E600C001C1000F0000280000FF020091537E"
    assert station.disconnect(5).hex().upper() == "7EA00703215303C77E"
    (event,) = station.receive(bytes.fromhex(ua), 6)
    assert event == Disconnected("the client has disconnected", expected=True)


def test_proposal_and_wide_address() -> None:
    station = PrimaryStation(16, 1, 17, address_octets=4, proposal=Parameters(512, 512, 7, 7))
    reader = FrameReader(lambda _reason, _sentence: None)
    (snrm,) = reader.receive(station.connect(0))
    assert snrm.destination == bytes.fromhex("00020023")
    assert snrm.information.hex() == "81801405020200060202000704000000070804" + "00000007"
    answer = Frame(b"\x21", snrm.destination, UA, Parameters(300, 200, 2, 3).encode())
    assert station.receive(encode(answer), 1) == [Connected(Parameters(200, 300, 3, 2))]
    assert station.parameters == Parameters(200, 300, 3, 2)


def test_one_octet_address_leaves_the_physical_one_out() -> None:
    station = PrimaryStation(16, 1, 17, address_octets=1)
    assert station.connect(0) == bytes.fromhex("7EA0070321930F017E")


def test_refused(client: Client) -> None:
    client.station.connect(0)
    client.hear(DM)
    assert client.events == [Disconnected("the server refuses to connect (DM)")]
    assert not client.station.connected


def test_wrong_ua() -> None:
    client = Client()
    client.station.connect(0)
    client.hear(UA, b"\x81\x80\x05")
    (event,) = client.events
    assert isinstance(event, Disconnected) and event.why.startswith("the server's UA is wrong: parameter 80")


def test_segments_are_fetched_by_rr(client: Client) -> None:
    assert client.sent(client.station.send(b"get", 0)) == ["I N(S)=0 N(R)=0 P/F=1"]
    assert client.hear(0x30, SERVER_LLC + b"one,", True) == ["RR N(R)=1 P/F=1"]
    assert client.hear(0x32, b"two,", True) == ["RR N(R)=2 P/F=1"]
    assert client.hear(0x34, b"three") == []
    assert client.events == [Received(b"one,two,three")]
    assert client.station.idle
    assert client.station.next_timeout() is None


def test_long_request_waits_for_each_acknowledgement(client: Client) -> None:
    assert client.sent(client.station.send(bytes(300), 0)) == ["I N(S)=0 N(R)=0 P/F=1"]
    assert client.frames[0].segmented and client.frames[0].information == LLC + bytes(125)
    assert client.hear(0x31) == ["I N(S)=1 N(R)=0 P/F=1"]
    assert client.hear(0x51) == ["I N(S)=2 N(R)=0 P/F=1"]
    assert not client.frames[0].segmented
    assert client.hear(0x70, SERVER_LLC + b"done") == []
    assert client.events == [Received(b"done")]


def test_windows() -> None:
    client = Client(proposal=Parameters(40, 40, 3, 3))
    client.station.connect(0)
    client.hear(UA, Parameters(40, 40, 3, 3).encode())
    sent = client.sent(client.station.send(bytes(170), 0))
    assert sent == ["I N(S)=0 N(R)=0 P/F=0", "I N(S)=1 N(R)=0 P/F=0", "I N(S)=2 N(R)=0 P/F=1"]
    assert client.hear(0x31) == ["I N(S)=1 N(R)=0 P/F=0", "I N(S)=2 N(R)=0 P/F=0", "I N(S)=3 N(R)=0 P/F=1"]
    assert client.hear(0x91) == ["I N(S)=4 N(R)=0 P/F=1"]
    assert client.hear(0xA0, SERVER_LLC + b"a", True) == []
    assert client.hear(0xA2, b"b", True) == []
    assert client.hear(0xB4, b"c", True) == ["RR N(R)=3 P/F=1"]
    assert client.hear(0xB6, b"d") == []
    assert client.events[1:] == [Received(b"abcd")]


def test_lost_frame_of_the_server_is_asked_for_again() -> None:
    client = Client(proposal=Parameters(128, 128, 1, 3))
    client.station.connect(0)
    client.hear(UA, Parameters(128, 128, 3, 1).encode())
    client.sent(client.station.send(b"get", 0))
    assert client.hear(0x20, SERVER_LLC + b"a", True) == []
    assert client.hear(0x34, b"c") == ["RR N(R)=1 P/F=1"]
    assert client.hear(0x22, b"b", True) == []
    assert client.hear(0x34, b"c") == []
    assert client.events[1:] == [Received(b"abc")]


def test_no_answer_is_asked_for_again_and_given_up() -> None:
    client = Client(response_timeout=SECOND, retries=2)
    client.station.connect(0)
    assert client.wait() == ["SNRM P/F=1"]
    client.hear(UA)
    client.sent(client.station.send(b"get", client.now))
    assert client.wait() == ["I N(S)=0 N(R)=0 P/F=1"]
    assert client.wait() == ["I N(S)=0 N(R)=0 P/F=1"]
    assert client.wait() == []
    assert client.events[-1] == Disconnected("no answer in 3 attempts")
    assert client.now == 4 * SECOND
    assert client.station.next_timeout() is None


def test_lost_segment_is_asked_for_by_rr() -> None:
    client = Client(response_timeout=SECOND)
    client.station.connect(0)
    client.hear(UA)
    client.sent(client.station.send(b"get", 0))
    assert client.hear(0x30, SERVER_LLC + b"a", True) == ["RR N(R)=1 P/F=1"]
    assert client.wait() == ["RR N(R)=1 P/F=1"]
    assert client.hear(0x32, b"b") == []
    assert client.events[-1] == Received(b"ab")


def test_an_answer_on_its_way_is_waited_for() -> None:
    client = Client(response_timeout=SECOND)
    client.station.connect(0)
    answer = encode(Frame(b"\x21", b"\x03", UA, Parameters().encode()))
    for place, octet in enumerate(answer):
        client.now = place * SECOND // 10
        client.events += client.station.receive(bytes((octet,)), client.now)
    assert client.now > 2 * SECOND
    assert client.events == [Connected(Parameters())]


def test_repeated_answer_is_passed_over(client: Client) -> None:
    client.sent(client.station.send(b"one", 0))
    client.hear(0x30, SERVER_LLC + b"1")
    assert client.hear(0x30, SERVER_LLC + b"1") == []
    client.sent(client.station.send(b"two", 0))
    assert client.hear(0x30, SERVER_LLC + b"1") == [], "the answer before last, late"
    assert client.hear(0x52, SERVER_LLC + b"2") == []
    assert client.events == [Received(b"1"), Received(b"2")]


def test_server_without_an_answer_yet(client: Client) -> None:
    client.sent(client.station.send(b"slow", 0))
    assert client.hear(0x31) == []
    assert client.station.next_timeout() == 50 * MILLISECOND
    assert client.wait() == ["RR N(R)=0 P/F=1"]
    assert client.hear(0x31) == []
    assert client.wait() == ["RR N(R)=0 P/F=1"]
    assert client.hear(0x30, SERVER_LLC + b"here") == []
    assert client.events == [Received(b"here")]


def test_server_that_never_has_an_answer() -> None:
    client = Client(response_timeout=SECOND, retries=1)
    client.station.connect(0)
    client.hear(UA)
    client.sent(client.station.send(b"slow", 0))
    while client.station.next_timeout() is not None:
        client.hear(0x31)
        if client.station.connected:
            client.wait()
    assert client.events[-1] == Disconnected("the server has no answer")
    assert 2 * SECOND <= client.now < 3 * SECOND


def test_unconfirmed_request_ends_with_its_acknowledgement(client: Client) -> None:
    client.sent(client.station.send(b"note", 0, answered=False))
    assert client.hear(0x31) == []
    assert client.station.idle
    assert client.station.next_timeout() is None


def test_poll_fetches_more(client: Client) -> None:
    client.sent(client.station.send(b"stream", 0))
    client.hear(0x30, SERVER_LLC + b"1")
    assert client.sent(client.station.poll(0)) == ["RR N(R)=1 P/F=1"]
    client.hear(0x32, SERVER_LLC + b"2")
    assert client.events == [Received(b"1"), Received(b"2")]


def test_poll_that_loses_a_frame() -> None:
    """Nothing is owed and nothing half received, but what came shows that something is missing."""
    client = Client(proposal=Parameters(128, 128, 1, 3))
    client.station.connect(0)
    client.hear(UA, Parameters(128, 128, 3, 1).encode())
    assert client.sent(client.station.poll(0)) == ["RR N(R)=0 P/F=1"]
    assert client.hear(0x12, SERVER_LLC + b"2") == ["RR N(R)=0 P/F=1"]
    client.hear(0x00, SERVER_LLC + b"1")
    assert client.hear(0x12, SERVER_LLC + b"2") == []
    assert client.events[1:] == [Received(b"1"), Received(b"2")]


def test_busy_server(client: Client) -> None:
    client.sent(client.station.send(bytes(200), 0))
    assert client.hear(0x35) == []
    assert client.wait() == ["RR N(R)=0 P/F=1"]
    assert client.hear(0x35) == []
    assert client.wait() == ["RR N(R)=0 P/F=1"]
    assert client.hear(0x31) == ["I N(S)=1 N(R)=0 P/F=1"]


def test_server_that_acknowledges_nothing(client: Client) -> None:
    client.sent(client.station.send(b"get", 0))
    for _ in range(3):
        assert client.hear(0x11) == ["I N(S)=0 N(R)=0 P/F=1"]
    assert client.hear(0x11) == []
    assert client.events == [Disconnected("the server has acknowledged nothing in 4 attempts")]


def test_requests_wait_for_their_turn(client: Client) -> None:
    assert client.sent(client.station.send(b"one", 0)) == ["I N(S)=0 N(R)=0 P/F=1"]
    assert client.station.send(b"two", 0) == b""
    assert client.station.poll(0) == b""
    assert client.hear(0x30, SERVER_LLC + b"1") == ["I N(S)=1 N(R)=1 P/F=1"]
    client.hear(0x52, SERVER_LLC + b"2")
    assert client.events == [Received(b"1"), Received(b"2")]


def test_frame_reject_and_dm(client: Client) -> None:
    client.sent(client.station.send(b"get", 0))
    client.hear(FRMR, bytes.fromhex("10000C"))
    why = "the server rejects I N(S)=0 N(R)=0 P/F=1 (FRMR): its information is too long, its N(R) is wrong"
    assert client.events == [Disconnected(why)]
    client.station.connect(0)
    client.hear(UA)
    client.station.send(b"get", 0)
    client.hear(DM)
    assert client.events[-1] == Disconnected("the server is disconnected (DM)")


def test_notifications(client: Client) -> None:
    client.sent(client.station.send(b"get", 0))
    assert client.hear(0x13, SERVER_LLC + b"alarm") == []
    assert client.hear(0x03, SERVER_LLC + b"long ", True) == []
    assert client.hear(0x03, b"story") == []
    assert client.hear(0x13, SERVER_LLC + b"to all", destination=b"\xff") == []
    assert client.hear(0x30, SERVER_LLC + b"answer") == []
    assert client.events == [Notified(b"alarm"), Notified(b"long story"), Notified(b"to all"), Received(b"answer")]
    assert Client().hear(0x13, SERVER_LLC + b"unasked, unconnected") == []


def test_what_is_not_for_this_link(client: Client) -> None:
    client.sent(client.station.send(b"get", 0))
    assert client.hear(0x30, SERVER_LLC + b"x", destination=b"\x23") == []
    assert client.hear(0x30, SERVER_LLC + b"x", source=b"\x05") == []
    assert client.hear(0x30, b"no LLC") == ["RR N(R)=1 P/F=1"], "counted, so fetched on"
    assert client.station.counters["unknown address"] == 2
    assert client.events == []


def test_lost(client: Client) -> None:
    client.station.send(b"get", 0)
    client.station.lost()
    assert client.station.data_to_send() == b""
    assert client.station.next_timeout() is None
    for wish in (client.station.poll, lambda now: client.station.send(b"x", now)):
        with pytest.raises(LocalProtocolError):
            wish(0)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.builds(
                lambda control, information, segmented: encode(
                    Frame(b"\x21", b"\x03", control, information, segmented)
                ),
                st.integers(0, 255),
                st.binary(max_size=140),
                st.booleans(),
            ),
            st.just(None),
        ),
        max_size=25,
    )
)
def test_nothing_that_comes_in_raises_or_spins(pieces: list[bytes | None]) -> None:
    station = PrimaryStation(16, 1, retries=2)
    now = 0
    station.connect(now)
    for piece in pieces:
        if piece is None:
            due = station.next_timeout()
            now = now if due is None else max(now, due)
            station.timeout(now)
            after = station.next_timeout()
            assert after is None or after > now
        else:
            station.receive(piece, now)
        if station.connected:
            station.send(b"request", now)
        assert len(station.data_to_send()) < 2000
