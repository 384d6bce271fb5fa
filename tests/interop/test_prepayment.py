"""Independent clients at prepayment meters: at the optical port of electricity, through the hub for gas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protocols import obis
from protocols.dlms import datetime as dlms_time
from protocols.dlms.axdr import Data
from protocols.dlms.enums import Tag

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

ACCOUNT, CREDIT, CHARGE, GATEWAY, EXTENDED, SWITCH = 111, 112, 113, 115, 9000, 70
TYPED = {ACCOUNT: 19, CREDIT: 11, CHARGE: 13, GATEWAY: 6}
"""Classes that gurux knows as such, and their last attributes."""
ACTIVE, TO_COME = "0.0.19.0.0.255", "0.1.19.0.0.255"
BALANCE, EMERGENCY = "0.0.19.10.0.255", "0.0.19.10.1.255"
PRICES, DEBT, PAYMENT_DEBT = "0.0.19.20.0.255", "0.0.19.20.1.255", "0.0.19.20.3.255"
TOKENS = "0.0.19.40.0.255"
MAX_CREDIT, LOW_CREDIT = "0.0.94.44.2.10", "0.0.94.44.128.9"
SUPPLY = "0.0.96.3.10.255"
POUND = 100_000
KILOWATT_HOUR = 24_120
"""Price of the day rate, millipence."""
ROUNDING = 100
"""What an STS token rounds up at most, millipence."""
HARDWARE_FAULT, USED_ALREADY, OVER_LIMIT = 1, 3, 12
"""Action results, by the base profiles."""
EXECUTED, NOT_VALID = 3, 6
"""Status codes of the token gateway."""
START = datetime(2026, 1, 12, 12, tzinfo=UTC)
CREDIT_MODE, PREPAYMENT_MODE, ACCOUNT_ACTIVE = 1, 2, 2
DISCONNECTED, CONNECTED, READY = 0, 1, 2
I8, I32, OCTETS = ("integer", 15), ("double_long", 5), ("octet_string", 9)
"""Types as pydlms and as gurux call them."""


# --- the two clients, and what they are told


@dataclass(frozen=True)
class Get:
    """Read an attribute."""

    interface_class: int
    name: str
    attribute: int

    def gurux(self) -> list[Any]:
        return ["read", self.interface_class, self.name, self.attribute]

    def pydlms(self) -> list[Any]:
        return ["get", self.interface_class, self.name, self.attribute]


@dataclass(frozen=True)
class Put:
    """Write an attribute: ``fields`` of the object as gurux has it, ``data`` as pydlms takes it."""

    interface_class: int
    name: str
    attribute: int
    fields: dict[str, Any]
    data: list[Any]

    def gurux(self) -> list[Any]:
        return ["put", self.interface_class, self.name, self.attribute, self.fields]

    def pydlms(self) -> list[Any]:
        return ["set", self.interface_class, self.name, self.attribute, self.data]


@dataclass(frozen=True)
class Write:
    """Write a plain value."""

    interface_class: int
    name: str
    attribute: int
    type: tuple[str, int]
    value: int | str

    def gurux(self) -> list[Any]:
        return ["write", self.interface_class, self.name, self.attribute, self.type[1], self.value]

    def pydlms(self) -> list[Any]:
        return ["set", self.interface_class, self.name, self.attribute, [self.type[0], self.value]]


@dataclass(frozen=True)
class Run:
    """Run a method."""

    interface_class: int
    name: str
    method: int
    type: tuple[str, int]
    value: int | str

    def gurux(self) -> list[Any]:
        return ["method", self.interface_class, self.name, self.method, self.type[1], self.value]

    def pydlms(self) -> list[Any]:
        return ["action", self.interface_class, self.name, self.method, [self.type[0], self.value]]


@dataclass(frozen=True)
class Refused:
    """What is to be refused: its result is the code."""

    step: Run

    def gurux(self) -> list[Any]:
        return ["refused", self.step.gurux()]

    def pydlms(self) -> list[Any]:
        return ["refused", self.step.pydlms()]


Step = Get | Put | Write | Run | Refused


class Home:
    """Running premises that pay in advance."""

    def __init__(self, running: Any, meter_of: Callable[..., Any]) -> None:
        self.running = running
        self.premises = running.premises["home"]
        self.clock = running.clock
        self.hub = meter_of(running, "hub")
        self.meters = {kind: meter_of(running, kind) for kind in ("electricity", "gas")}
        self._counter = 0

    def device(self, kind: str) -> Any:
        return self.meters[kind].running

    def token(self, kind: str, pence: int) -> str:
        """A fresh token for a meter."""
        device = self.device(kind).device
        settings = device.firmware.prepayment.tokens
        scheme = settings.scheme(
            device.token_secret(settings), device.token_originator(settings), device.identity.eui64
        )
        self._counter += 1
        return scheme.issue(self._counter, pence)

    def wake_gas(self) -> None:
        """Let time pass until the gas meter has woken up and heard what waits at the hub."""
        device = self.device("gas")
        wait = device.call(lambda: device.device.next_wake_up) - self.clock.ns
        self.clock.advance(nanoseconds=wait + 2_000_000_000)


@pytest.fixture
def home(smets1_rig: Any, meter_of: Any) -> Callable[..., Home]:
    """``home(profile, pence, watts)``: dual-fuel premises in prepayment mode, on a stepped clock."""

    def start(profile: str = "electricity-base", pence: int = 1000, watts: float = 1000) -> Home:
        dwelling = {
            "name": "home",
            "hub": {"ports": {"wan": "pty:wan", "wan-tcp": "tcp:0"}},
            "electricity": {
                "profile": profile,
                "ports": {"optical": "pty:optical"},
                "load": {"kind": "constant", "value": watts},
                "prepayment": {"balance_pence": pence},
            },
            "gas": {"load": {"kind": "constant", "value": 1.0}, "prepayment": {"balance_pence": pence}},
        }
        running = smets1_rig({"clock": {"start": START, "mode": "stepped"}, "premises": [dwelling]})
        made = Home(running, meter_of)
        for kind in made.meters:
            device = made.device(kind)
            device.call(lambda clock=device.device.device_clock: setattr(clock, "drift", 0))
        return made

    return start


Ask = Callable[..., list[Any]]


@pytest.fixture
def gurux(peers: Any) -> Ask:
    """``gurux(home, kind, steps...)``: with HDLC at the optical port, or through the hub."""

    def ask(home: Home, kind: str, *steps: Any, framing: str = "hdlc") -> list[Any]:
        spec = {**home.meters[kind].client("management"), "framing": framing}
        if kind == "gas":
            wan = f"tcp:{home.hub.port('wan-tcp')}" if framing == "wrapper" else f"pty:{home.hub.port('wan')}"
            spec |= {"server": 17, "port": wan}
        else:
            spec["port"] = f"pty:{home.meters[kind].port('optical')}"
        do = [step.gurux() if isinstance(step, Step) else step for step in steps]
        outcome = peers.client("gurux", "gurux_client.py", {**spec, "do": do}, timeout=230)
        assert outcome.errors == [], outcome.said
        return outcome.results

    return ask


@pytest.fixture
def pydlms(peers: Any) -> Ask:
    """``pydlms(home, kind, steps...)``: with HDLC at the optical port, or through the hub."""

    def ask(home: Home, kind: str, *steps: Any, transport: str = "serial") -> list[Any]:
        spec = {**home.meters[kind].client("management"), "transport": transport}
        if kind == "gas":
            spec |= {"server": 17, "where": home.hub.port("wan-tcp" if transport == "tcp" else "wan")}
        else:
            spec["where"] = home.meters[kind].port("optical")
        do = [step.pydlms() if isinstance(step, Step) else step for step in steps]
        outcome = peers.client("pydlms", "pydlms_client.py", {**spec, "do": do}, timeout=230)
        assert outcome.errors == [], outcome.said
        return outcome.results

    return ask


@pytest.fixture(params=["gurux", "pydlms"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Either client."""
    return request.getfixturevalue(request.param)


