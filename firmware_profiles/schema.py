"""What may stand in a firmware profile file, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Provenance = Literal["standard", "public source", "assumed", "learnt"]
Kind = Literal["electricity", "gas", "hub", "display"]
FlagId = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Octet = Annotated[int, Field(ge=0, le=255)]
Short = Annotated[int, Field(ge=0, le=0xFFFF)]
Amount = Annotated[int, Field(ge=-0x8000_0000, le=0x7FFF_FFFF)]
Names = list[str] | Literal["*"]
Mechanism = Literal["none", "lls", "hls", "hls-md5", "hls-sha1", "hls-gmac", "hls-sha256", "hls-ecdsa"]
Context = Literal["ln", "ln-ciphered"]
Service = Literal[
    "general-protection",
    "general-block-transfer",
    "attribute0-set",
    "priority-management",
    "attribute0-get",
    "block-get",
    "block-set",
    "block-action",
    "multiple-references",
    "data-notification",
    "access",
    "get",
    "set",
    "selective-access",
    "event-notification",
    "action",
]


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("each of them once at most")
    return names


class Strict(BaseModel):
    """A table in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Identity(Strict):
    """Which device, which make, which firmware."""

    kind: Kind
    make: str
    model: str
    version: str
    flag_id: FlagId


class ClockTable(Strict):
    """The device's own clock; see class 8 for the attributes."""

    drift_ppm: Annotated[float, Field(ge=0, le=500)]
    time_zone_minutes: Annotated[int, Field(ge=-720, le=840)]
    dst_begin: str
    dst_end: str
    dst_deviation_minutes: Annotated[int, Field(ge=-120, le=120)]
    dst_enabled: bool
    reserve_hours: Annotated[float, Field(ge=0, le=100_000)]


class Power(Strict):
    """Power supply and watchdog; see :class:`emulator.firmware.PowerSettings`."""

    minimum_v: Annotated[int, Field(ge=0, le=230)] = 120
    restart_v: Annotated[int, Field(ge=0, le=230)] = 150
    hold_up_ms: Annotated[int, Field(ge=0, le=600_000)] = 200
    last_gasp: bool = False
    watchdog_s: Annotated[float, Field(ge=0, le=86_400)] = 16.0

    @model_validator(mode="after")
    def _restarts_above(self) -> Power:
        if self.restart_v < self.minimum_v:
            raise ValueError(f"restart_v of {self.restart_v}: at least minimum_v, {self.minimum_v}")
        return self


class Hdlc(Strict):
    """HDLC of one port."""

    baud: Literal[300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]
    max_info_transmit: Annotated[int, Field(ge=32, le=2030)]
    max_info_receive: Annotated[int, Field(ge=32, le=2030)]
    window_transmit: Annotated[int, Field(ge=1, le=7)]
    window_receive: Annotated[int, Field(ge=1, le=7)]
    physical_address: Annotated[int, Field(ge=16, le=16381)]
    inactivity_timeout_s: Annotated[int, Field(ge=0, le=65535)]
    inter_octet_timeout_ms: Annotated[int, Field(ge=0, le=6000)]
    turnaround_ms: Annotated[float, Field(ge=0, le=1500)]


class Optical(Strict):
    """IEC 62056-21 on the optical port. ``programming`` maps an address to the object that R and W commands reach."""

    mode: Literal["A", "B", "C", "D"]
    identification: Annotated[str, StringConstraints(min_length=1, max_length=16, pattern=r"^[!-.0-~]+$")]
    baud_code: Annotated[str, StringConstraints(min_length=1, max_length=1)]
    mode_e: bool
    fast_reaction: bool
    reaction_time_ms: Annotated[float, Field(ge=0, le=1500)]
    direct_hdlc: bool
    readout: list[tuple[str, str, int]]
    programming: dict[str, tuple[str, int]] = Field(default_factory=dict[str, tuple[str, int]])


class Image(Strict):
    """Rules of the image transfer."""

    block_size: Annotated[int, Field(ge=16, le=2000)]
    max_size: Annotated[int, Field(ge=64, le=16_777_216)]
    header: Annotated[str, StringConstraints(min_length=1, max_length=16)]
    identifier_prefix: str
    verification_s: Annotated[float, Field(ge=0, le=3600)]
    activation_s: Annotated[float, Field(ge=0, le=86_400)]


class Supply(Strict):
    """Load switch or gas valve and the load limiter."""

    control_mode: Annotated[int, Field(ge=0, le=6)]
    limit_w: Annotated[int, Field(ge=0, le=100_000)] = 0
    min_over_s: Annotated[int, Field(ge=0, le=86_400)] = 0
    min_under_s: Annotated[int, Field(ge=0, le=86_400)] = 0


