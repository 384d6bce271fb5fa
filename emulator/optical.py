"""The optical port of a meter: IEC 62056-21 sign-on in front of HDLC, and the registers it reads out as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hmac import compare_digest
from typing import TYPE_CHECKING

from emulator.firmware import BAUD_RATES, HdlcSettings, OpticalSettings
from emulator.ports import HdlcStack
from emulator.telling import Layer, at
from emulator.time import MILLISECOND, SECOND
from protocols.dlms import axdr, datetime
from protocols.dlms.axdr import Data
from protocols.dlms.objects import AccessRefused
from protocols.hdlc import Link
from protocols.iec62056_21 import BAUD_CODES, Meter, MeterSettings
from protocols.iec62056_21.message import MAX_ADDRESS, printable

if TYPE_CHECKING:
    from emulator.cosem.model import BoundAttribute
    from emulator.device import Device
    from emulator.logical_device import LogicalDevice

FLAG = 0x7E
_SLASH = 0x2F
LOCAL_PORT_CLASS = 19
DEFAULT_MODE, DEFAULT_BAUD, PROPOSED_BAUD, RESPONSE_TIME, DEVICE_ADDRESS, PASS_P1, PASS_P2 = range(2, 9)
"""Attributes of the local port set-up (class 19)."""
HDLC_DIRECT = 1
"""default_mode of a port that has HDLC on it before any sign-on."""

_SIGN_ON_CHARACTER = "7E1"
_UNCONNECTED = 120 * SECOND  # HDLC without a link falls back after this, where no inactivity time-out is set
_SCALER_UNIT = {3: 3, 4: 3, 5: 4}  # attribute by class
_UNITS = {13: "m3", 27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 35: "V", 44: "Hz"}
_IN_THOUSANDS = frozenset(("W", "VA", "var", "Wh", "VAh", "varh"))  # read out as kW and so on, with three decimals
_TIME_OCTETS = 12
_TIME_SIZE = 2 + _TIME_OCTETS  # encoded, as an octet-string
_TEXT_VALUE = 32  # longest value of a data set (IEC 62056-21, 6.5)


class Registers:
    """What the optical port says as text: the profile's readout list and the addresses it has for programming mode.

    Energy and power are in thousands of their unit with three decimals, other registers in their unit with the decimals
    of their scaler, times as ``2026-01-31 12:00:00``, octets as text where they are printable and as hexadecimal where
    not. Writing needs a password; it takes text, whole numbers and times as they are read. There is nothing to execute.
    """

    __slots__ = ("_device", "_settings")

    def __init__(self, device: Device, settings: OpticalSettings) -> None:
        self._device = device
        self._settings = settings

    def readout(self) -> Iterable[tuple[str, str]]:
        """Address and value of each register of the readout list that this model has."""
        self._device.settle()
        for address, logical_name, index in self._settings.readout:
            value = self._value(logical_name, index)
            if value is not None:
                yield address, value

    def read(self, address: str, formatted: bool) -> str | None:
        """The value behind an address of programming mode, None without one; both formats are the same text."""
        del formatted
        place = self._settings.programming.get(address)
        self._device.settle()
        return None if place is None else self._value(*place)

    def write(self, address: str, value: str, level: int) -> bool:
        """Set what is behind an address; False without a password, for no such address or a value it cannot take."""
        place = self._settings.programming.get(address)
        if place is None or not level:
            return False
        logical_name, index = place
        item = self._device.firmware.model.objects_by_name.get(logical_name)
        attribute = item.attributes.get(index) if item is not None else None
        if item is None or attribute is None or attribute.write is None:
            return False
        self._device.settle()
        try:
            encoded = _encoded(attribute, value)
            self._device.internal.write(_descriptor(item.class_id, logical_name, index), encoded)
        except (ValueError, AccessRefused):
            return False
        return self._device.commit()

    def password(self, level: int, given: str) -> bool:
        """Whether ``given`` is the password of that level in the local port set-up; an empty one lets nobody in."""
        wanted = port_setting(self._device, PASS_P1 if level == 1 else PASS_P2)
        right = isinstance(wanted, bytes) and wanted != b"" and compare_digest(wanted, given.encode("ascii", "replace"))
        if not right:
            self._device.record("authentication_failed")
        return right

    def execute(self, address: str, value: str) -> bool:
        """No command can be executed."""
        return False

    def _value(self, logical_name: bytes, index: int) -> str | None:
        item = self._device.firmware.model.objects_by_name.get(logical_name)
        if item is None:
            return None
        read = self._device.internal.read
        try:
            data = axdr.decode_all(read(_descriptor(item.class_id, logical_name, index)))
        except AccessRefused:
            return None
        scaler_index = _SCALER_UNIT.get(item.class_id)
        if scaler_index is None or not isinstance(data.value, int):
            return _text(data)
        scaler_unit = axdr.decode_all(read(_descriptor(item.class_id, logical_name, scaler_index))).value
        assert isinstance(scaler_unit, tuple)
        scaler, unit = scaler_unit
        assert isinstance(scaler, Data) and isinstance(unit, Data)
        assert isinstance(scaler.value, int) and isinstance(unit.value, int)
        return _register_text(data.value, scaler.value, _UNITS.get(unit.value, ""))


class OpticalStack(HdlcStack):
    """Sign-on until a reader chooses HDLC (mode E) or, where the profile has it, starts it with a flag; then HDLC.

    When the link is released or times out, the port goes back to sign-on. A local port set-up (class 19) whose
    default_mode is 1 keeps the port in HDLC.
    """

    __slots__ = ("_doubtful", "_hdlc", "_optical", "_unconnected", "meter")

    def __init__(
        self,
        device: Device,
        served: Mapping[int, LogicalDevice],
        settings: HdlcSettings,
        optical: OpticalSettings,
    ) -> None:
        super().__init__(device, served, settings)
        self._optical = optical
        self._hdlc = False
        self._doubtful = False  # HDLC began with a flag and no link has followed
        self._unconnected: int | None = None  # when HDLC without a link gives up
        self.meter = self._make_meter()
        self._rest()

    def receive(self, data: bytes, now: int) -> bytes:
        if self._hdlc:
            if not self._awake and self.silent:
                return self._unheard(len(data))
            if self._doubtful and data and data[0] & 0x7F == _SLASH:
                # What looked like HDLC may have been noise: a request for sign-on is heard until there is a link.
                self._rest(now)
                return self.receive(data, now)
            self.send_character = "8N1"
            out = self.station.receive(data, now)
            if not self._handlers:
                self._settle(now)
            return out
        if not data:
            return b""
        if self.silent:
            return self._unheard(len(data))
        meter = self.meter
        if self._optical.direct_hdlc and meter.idle and data[0] == FLAG:
            self._enter_hdlc(self.hdlc_baud, now)
            self._doubtful = True
            self.bauds = frozenset((self.hdlc_baud, meter.baud))
            self.characters = frozenset((_SIGN_ON_CHARACTER, "8N1"))
            return self.receive(data, now)
        out = meter.receive(data, now)
        self._follow()
        if meter.handed_over:
            leftover = meter.leftover
            self._enter_hdlc(meter.baud, now)
            self.send_character = _SIGN_ON_CHARACTER
            if leftover:
                out += self.receive(leftover, now)
        return out

    def next_timeout(self) -> int | None:
        if not self._hdlc:
            return self.meter.next_timeout()
        due, unconnected = self.station.next_timeout(), self._unconnected
        if due is None or unconnected is None:
            return unconnected if due is None else due
        return min(due, unconnected)

    def timeout(self, now: int) -> None:
        if self._hdlc:
            super().timeout(now)
            if self._unconnected is not None and now >= self._unconnected:
                self._unconnected = None
                self._say("nobody connected: back to sign-on")
                self._rest(now)
            elif not self._handlers:
                self._settle(now)
            return
        out = self.meter.timeout(now)
        self._follow()
        if out and not self.silent:
            self.transmit(out)

    def press(self, now: int) -> None:
        """The readout button of a mode D meter, at line time ``now``; LocalProtocolError in other modes."""
        out = self.meter.press(now)
        if not self.silent:
            self.transmit(out)

    def forget(self) -> None:
        super().forget()
        self._rest()

    def reset(self) -> None:
        super().reset()
        self.meter = self._make_meter()
        self.meter.explain = at(Layer.SIGN_ON, self.explain)
        self._rest()

    def _explain_by(self, explain: Callable[[str], None] | None) -> None:
        super()._explain_by(explain)
        self.meter.explain = at(Layer.SIGN_ON, explain)

    def connected(self, link: Link) -> None:
        self._unconnected = None
        if self._doubtful:
            self._doubtful = False
            self._listen_to_hdlc()
        super().connected(link)

    # -- sign-on and HDLC -------------------------------------------------------------------------------------------

    def _make_meter(self) -> Meter:
        meter = Meter(applied(self.device, self._optical), Registers(self.device, self._optical))
        meter.counters = self.counters
        return meter

    def _settle(self, now: int) -> None:
        """There is no link: with the last one gone the port goes back to sign-on, before the first it waits."""
        if self._unconnected is None:
            self._rest(now)
        else:
            self._unconnected = now + self._patience

    @property
    def _patience(self) -> int:
        return self.station.inactivity_timeout or _UNCONNECTED

    def _rest(self, now: int = 0) -> None:
        """The port as it is between sessions. The answer to what ended the last one still goes at its rate."""
        if port_setting(self.device, DEFAULT_MODE) == HDLC_DIRECT:
            self._hdlc = True
            self._unconnected = None
            self.baud = self.send_baud = self.hdlc_baud
            self._listen_to_hdlc()
            return
        sent_at = self.send_baud, self.send_character
        self._hdlc = self._doubtful = False
        self._unconnected = None
        self.meter.reset(now)
        self._follow()
        self.send_baud, self.send_character = sent_at

    def _enter_hdlc(self, baud: int, now: int) -> None:
        self._hdlc = True
        self._unconnected = now + self._patience
        self.baud = self.send_baud = baud
        self._listen_to_hdlc()

    def _listen_to_hdlc(self) -> None:
        self.bauds = frozenset((self.baud,))
        self.character = self.send_character = "8N1"
        self.characters = frozenset(("8N1",))
        self.turnaround = self._settings.turnaround

    def _follow(self) -> None:
        """The line is set as the sign-on side has it; a port that takes HDLC directly also hears that."""
        meter = self.meter
        self.baud, self.send_baud = meter.baud, meter.send_baud
        self.character = self.send_character = meter.character
        self.turnaround = meter.turnaround
        if self._optical.direct_hdlc and meter.idle:
            self.bauds = meter.bauds | {self.hdlc_baud}
            self.characters = frozenset((meter.character, "8N1"))
        else:
            self.bauds = meter.bauds
            self.characters = frozenset((meter.character,))

    def _say(self, text: str) -> None:
        explain = at(Layer.SIGN_ON, self.explain)
        if explain is not None:
            explain(text)


def sign_on(optical: OpticalSettings) -> MeterSettings:
    """How a meter of a profile signs on as delivered; LocalProtocolError for what IEC 62056-21 does not allow."""
    return MeterSettings(
        mode=optical.mode,
        flag_id=optical.flag_id,
        identification=optical.identification,
        baud_code=optical.baud_code,
        mode_e=optical.mode_e,
        fast_reaction=optical.fast_reaction,
        reaction_time=optical.reaction_time,
    )


def applied(device: Device, optical: OpticalSettings) -> MeterSettings:
    """How a device signs on, with what its local port set-up (class 19) holds laid over the profile's settings."""
    settings = sign_on(optical)
    address, initial = port_setting(device, DEVICE_ADDRESS), port_setting(device, DEFAULT_BAUD)
    proposed, response = port_setting(device, PROPOSED_BAUD), port_setting(device, RESPONSE_TIME)
    if isinstance(address, bytes):
        settings = replace(settings, address=printable(address.decode("ascii", "replace"))[:MAX_ADDRESS])
    if isinstance(initial, int) and initial < len(BAUD_RATES) and settings.mode != "D":
        settings = replace(settings, initial_baud=BAUD_RATES[initial])
    if isinstance(proposed, int) and str(proposed) in BAUD_CODES and settings.mode == "C":
        settings = replace(settings, baud_code=str(proposed))
    if isinstance(response, int) and (response == 0) != optical.fast_reaction:
        fast = response == 0
        settings = replace(settings, fast_reaction=fast, reaction_time=(20 if fast else 200) * MILLISECOND)
    return settings