# --- reading


def prepayment_objects(home: Home, kind: str) -> Iterator[tuple[int, str]]:
    """Class and logical name of each object of the account."""
    model = home.device(kind).device.firmware.model
    for interface_class in (*TYPED, EXTENDED):
        for item in model.by_class[interface_class]:
            yield interface_class, ".".join(map(str, item.logical_name))


def ours(home: Home, kind: str, wanted: list[tuple[int, str, int]]) -> list[Data]:
    """What our own client reads of them."""
    with home.device(kind).client("management") as client:
        return [client.get(interface_class, dotted(name), attribute) for interface_class, name, attribute in wanted]


def dotted(name: str) -> str:
    """The logical name as our client takes it."""
    return obis.text(bytes(map(int, name.split("."))))


def leaves(data: Data) -> Iterator[object]:
    """The values in COSEM data in order, as gurux has them: names as text, bits as a number whose first bit is 1."""
    match data.tag:
        case Tag.ARRAY | Tag.STRUCTURE:
            for item in data.value:
                yield from leaves(item)
        case Tag.OCTET_STRING if len(data.value) == 6:
            yield ".".join(map(str, data.value))
        case Tag.OCTET_STRING if len(data.value) == 12:
            yield instant(data.value)
        case Tag.OCTET_STRING:
            yield data.value.hex()
        case Tag.BIT_STRING:
            yield sum(1 << place for place, bit in enumerate(str(data.value)) if bit == "1")
        case _:
            yield data.value