class Metering(Strict):
    """What the metering part counts. ``demand_period_s`` of 0 means no maximum demand."""

    tou_registers: Annotated[int, Field(ge=0, le=48)]
    demand_period_s: Annotated[int, Field(ge=0, le=3600)] = 1800
    demand_periods: Annotated[int, Field(ge=1, le=15)] = 1


class Sleep(Strict):
    """How a battery device sleeps."""

    wake_up_period_s: Annotated[int, Field(ge=60, le=86_400)]
    battery_life_days: Annotated[int, Field(ge=1, le=10_000)]


class Joining(Strict):
    """How a device looks for the HAN: how often while it belongs to none, and the pauses once it has lost its own."""

    search_s: Annotated[float, Field(ge=1, le=3600)]
    first_pause_s: Annotated[float, Field(ge=1, le=86_400)]
    longest_pause_s: Annotated[float, Field(ge=1, le=86_400)]


class Han(Strict):
    """The HAN that a hub forms: its device log and the permit-join window.

    ``registered_key`` is what a client registers a device with. ``kinds`` gives kinds of device the number that a
    client registers them with; any other number stands for any kind. ``hop_ms`` is what a frame takes from one radio
    to the next: assumed, and somewhat less than the 1.5 to 4 ms of a real frame, for which rigs need not wait.
    ``key_establishment`` is whether a new device and the hub make a new link key (CBKE).
    """

    capacity: Annotated[int, Field(ge=1, le=255)]
    historic_capacity: Annotated[int, Field(ge=0, le=255)]
    join_timeout_s: Annotated[int, Field(ge=1, le=3600)]
    registered_key: Literal["link key", "install code"]
    kinds: dict[Literal["electricity", "gas", "display"], Annotated[int, Field(ge=0, le=255)]] = {}
    hop_ms: Annotated[float, Field(ge=0, le=1000)] = 1.0
    key_establishment: bool = False


class Radio(Strict):
    """A hub's radio processor, for a Zigbee host in the place of the hub's own software.

    ``version`` is that of its network stack, ``manufacturer`` and ``board`` are texts that it shows. ``profile`` is the
    application profile that a ZNP speaks for all endpoints of its host, since no command of a host carries one; 0: that
    of the endpoint.
    """

    protocol: Literal["ezsp", "znp"]
    profile: Annotated[int, Field(ge=0, le=0xFFFF)] = 0x0109
    baud: Literal[9600, 19200, 38400, 57600, 115200]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2}$")]
    manufacturer: Annotated[str, StringConstraints(max_length=16, pattern=r"^[ -~]*$")]
    board: Annotated[str, StringConstraints(max_length=16, pattern=r"^[ -~]*$")]


class Logical(Strict):
    """Logical devices a hub serves: server SAPs of itself, its electricity meter and the gas mirror.

    ``mirror_write`` is what a client hears of a change it asks of the sleeping gas meter: success once the hub has
    taken it for delivery, or temporary-failure and nothing kept.
    """

    management: Annotated[int, Field(ge=1, le=126)]
    electricity: Annotated[int, Field(ge=1, le=126)]
    gas: Annotated[int, Field(ge=1, le=126)]
    han_delay_ms: Annotated[float, Field(ge=0, le=60_000)]
    mirror_write: Literal["accepted", "refused"] = "accepted"


class Nvm(Strict):
    """How often registers are written to non-volatile memory."""

    snapshot_s: Annotated[int, Field(ge=1, le=86_400)] = 1800


class Prepayment(Strict):
    """How a meter keeps its account, and what the account begins with; money in millipence (1e-5 GBP).

    ``prices_mp`` are those of a kWh by index from 1, one a rate. Those of ``blocks`` blocks begin at the index
    ``first_block_price``, rate after rate, and the next block's ``block_step`` after it; rates are charged by
    blocks under the ``block_masks`` of the register activation. ``collections`` say which
    credit pays which charge, and in three digits of 0 and 1 whether also while the supply is off, while the load is
    limited, and in friendly hours (class 111, attribute 11). ``recovery`` is what a payment goes to first, ``clears``
    what a change of tenancy writes off. A gas valve stays open if less than ``valve_test_flow_l_h`` flows in the
    ``valve_test_s`` after it has opened.
    """

    mode: Literal["credit", "prepayment"]
    balance_mp: Amount
    prices_mp: Annotated[list[Annotated[int, Field(ge=0, le=32_767)]], Field(min_length=1, max_length=80)]
    first_block_price: Annotated[int, Field(ge=2, le=255)]
    blocks: Annotated[int, Field(ge=1, le=8)]
    block_step: Annotated[int, Field(ge=1, le=64)]
    block_masks: list[str]
    standing_charge_mp: Annotated[int, Field(ge=0, le=32_767)]
    standing_period_s: Annotated[int, Field(ge=60, le=31_622_400)]
    collections: list[tuple[str, str, Annotated[str, StringConstraints(pattern=r"^[01]{3}$")]]]
    recovery: Annotated[
        list[Literal["payment_debt", "accumulated_debt", "emergency_credit"]], AfterValidator(_distinct)
    ]
    reconnection: Literal["arm", "automatic"]
    over_balance: Literal["refuse", "clip"]
    clears: list[Literal["balance", "debts"]]
    valve_test_s: Annotated[int, Field(ge=0, le=3600)] = 0
    valve_test_flow_l_h: Annotated[int, Field(ge=0, le=10_000)] = 0


