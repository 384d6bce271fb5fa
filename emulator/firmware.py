"""What a make, model and firmware version fixes about a device, compiled from its profile file and shared.

Nothing here changes while a device runs; a device's own state is in :mod:`emulator.device` and its kin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from emulator.cosem.model import ObjectModel
from protocols.hdlc import Parameters
from protocols.tokens.scheme import Outcome, SchemeMaker

BAUD_RATES = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
"""Bits a second by the number that classes 19 and 23 have for it."""


class Trigger(Enum):
    """What makes a class 7 buffer capture a row; with ``ACCOUNT`` the account of the meter captures it itself."""

    PERIOD = "period"
    DAY = "day"
    MONTH = "month"
    EVENT = "event"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class BufferSpec:
    """A class 7 buffer as delivered: its object and what it captures.

    ``columns`` are (class, logical name, attribute, data index); ``period`` is in seconds, 0 unless the trigger is a
    period; ``capacity`` in rows; ``sort_method`` as in the Blue Book (1 FIFO, 2 LIFO).
    """

    name: str
    logical_name: bytes
    trigger: Trigger
    columns: tuple[tuple[int, bytes, int, int], ...]
    period: int
    capacity: int
    sort_method: int = 1


@dataclass(frozen=True, slots=True)
class LogSpec:
    """An event log: the buffer it fills and the codes it records, by the emulator's name of the event."""

    name: str
    codes: Mapping[str, int]


class Reaction(NamedTuple):
    """What a firmware does on an event: the codes it logs, by log, the bits it sets and clears, the alerts it sends.

    Bits are masks of the 32 bits of the error and of the alarm register. An alert is its code and the logical name of
    the push setup that tells of it.
    """

    logs: tuple[tuple[str, int], ...] = ()
    error: int = 0
    error_over: int = 0
    alarm: int = 0
    alarm_over: int = 0
    alerts: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Quirks:
    """Where a make departs from the standard, as clients meet it.

    ``closes_on_bad_counter``: a replayed or stale invocation counter closes the connection without an answer, where the
    standard has an exception-response. ``ignores_release``: an RLRQ gets no RLRE, though the association ends.
    ``silent_before_association``: a service without an association gets no answer. ``empty_title``: the AARE of an
    association without ciphering carries a responding-AP-title of no octets.
    """

    closes_on_bad_counter: bool = False
    ignores_release: bool = False
    silent_before_association: bool = False
    empty_title: bool = False


@dataclass(frozen=True, slots=True)
class HdlcSettings:
    """The HDLC side of a port. Times in nanoseconds."""

    limits: Parameters
    physical_address: int
    inactivity_timeout: int
    inter_octet_timeout: int
    baud: int
    turnaround: int


@dataclass(frozen=True, slots=True)
class OpticalSettings:
    """Sign-on of the optical port (IEC 62056-21). ``readout`` lists (data set address, logical name, attribute)."""

    mode: str
    flag_id: str
    identification: str
    baud_code: str
    mode_e: bool
    fast_reaction: bool
    reaction_time: int
    direct_hdlc: bool
    readout: tuple[tuple[str, bytes, int], ...]
    programming: Mapping[str, tuple[bytes, int]]


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """The device's own clock. ``drift_ppb`` is the range around 0 from which a device draws its drift.

    ``reserve`` is how long the clock runs on without mains, ns.
    """

    drift_ppb: int
    time_zone: int
    dst_begin: bytes
    dst_end: bytes
    dst_deviation: int
    dst_enabled: bool
    reserve: int


@dataclass(frozen=True, slots=True)
class PowerSettings:
    """What a device's power supply and its watchdog do. Voltages in mV, times in ns.

    A power supply that has less than ``minimum`` for longer than ``hold_up`` fails: the device is off until there is
    ``restart`` or more. With ``last_gasp`` a device that loses power sends what its alarms and alerts of that are
    before it goes. ``watchdog`` is how long firmware may hang before it is started anew, 0 for ever. None of it is in
    a standard that binds: EN 50470-1 has meters work down to 0.8 of their voltage, and switching power supplies work
    far below that.
    """

    minimum: int = 120_000
    restart: int = 150_000
    hold_up: int = 200_000_000
    last_gasp: bool = False
    watchdog: int = 16_000_000_000


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Rules of the image transfer. Sizes in octets, times in nanoseconds.

    An image that this firmware accepts starts with ``header`` (ASCII) and the new version's text, and ends with the
    SHA-256 of all before it.
    """

    block_size: int
    max_size: int
    header: bytes
    verification_time: int
    activation_time: int
    identifier_prefix: bytes


@dataclass(frozen=True, slots=True)
class SupplySettings:
    """Supply switch or gas valve, and what the load limiter starts with (W, seconds)."""

    control_mode: int
    limit: int
    min_over: int
    min_under: int


@dataclass(frozen=True, slots=True)
class MeteringSettings:
    """What the metering part counts; ``demand_period`` in seconds, 0 for no maximum demand."""

    tou_registers: int
    demand_period: int
    demand_periods: int


@dataclass(frozen=True, slots=True)
class SleepSettings:
    """How a battery device sleeps; ``wake_up_period`` in nanoseconds."""

    wake_up_period: int
    battery_life_days: int


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """How a device looks for the HAN, ns: every ``search_period`` while it belongs to none; with pauses from
    ``first_pause``, each twice the one before, up to ``longest_pause``, once it has lost the one it belongs to."""

    search_period: int
    first_pause: int
    longest_pause: int


class RegisteredKey(Enum):
    """What a client gives as the key of a device that it registers."""

    LINK_KEY = "link key"
    INSTALL_CODE = "install code"


@dataclass(frozen=True, slots=True)
class HanSettings:
    """The HAN that a hub forms.

    ``capacity`` and ``historic_capacity`` are entries of the device log and of its historic log, ``join_timeout`` is
    the permit-join window in seconds as delivered, ``kinds`` are kinds of device by the number that a client registers
    them with; a number that is not there stands for any. ``hop_time`` is what a frame takes from radio to radio, ns;
    ``key_establishment`` says whether a device that has joined and the hub make a new link key (CBKE).
    """

    capacity: int
    historic_capacity: int
    join_timeout: int
    registered_key: RegisteredKey
    kinds: Mapping[int, str]
    hop_time: int
    key_establishment: bool


class RadioProtocol(Enum):
    """What a hub's radio processor speaks to a host."""

    EZSP = "ezsp"
    ZNP = "znp"