def instant(octets: bytes) -> str:
    """Gurux shows an instant that is not specified as the beginning of 2000."""
    if octets == dlms_time.UNSPECIFIED:
        return "2000-01-01T00:00:00"
    seconds = dlms_time.unpack_utc(octets) // 1_000_000_000
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def flat(value: object) -> Iterator[object]:
    """The values in what a client script reports."""
    if isinstance(value, list):
        for item in value:
            yield from flat(item)
    else:
        yield value


def first(value: object) -> object:
    """The first value in what a client script reports."""
    return next(flat(value))


def as_gurux(interface_class: int, attribute: int, data: Data) -> list[object]:
    """What gurux's object of that class holds of an attribute."""
    found = list(leaves(data))
    match interface_class, attribute:
        case 111, 15:  # currency: its object has unit, name, scale
            return [found[2], found[0], found[1]]
        case 113, 5 | 6 if found[2:4] == [0, "0.0.0.0.0.0"]:  # no commodity is no object
            return [*found[:2], None, *found[4:]]
        case 115, 6:  # the library keeps these bits as text
            return [found[0], str(data.value[1].value)]
        case _:
            return found


def plain(data: Data) -> object:
    """COSEM data as client scripts report it."""
    match data.tag:
        case Tag.ARRAY | Tag.STRUCTURE:
            return [plain(item) for item in data.value]
        case Tag.OCTET_STRING:
            return data.value.hex()
        case Tag.BIT_STRING:
            return [bit == "1" for bit in str(data.value)]
        case _:
            return data.value


@pytest.mark.parametrize(
    ("kind", "framing"), [("electricity", "hdlc"), ("electricity", "mode-e"), ("gas", "hdlc"), ("gas", "wrapper")]
)
def test_gurux_reads_every_attribute_as_our_client_does(
    home: Callable[..., Home], gurux: Ask, kind: str, framing: str
) -> None:
    at = home()
    at.clock.advance(hours=1)
    objects = list(prepayment_objects(at, kind))
    assert [sum(found == wanted for found, _ in objects) for wanted in TYPED] == [2, 3, 5, 1]
    typed = [(interface_class, name) for interface_class, name in objects if interface_class in TYPED]
    extended = [(EXTENDED, name, index) for _, name in objects[len(typed) :] for index in range(2, 7)]
    assert len(extended) >= 5 * 10
    answers = gurux(
        at,
        kind,
        ["objects"],
        *(["typed", *item] for item in typed),
        *(Get(*item) for item in extended),
        framing=framing,
    )[1:]
    for (interface_class, name), answer in zip(typed, answers[: len(typed)], strict=True):
        wanted = [(interface_class, name, index) for index in range(1, TYPED[interface_class] + 1)]
        expected = [
            as_gurux(interface_class, index, data)
            for (_, _, index), data in zip(wanted, ours(at, kind, wanted), strict=True)
        ]
        assert [list(flat(value)) for value in answer] == expected, (interface_class, name)
    for item, answer, data in zip(extended, answers[len(typed) :], ours(at, kind, extended), strict=True):
        assert answer == plain(data), item


@pytest.mark.parametrize(
    ("kind", "transport"), [("electricity", "serial"), ("electricity", "optical"), ("gas", "serial"), ("gas", "tcp")]
)
def test_pydlms_reads_every_attribute_as_our_client_does(
    home: Callable[..., Home], pydlms: Ask, kind: str, transport: str
) -> None:
    at = home()
    at.clock.advance(hours=1)
    wanted = [
        (interface_class, name, index)
        for interface_class, name in prepayment_objects(at, kind)
        for index in range(1, TYPED.get(interface_class, 6) + 1)
    ]
    answers = pydlms(at, kind, *(Get(*item) for item in wanted), transport=transport)
    for item, answer, data in zip(wanted, answers, ours(at, kind, wanted), strict=True):
        assert answer == plain(data), item