def port_setting(device: Device, index: int) -> object:
    """An attribute of the device's local port set-up (class 19), None for a device without one."""
    found = device.firmware.model.by_class.get(LOCAL_PORT_CLASS)
    if not found:
        return None
    return axdr.decode_all(device.internal.read(_descriptor(LOCAL_PORT_CLASS, found[0].logical_name, index))).value


def _descriptor(class_id: int, logical_name: bytes, index: int) -> bytes:
    return class_id.to_bytes(2, "big") + logical_name + bytes((index,))


# -- values as text -------------------------------------------------------------------------------------------------


def _register_text(value: int, scaler: int, unit: str) -> str:
    if unit in _IN_THOUSANDS:
        scaler, unit = scaler - 3, f"k{unit}"
    sign = "-" if value < 0 else ""
    digits = str(abs(value))
    if scaler < 0:
        digits = digits.rjust(1 - scaler, "0")
        number = f"{digits[:scaler]}.{digits[scaler:]}"
    else:
        number = digits + "0" * scaler
    return f"{sign}{number}*{unit}" if unit else sign + number


def _text(data: Data) -> str:
    value = data.value
    match value:
        case bytes() if len(value) == _TIME_OCTETS and not _is_text(value):
            return _time_text(value)
        case bytes():
            return value.decode("ascii")[:_TEXT_VALUE] if _is_text(value) else value.hex().upper()[:_TEXT_VALUE]
        case str() | int():
            return str(value)[:_TEXT_VALUE]
        case _:
            return axdr.encode(data).hex().upper()[:_TEXT_VALUE]