class Display(Strict):
    """What is in front of people: screens by name with their templates, the one at rest first.

    A screen of several lines is a list. An empty template takes a screen away. ``credit_screen`` are those of a meter
    in credit mode.
    """

    entry_timeout_s: Annotated[int, Field(ge=1, le=3600)]
    screen_time_s: Annotated[int, Field(ge=1, le=3600)]
    screen: Annotated[dict[str, str | list[str]], Field(min_length=1)]
    credit_screen: dict[str, str | list[str]] = Field(default_factory=dict[str, str | list[str]])


class InHome(Strict):
    """A display of the HAN: how often meters are to report to it, and what can be done at it.

    It asks for prices, messages and the time every ``refresh_s``; a meter that has not been heard for ``stale_s`` is
    shown with ``stale_mark``; after ``answer_s`` an answer is missing. At ``gas_screens`` keys mean the gas meter.
    ``notice`` has what is shown of what was asked of a meter; see :class:`emulator.firmware.Notice` for the names.
    """

    report_period_s: Annotated[int, Field(ge=1, le=3600)]
    refresh_s: Annotated[int, Field(ge=10, le=86_400)]
    stale_s: Annotated[int, Field(ge=1, le=86_400)]
    answer_s: Annotated[int, Field(ge=1, le=86_400)]
    stale_mark: Annotated[str, StringConstraints(max_length=16, pattern=r"^[ -~]*$")]
    abilities: Annotated[list[Literal["top_up", "arm", "emergency_credit"]], AfterValidator(_distinct)]
    gas_screens: Annotated[list[str], AfterValidator(_distinct)]
    notice: dict[str, str]


class OutcomeTable(Strict):
    """What a make does about one outcome of a token: the display's text, and action-result and status of class 115."""

    display: str
    action_result: Octet
    status: Annotated[int, Field(ge=0, le=8)]


class Token(Strict):
    """How a meter takes tokens. ``originator`` is the issuer's identifier, 8 octets in hexadecimal."""

    scheme: str
    originator: Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{16}$")]
    history: Annotated[int, Field(ge=1, le=4096)]
    attempts: Annotated[int, Field(ge=0, le=100)]
    lock_first_s: Annotated[int, Field(ge=0, le=86_400)]
    lock_factor: Annotated[int, Field(ge=1, le=10)]
    lock_longest_s: Annotated[int, Field(ge=0, le=604_800)]
    outcome: dict[str, OutcomeTable]


class Association(Strict):
    """One application association.

    ``rights`` names another association: what an access group grants that one, it grants this one too, unless the group
    names it itself.
    """

    client: Annotated[int, Field(ge=1, le=127)]
    logical_name: str
    mechanism: Mechanism
    contexts: list[Context]
    conformance: list[Service]
    max_receive_pdu: Annotated[int, Field(ge=64, le=65535)]
    max_send_pdu: Annotated[int, Field(ge=64, le=65535)]
    security_setup: str | None = None
    policy: Octet = 0
    suite: Annotated[int, Field(ge=0, le=2)] = 0
    challenge_octets: Annotated[int, Field(ge=8, le=64)] = 16
    rights: str | None = None


class GrantTable(Strict):
    """What an association may do with the objects of an access group, by attribute and method name."""

    get: Names = Field(default_factory=list[str])
    set: Names = Field(default_factory=list[str])
    action: Names = Field(default_factory=list[str])
    authenticated: bool = False