# --- tokens


@pytest.mark.parametrize(("profile", "refusal"), [("electricity-base", USED_ALREADY), ("electricity-lima-2", 3)])
def test_a_token_is_taken_once(home: Callable[..., Home], ask: Ask, profile: str, refusal: int) -> None:
    at = home(profile, watts=0)
    digits = at.token("electricity", 500)
    enter = Run(GATEWAY, TOKENS, 1, OCTETS, digits.encode().hex())
    before, _, after, taken, again, still, refused = ask(
        at,
        "electricity",
        Get(CREDIT, BALANCE, 2),
        enter,
        Get(CREDIT, BALANCE, 2),
        Get(GATEWAY, TOKENS, 6),
        Refused(enter),
        Get(CREDIT, BALANCE, 2),
        Get(GATEWAY, TOKENS, 6),
    )
    assert before == 10 * POUND
    assert 0 <= after - 15 * POUND < ROUNDING
    assert still == after
    assert again == refusal
    assert (first(taken), first(refused)) == (EXECUTED, NOT_VALID)
    assert at.device("electricity").balance == after


def test_a_token_goes_through_the_hub_to_the_gas_meter(home: Callable[..., Home], ask: Ask) -> None:
    at = home()
    digits = at.token("gas", 500)
    enter = Run(GATEWAY, TOKENS, 1, OCTETS, digits.encode().hex())
    look = Get(CREDIT, BALANCE, 2), Get(GATEWAY, TOKENS, 2), Get(GATEWAY, TOKENS, 6)
    before, _, waiting = ask(at, "gas", look[0], enter, look[0])
    assert waiting == before  # the hub has taken it for the meter's next wake-up
    at.wake_gas()
    balance, token, status = ask(at, "gas", *look)
    assert token == digits.encode().hex()
    assert first(status) == EXECUTED
    assert before + 4 * POUND < balance < before + 5 * POUND  # some gas was used meanwhile
    ask(at, "gas", enter)
    at.wake_gas()
    later, _, status = ask(at, "gas", *look)
    assert first(status) == NOT_VALID
    assert later < balance


# --- what suppliers do