def _is_text(octets: bytes) -> bool:
    return octets.isascii() and octets.decode("ascii").isprintable()


def _time_text(octets: bytes) -> str:
    year, month, day = int.from_bytes(octets[:2], "big"), octets[2], octets[3]
    return f"{year:04}-{month:02}-{day:02} {octets[5]:02}:{octets[6]:02}:{octets[7]:02}"


def _encoded(attribute: BoundAttribute, text: str) -> bytes:
    """``text`` as a value of the attribute; ValueError when it is none."""
    expected = attribute.type
    if expected.fixed_size == _TIME_SIZE:
        return expected.encode(_time_octets(text))
    try:
        return expected.encode(int(text))
    except ValueError:
        return expected.encode(text)


def _time_octets(text: str) -> bytes:
    date, _, time = text.partition(" ")
    year, month, day = (int(part) for part in date.split("-"))
    hour, minute, second = (int(part) for part in time.split(":"))
    if not (0 < year < 10_000 and 1 <= month <= 12 and 1 <= day <= datetime.days_in_month(year, month)):
        raise ValueError(f"no such day: {date}")
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        raise ValueError(f"no such time: {time}")
    return datetime.pack(datetime.days_of(year, month, day) * datetime.DAY + hour * 3600 + minute * 60 + second)