@dataclass(frozen=True, slots=True)
class RadioSettings:
    """A hub's radio processor: its protocol, the rate of its line in bits a second, the version of its stack, and the
    texts of its manufacturer and board.

    ``profile`` is the application profile that a ZNP speaks for all endpoints of its host, None for the endpoint's.
    """

    protocol: RadioProtocol
    baud: int
    version: tuple[int, int, int]
    manufacturer: str
    board: str
    profile: int | None = 0x0109


class MirrorWrite(Enum):
    """What a hub answers to a change asked of the gas meter, which sleeps: taken for delivery at the next wake-up
    (success), or not taken (temporary-failure)."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LogicalDevices:
    """Server SAPs of a hub's logical devices, and the delay of a message over the HAN in nanoseconds."""

    management: int
    electricity: int
    gas: int
    han_delay: int
    mirror_write: MirrorWrite = MirrorWrite.ACCEPTED


@dataclass(frozen=True, slots=True)
class OutcomeSettings:
    """What a make does about one outcome of a token: the text on its display, the action-result that ``enter`` of class
    115 answers with, and the status code of class 115, attribute 6."""

    display: str
    action_result: int
    status: int


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """How a meter takes tokens.

    ``originator`` is the issuer's identifier, 8 octets. ``history`` is how many counters back the meter can tell used
    from unused. After ``attempts`` wrong manual entries in a row, entry is locked for ``lock_first`` ns, each time
    ``lock_factor`` times as long as before, up to ``lock_longest``; 0 attempts for no lock.
    """

    scheme: SchemeMaker
    scheme_name: str
    originator: bytes
    history: int
    attempts: int
    lock_first: int
    lock_factor: int
    lock_longest: int
    outcomes: Mapping[Outcome, OutcomeSettings]


class Reconnection(Enum):
    """What a meter does with its supply when there is credit again."""

    ARM = "arm"
    AUTOMATIC = "automatic"


class OverBalance(Enum):
    """What a meter does with a token that would bring the balance over its maximum."""

    REFUSE = "refuse"
    CLIP = "clip"


class Recovery(Enum):
    """What credit pays first, before it adds to the balance."""

    PAYMENT_DEBT = "payment_debt"
    ACCUMULATED_DEBT = "accumulated_debt"
    EMERGENCY_CREDIT = "emergency_credit"


@dataclass(frozen=True, slots=True)
class PrepaymentSettings:
    """How a meter keeps its account, and what the account starts with.

    Money in millipence (1e-5 GBP), times in nanoseconds unless they say otherwise. ``prices`` are those of the
    consumption charge by index from 1 (millipence a kWh); ``standing_charge`` is taken every ``standing_period``
    seconds. ``first_block_price`` is the index of the price of the first rate's first block; prices of the other rates
    follow it, those of the next of its ``blocks`` come ``block_step`` after it (161 and 16 in GB's official test data:
    A1 to A8, B1 to B8); ``block_masks`` are the masks of the register activation under which rates are charged by
    blocks. ``recovery`` is the order in which credit is used up
    before it adds to the balance. ``clears`` names what a change of tenancy writes off (``balance``, ``debts``).
    ``screens`` are those of the display, by name, with their templates (:mod:`emulator.prepayment.display`), the one at
    rest first; ``credit_screens`` are shown in credit mode instead, where there are any. What is typed is dropped
    ``entry_timeout`` after the last key; a screen is shown for ``screen_time``.
    """

    prepayment: bool
    balance: int
    prices: tuple[int, ...]
    first_block_price: int
    blocks: int
    block_step: int
    block_masks: frozenset[bytes]
    standing_charge: int
    standing_period: int
    configuration: tuple[tuple[str, str, str], ...]
    copies: Mapping[bytes, tuple[tuple[bytes, bytes], ...]]
    recovery: tuple[Recovery, ...]
    reconnection: Reconnection
    over_balance: OverBalance
    clears: frozenset[str]
    valve_test: int
    valve_test_flow: int
    entry_timeout: int
    screen_time: int
    screens: tuple[tuple[str, str], ...]
    tokens: TokenSettings
    credit_screens: tuple[tuple[str, str], ...] = ()