def test_balance_and_emergency_credit(home: Callable[..., Home], ask: Ask) -> None:
    at = home(watts=0)
    emergency = Run(CREDIT, EMERGENCY, 3, I8, 0)
    added, refused, low, _, left, status, in_use = ask(
        at,
        "electricity",
        Run(CREDIT, BALANCE, 1, I32, -2 * POUND),
        Refused(emergency),
        Run(CREDIT, BALANCE, 2, I32, POUND // 2),
        emergency,
        Get(CREDIT, EMERGENCY, 2),
        Get(CREDIT, EMERGENCY, 8),
        Get(ACCOUNT, ACTIVE, 5),
    )
    assert not isinstance(added, list) and not isinstance(low, list)
    assert refused == HARDWARE_FAULT
    assert (left, status) == (3 * POUND, 2)  # selected
    assert in_use == POUND // 2 + 3 * POUND


def test_balance_and_limits_of_gas_change_at_its_next_wake_up(home: Callable[..., Home], ask: Ask) -> None:
    at = home()
    changes = (
        Run(CREDIT, BALANCE, 2, I32, 50 * POUND),
        Write(EXTENDED, LOW_CREDIT, 2, I32, 4 * POUND),
        Run(CREDIT, EMERGENCY, 3, I8, 0),  # the meter will refuse it: there is credit
    )
    look = Get(CREDIT, BALANCE, 2), Get(ACCOUNT, ACTIVE, 16), Get(CREDIT, EMERGENCY, 8)
    asleep = ask(at, "gas", *look)
    assert ask(at, "gas", *changes, *look)[3:] == asleep
    at.wake_gas()
    balance, low, status = ask(at, "gas", *look)
    assert 49 * POUND < balance <= 50 * POUND
    assert (low, status) == (4 * POUND, 0)
    counters = at.hub.running.device.mirror.counters
    assert at.device("gas").call(lambda: dict(counters)) == {"taken": 3, "delivered": 2, "failed": 1}


def test_a_debt_is_recovered_from_payments(home: Callable[..., Home], ask: Ask) -> None:
    at = home(watts=0)
    enter = Run(GATEWAY, TOKENS, 1, OCTETS, at.token("electricity", 1000).encode().hex())
    half = 5000  # hundredths of a per cent
    *_, before, _, remaining, collected, balance, owed = ask(
        at,
        "electricity",
        Run(CHARGE, PAYMENT_DEBT, 5, I32, 20 * POUND),
        Run(CHARGE, PAYMENT_DEBT, 4, I32, -5 * POUND),
        Put(CHARGE, PAYMENT_DEBT, 13, {"proportion": half}, ["long_unsigned", half]),
        Get(CHARGE, PAYMENT_DEBT, 12),
        enter,
        Get(CHARGE, PAYMENT_DEBT, 12),
        Get(CHARGE, PAYMENT_DEBT, 11),
        Get(CREDIT, BALANCE, 2),
        Get(ACCOUNT, ACTIVE, 8),
    )
    assert (before, remaining, collected) == (15 * POUND, 10 * POUND, 5 * POUND)
    assert (balance, owed) == (15 * POUND, 10 * POUND)


def structure(*items: list[Any]) -> list[Any]:
    return ["structure", list(items)]


def later(hours: float) -> tuple[str, list[Any], str]:
    """An instant so long after the start: in ISO form, as pydlms data, as octets in hexadecimal."""
    at = START + timedelta(hours=hours)
    octets = dlms_time.pack_utc(round(at.timestamp()) * 1_000_000_000).hex()
    return at.isoformat(), ["octet_string", octets], octets


def test_a_time_based_debt_is_collected_at_its_rate(home: Callable[..., Home], ask: Ask) -> None:
    at = home(watts=0)
    iso, octets, _ = later(1)
    hour, rate = 3600, POUND // 4
    nothing = structure(["long_unsigned", 0], ["octet_string", bytes(6).hex()], ["integer", 0])
    row = structure(["octet_string", ""], ["long", rate])
    unit = structure(structure(["integer", 0], ["integer", -5]), nothing, ["array", [row]])
    ask(
        at,
        "electricity",
        Run(CHARGE, DEBT, 5, I32, POUND),
        Put(CHARGE, DEBT, 8, {"period": hour}, ["double_long_unsigned", hour]),
        Put(CHARGE, DEBT, 6, {"unitChargePassive.chargeTables": [["", rate]]}, unit),
        Put(CHARGE, DEBT, 7, {"unitChargeActivationTime": iso}, octets),
    )
    at.clock.advance(hours=3, minutes=1)
    remaining, collected, balance = ask(
        at, "electricity", Get(CHARGE, DEBT, 12), Get(CHARGE, DEBT, 11), Get(CREDIT, BALANCE, 2)
    )
    # The rate holds from 13:00, and the hours that end at 14:00 and 15:00 are collected; at 13:00 there was none yet.
    assert collected == rate
    assert balance - 10 * POUND == remaining - POUND
    assert remaining == POUND - 2 * rate


def test_prices_change_on_their_date(home: Callable[..., Home], ask: Ask) -> None:
    at = home()
    iso, octets, _ = later(2)
    register = structure(["long_unsigned", 3], ["octet_string", "0100010800ff"], ["integer", 2])
    table = [structure(["octet_string", f"{index:02x}"], ["long", price]) for index, price in ((1, 16850), (2, 30000))]
    unit = structure(structure(["integer", 3], ["integer", -5]), register, ["array", table])
    *_, begun = ask(
        at,
        "electricity",
        Put(CHARGE, PRICES, 6, {"unitChargePassive.chargeTables.1.chargePerUnit": 30000}, unit),
        Put(CHARGE, PRICES, 7, {"unitChargeActivationTime": iso}, octets),
        Get(CREDIT, BALANCE, 2),
    )
    assert begun == 10 * POUND
    at.clock.advance(hours=2)
    before, paid = ask(at, "electricity", Get(CREDIT, BALANCE, 2), Get(CHARGE, PRICES, 2))
    assert (before, paid) == (10 * POUND - 2 * KILOWATT_HOUR, 2 * KILOWATT_HOUR)
    at.clock.advance(hours=1)
    active, after = ask(at, "electricity", Get(CHARGE, PRICES, 5), Get(CREDIT, BALANCE, 2))
    assert list(flat(active))[-4:] == ["01", 16850, "02", 30000]
    assert after == before - 30000


def test_limits_change_on_their_date(home: Callable[..., Home], ask: Ask) -> None:
    at = home(watts=0)
    _, _, octets = later(2)
    enter = Run(GATEWAY, TOKENS, 1, OCTETS, at.token("electricity", 600).encode().hex())
    *_, active = ask(
        at,
        "electricity",
        Write(EXTENDED, LOW_CREDIT, 2, I32, 3 * POUND),
        Write(EXTENDED, MAX_CREDIT, 4, I32, 5 * POUND),
        Write(EXTENDED, MAX_CREDIT, 6, OCTETS, octets),
        Get(EXTENDED, MAX_CREDIT, 2),
    )
    assert active == 100 * POUND
    at.clock.advance(hours=2, seconds=1)
    active, code, low = ask(at, "electricity", Get(EXTENDED, MAX_CREDIT, 2), Refused(enter), Get(ACCOUNT, ACTIVE, 16))
    assert (active, code, low) == (5 * POUND, OVER_LIMIT, 3 * POUND)
    assert at.device("electricity").balance == 10 * POUND


def test_the_mode_changes_by_the_passive_account(home: Callable[..., Home], ask: Ask) -> None:
    at = home(watts=0)
    names = {CREDIT_MODE: "credit", PREPAYMENT_MODE: "prepayment"}
    for hours, now, to_be in ((1, PREPAYMENT_MODE, CREDIT_MODE), (3, CREDIT_MODE, PREPAYMENT_MODE)):
        iso, octets, _ = later(hours)
        mode = structure(["enum", to_be], ["enum", ACCOUNT_ACTIVE])
        *_, status = ask(
            at,
            "electricity",
            Put(ACCOUNT, TO_COME, 2, {"paymentMode": to_be}, mode),
            Put(ACCOUNT, TO_COME, 13, {"accountActivationTime": iso}, octets),
            Get(ACCOUNT, ACTIVE, 2),
        )
        assert first(status) == now
        assert at.device("electricity").state.mode == names[now]
        at.clock.advance(hours=2)
        assert at.device("electricity").state.mode == names[to_be]


# Gurux writes 8 bits where this table has 3, so it cannot.
def test_what_pays_for_what_changes_with_the_passive_account(home: Callable[..., Home], pydlms: Ask) -> None:
    at = home(watts=0)
    (rows,) = ours(at, "electricity", [(ACCOUNT, ACTIVE, 11)])
    kept = rows.value[:-2]
    data = [
        structure(
            *(["octet_string", part.value.hex()] for part in row.value[:2]), ["bit_string", str(row.value[2].value)]
        )
        for row in kept
    ]
    _, octets, _ = later(1)
    pydlms(
        at,
        "electricity",
        Put(ACCOUNT, TO_COME, 11, {}, ["array", data]),
        Put(ACCOUNT, TO_COME, 13, {}, octets),
    )
    at.clock.advance(minutes=59)
    assert ours(at, "electricity", [(ACCOUNT, ACTIVE, 11)]) == [rows]
    at.clock.advance(minutes=1)
    (active,) = ours(at, "electricity", [(ACCOUNT, ACTIVE, 11)])
    assert active.value == kept


def test_the_supply_is_cut_armed_and_closed(home: Callable[..., Home], ask: Ask) -> None:
    at = home(pence=100)
    device = at.device("electricity")
    at.clock.advance(hours=5)
    state = Get(SWITCH, SUPPLY, 3)
    digits = at.token("electricity", 1000)
    cut, balance, _, armed = ask(
        at,
        "electricity",
        state,
        Get(CREDIT, BALANCE, 2),
        Run(GATEWAY, TOKENS, 1, OCTETS, digits.encode().hex()),
        state,
    )
    assert (cut, balance, armed) == (DISCONNECTED, 0, READY)
    device.power_off()
    at.clock.advance(minutes=1)
    device.power_on()
    at.clock.advance(minutes=1)
    assert device.press_button() == "on"
    closed, after, duplicate = ask(
        at,
        "electricity",
        state,
        Get(CREDIT, BALANCE, 2),
        Refused(Run(GATEWAY, TOKENS, 1, OCTETS, digits.encode().hex())),
    )
    assert (closed, after, duplicate) == (CONNECTED, 10 * POUND, USED_ALREADY)