class Object(BaseModel):
    """One COSEM object, or several where its logical name holds a range such as ``{1..8}``.

    Keys beside these are attribute values by their Blue Book name; with ``source = "stored"`` the object is of any
    class and only keeps ``attribute_2`` and so on (:mod:`emulator.cosem.classes.stored`). ``trigger``, ``columns``,
    ``period_s``, ``capacity`` and ``sort_method`` (1 oldest first, 2 newest first) are for class 7. ``copies`` are for
    class 9000: what takes over with the passive value, each a class, the logical names of what is copied and where to,
    and an attribute.
    """

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    class_id: Annotated[int, Field(alias="class", ge=1, le=65535)]
    version: Annotated[int, Field(ge=0, le=255)] = 0
    title: str
    access: str
    source: str = ""
    trigger: Literal["period", "day", "month", "event", "account"] | None = None
    columns: list[tuple[int, str, int] | tuple[int, str, int, int]] | None = None
    period_s: Annotated[int, Field(ge=0, le=31_622_400)] = 0
    capacity: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    sort_method: Literal[1, 2] = 1
    copies: list[tuple[int, str, str, int]] = Field(default_factory=list[tuple[int, str, str, int]])

    @property
    def values(self) -> dict[str, Any]:
        """Attribute values by name."""
        return dict(self.model_extra or {})


class Flag(Strict):
    """A bit of the error or alarm register, set by an event; events in ``until`` end its cause and clear it."""

    bit: Annotated[int, Field(ge=0, le=31)]
    until: list[str] = Field(default_factory=list[str])


class Alert(Strict):
    """Alerts that an event brings about: their codes, and the push setup (class 40) by which clients are told."""

    codes: Annotated[list[Annotated[int, Field(ge=0, le=65535)]], Field(min_length=1, max_length=4)]
    push: str


class Quirks(Strict):
    """Where the make departs from the standard; see :class:`emulator.firmware.Quirks`."""

    closes_on_bad_counter: bool = False
    ignores_release: bool = False
    silent_before_association: bool = False
    empty_title: bool = False


class StaticText(Strict):
    """Text of an attribute that never changes."""

    text: Annotated[str, StringConstraints(max_length=32, pattern=r"^[ -~]*$")]


class ZigbeeEndpoint(Strict):
    """One endpoint; clusters by name (``metering``), ``profile`` where it is not that of the others."""

    number: Annotated[int, Field(ge=1, le=240)]
    profile: Short | None = None
    device: Short
    version: Annotated[int, Field(ge=0, le=15)] = 0
    servers: Annotated[list[str], AfterValidator(_distinct)]
    clients: Annotated[list[str], AfterValidator(_distinct)]


class Zigbee(Strict):
    """The Zigbee application: endpoints, and what stands behind the attributes of each server, by cluster and name.

    An attribute is a quantity's name, a number, or ``{ text = ".." }``. ``push`` names those that a sleeping meter
    pushes to its mirror at each wake-up. See :class:`emulator.firmware.ZigbeeSettings`.
    """

    manufacturer: Short
    profile: Short
    accept: Literal["strict", "lenient"]
    report_to: Literal["bindings", "configurer"]
    report_look_s: Annotated[int, Field(ge=1, le=3600)]
    transfer_octets: Annotated[int, Field(ge=64, le=4096)]
    endpoint: list[ZigbeeEndpoint]
    attributes: dict[str, dict[str, int | str | StaticText]]
    push: dict[str, Annotated[list[str], AfterValidator(_distinct)]] = Field(default_factory=dict[str, list[str]])
    mirror_endpoint: Annotated[int, Field(ge=0, le=240)] = 0
    tunnels: Annotated[int, Field(ge=0, le=16)] = 0
    tunnel_client: Annotated[int, Field(ge=0, le=127)] = 0


class Profile(Strict):
    """A firmware profile file, after what it extends has been laid under it."""

    identity: Identity
    provenance: dict[str, Provenance]
    clock: ClockTable
    boot_s: Annotated[float, Field(ge=0, le=3600)]
    access: dict[str, dict[str, GrantTable]]
    association: dict[str, Association]
    object: dict[str, Object]
    log: dict[str, dict[str, Annotated[int, Field(ge=0, le=65535)]]] = Field(default_factory=dict[str, dict[str, int]])
    error: dict[str, Flag] = Field(default_factory=dict[str, Flag])
    alarm: dict[str, Flag] = Field(default_factory=dict[str, Flag])
    alert: dict[str, Alert] = Field(default_factory=dict[str, Alert])
    quirks: Quirks = Quirks()
    nvm: Nvm = Nvm()
    power: Power = Power()
    wan: Hdlc | None = None
    local: Hdlc | None = None
    optical: Optical | None = None
    image: Image | None = None
    supply: Supply | None = None
    metering: Metering | None = None
    sleep: Sleep | None = None
    joining: Joining | None = None
    han: Han | None = None
    radio: Radio | None = None
    logical: Logical | None = None
    prepayment: Prepayment | None = None
    display: Display | None = None
    in_home: InHome | None = None
    token: Token | None = None
    zigbee: Zigbee | None = None