class Accept(Enum):
    """What a device does with a message of another application profile than it declares, and with one of a Smart
    Energy cluster that the APS layer did not protect: strict refuses both, lenient answers as it was asked."""

    STRICT = "strict"
    LENIENT = "lenient"


class ReportTo(Enum):
    """Whom a device reports to: what its bindings name, or who configured the reports."""

    BINDINGS = "bindings"
    CONFIGURER = "configurer"


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """One Zigbee endpoint as its simple descriptor has it; clusters by id."""

    number: int
    profile: int
    device: int
    version: int
    servers: tuple[int, ...]
    clients: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ZigbeeSettings:
    """A device's Zigbee application.

    ``manufacturer`` is its manufacturer code. ``report_look`` is how often, ns, an attribute is looked at whose reports
    depend on its change. ``transfer`` is the longest message it sends or takes, octets. ``attributes`` are those of its
    servers by cluster and id: a quantity's name, or a number or octets that never change. ``pushed`` are those that a
    sleeping meter pushes to its mirror. ``mirror`` is the endpoint of a hub's mirror, 0 for none. ``tunnels`` is how
    many tunnels may be open at once, and ``tunnel_client`` the client SAP of APDUs that come through one without a
    wrapper.
    """

    manufacturer: int
    accept: Accept
    report_to: ReportTo
    report_look: int
    transfer: int
    endpoints: tuple[EndpointSettings, ...]
    attributes: Mapping[int, Mapping[int, str | int | bytes]]
    pushed: Mapping[int, tuple[int, ...]]
    mirror: int = 0
    tunnels: int = 0
    tunnel_client: int = 0


class Ability(Enum):
    """What a person can do to a meter at a display of the HAN."""

    TOP_UP = "top_up"
    ARM = "arm"
    EMERGENCY_CREDIT = "emergency_credit"


class Notice(Enum):
    """What a display says of the last thing that was asked of a meter; results of a top-up from ``ACCEPTED`` on."""

    SENT = "sent"
    NO_METER = "no_meter"
    NOT_DELIVERED = "not_delivered"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    DONE = "done"
    OFF = "off"
    ARMED = "armed"
    ON = "on"
    ACCEPTED = "accepted"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    ERROR = "error"
    MAX_CREDIT = "max_credit"
    KEYPAD_LOCK = "keypad_lock"
    TOO_LARGE = "too_large"
    SUPPLY_ENABLED = "supply_enabled"
    SUPPLY_DISABLED = "supply_disabled"
    SUPPLY_ARMED = "supply_armed"


@dataclass(frozen=True, slots=True)
class DisplaySettings:
    """A display of the HAN with no meter of its own (PPMID, IHD). Times in ns, but ``report_period`` in seconds.

    Meters are asked to report every ``report_period``, and asked for prices, messages and the time every
    ``refresh_period``; one that has not been heard for ``stale_after`` is shown with ``stale_mark``. What was asked of
    a meter has had no answer once ``answer_time`` is over. ``screens`` are by name, with their templates
    (:mod:`emulator.display_text`), the one at rest first; ``gas_screens`` are those at which keys mean the gas meter,
    at others they mean the electricity meter. ``notices`` are templates too.
    """

    report_period: int
    refresh_period: int
    stale_after: int
    answer_time: int
    entry_timeout: int
    screen_time: int
    stale_mark: str
    abilities: frozenset[Ability]
    screens: tuple[tuple[str, str], ...]
    gas_screens: frozenset[str]
    notices: Mapping[Notice, str]


@dataclass(frozen=True, slots=True)
class FirmwareProfile:
    """One make, model and firmware version; ``reactions`` are by the emulator's name of an event.

    ``snapshot_period`` is how often a device that has a non-volatile memory writes its registers there, ns.
    """

    name: str
    kind: str
    make: str
    model_name: str
    version: str
    flag_id: str
    model: ObjectModel
    buffers: Mapping[str, BufferSpec]
    logs: Mapping[str, LogSpec]
    clock: ClockSettings
    boot_time: int
    snapshot_period: int
    wan: HdlcSettings | None = None
    local: HdlcSettings | None = None
    optical: OpticalSettings | None = None
    image: ImageSettings | None = None
    supply: SupplySettings | None = None
    metering: MeteringSettings | None = None
    sleep: SleepSettings | None = None
    joining: JoinSettings | None = None
    han: HanSettings | None = None
    radio: RadioSettings | None = None
    logical: LogicalDevices | None = None
    reactions: Mapping[str, Reaction] = field(default_factory=dict[str, Reaction])
    quirks: Quirks = Quirks()
    power: PowerSettings = PowerSettings()
    prepayment: PrepaymentSettings | None = None
    display: DisplaySettings | None = None
    zigbee: ZigbeeSettings | None = None
