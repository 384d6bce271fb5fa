"""What a person can say to ``smets1 read``, turned into a client's options. Errors name the option."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from protocols import obis
from protocols.dlms.client import ClientSecurity, ClientSettings, client_counters
from protocols.dlms.datetime import DEVIATION_UNSPECIFIED, days_of, pack
from protocols.dlms.enums import Mechanism
from protocols.dlms.security import Envelope, Keys
from protocols.errors import LocalProtocolError
from protocols.hdlc import Parameters
from rigs.client import ClientError, ClientOptions
from rigs.system_errors import reason

Chosen = TypeVar("Chosen")

AUTHENTICATION = {
    "none": Mechanism.NONE,
    "lls": Mechanism.LLS,
    "hls": Mechanism.HLS,
    "md5": Mechanism.HLS_MD5,
    "sha1": Mechanism.HLS_SHA1,
    "gmac": Mechanism.HLS_GMAC,
    "sha256": Mechanism.HLS_SHA256,
    "ecdsa": Mechanism.HLS_ECDSA,
}
PROTECTION = {"authenticated": 0x10, "encrypted": 0x20, "both": 0x30}
DEFAULT_TITLE = "48494C0000000001"
"""Our system title unless one is given: HIL and a number."""
SECONDS_2000 = days_of(2000, 1, 1) * 86_400


class Output(Enum):
    """How the answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options of ``smets1 read``, as text where a person writes text.

    ``what`` is ``list`` for the object list, else ``[class/]logical name[:attribute]`` such as ``1-0:1.8.0:2``; without
    an attribute it is the rows of a profile and all readable attributes of any other object. ``since``, ``until`` (ISO
    date and time, the meter's local time unless an offset is given) and ``entries`` (``1-48``) pick rows of a profile.

    ``client`` and ``server`` are SAPs. ``auth`` is one of :data:`AUTHENTICATION`; ``password`` the LLS password or HLS
    secret (``hex:`` before hexadecimal); ``key``, ``auth_key`` and ``system_title`` hexadecimal; a ``key`` asks for the
    ciphered context unless ``plain``. ``counter_object`` names the object with our last invocation counter, which the
    public client reads first; without it the counter that the meter tells in its refusal is used.
    """

    what: str = "list"
    client: int = 16
    server: int = 1
    auth: str = "none"
    password: str = ""
    key: str = ""
    auth_key: str = ""
    system_title: str = DEFAULT_TITLE
    suite: int = 0
    protection: str = "both"
    envelope: str = Envelope.GLO.value
    dedicated: bool = False
    plain: bool = False
    counter: int = 0
    counter_object: str = ""
    signing_key: Path | None = None
    meter_key: Path | None = None
    since: str = ""
    until: str = ""
    entries: str = ""
    output: Output = Output.TABLE
    timeout: float = 10.0
    physical: int | None = None
    address_octets: int | None = None
    frame_size: int = 128
    window: int = 1
    baud: int = 9600
    meter_address: str = ""
    block_window: int = 0
    max_pdu: int = 0xFFFF

    def client_options(self) -> ClientOptions:
        """Raises ClientError that names the option."""
        try:
            settings = ClientSettings(
                mechanism=_choice("--auth", self.auth, AUTHENTICATION),
                secret=_secret(self.password),
                security=self._security() if self._needs_keys else None,
                max_receive_pdu=self.max_pdu,
                block_window=self.block_window,
                recover_counter=True,
            )
        except LocalProtocolError as error:
            raise ClientError(str(error)) from error
        try:
            hdlc = Parameters(self.frame_size, self.frame_size, self.window, self.window)
        except ValueError as error:
            raise ClientError(f"--frame-size, --window: {error}") from error
        return ClientOptions(
            client=self.client,
            server=self.server,
            settings=settings,
            timeout=self.timeout,
            physical=self.physical,
            address_octets=self.address_octets,
            hdlc=hdlc,
            baud=self.baud,
            meter_address=self.meter_address,
            frame_counter=logical_name("--counter-object", self.counter_object) if self.counter_object else None,
        )

    @property
    def _needs_keys(self) -> bool:
        return bool(self.key) or self.auth in ("gmac", "sha256", "ecdsa")

    def _security(self) -> ClientSecurity:
        octets = 32 if self.suite == 2 else 16
        # SHA-256 and ECDSA without ciphering use no keys of AES; those that are not given stay zero.
        ciphered = bool(self.key) and not self.plain
        if self.auth == "gmac" and not self.key:
            raise ClientError("--key: GMAC needs the encryption key, in hexadecimal")
        return ClientSecurity(
            system_title=_hexadecimal("--system-title", self.system_title, 8),
            keys=Keys(
                _hexadecimal("--key", self.key, octets) if self.key else bytes(octets),
                _hexadecimal("--auth-key", self.auth_key, octets) if self.auth_key else bytes(octets),
            ),
            suite=self.suite,
            ciphered=ciphered,
            protection=_choice("--protection", self.protection, PROTECTION),
            envelope=_choice("--envelope", self.envelope, {item.value: item for item in Envelope}),
            dedicated=self.dedicated,
            counters=client_counters(self.counter),
            signing=_private_key(self.signing_key),
            peer_verifying=_public_key(self.meter_key),
        )

    def entry_range(self) -> tuple[int, int] | None:
        """First and last row asked for, from 1; last 0 means all from the first on. Raises ClientError."""
        if not self.entries:
            return None
        first, dash, last = self.entries.partition("-")
        try:
            start = int(first) if first else 1
            end = (int(last) if last else 0) if dash else start
        except ValueError:
            start, end = 0, 0
        if start < 1 or (end and end < start):
            raise ClientError(f"--entries {self.entries}: rows from 1, such as 1-48, 100- or 7")
        return start, end

    def time_range(self) -> tuple[datetime, datetime] | None:
        """From and to of the rows asked for; None without either. Raises ClientError."""
        if not self.since and not self.until:
            return None
        start = _instant("--from", self.since) if self.since else datetime(2000, 1, 1)
        end = _instant("--to", self.until) if self.until else datetime(2099, 12, 31, 23, 59, 59)
        return start, end


def date_time_octets(instant: datetime) -> bytes:
    """The twelve octets of a date and time; one without an offset has an unspecified deviation."""
    offset = instant.utcoffset()
    local = int((instant.replace(tzinfo=None) - datetime(1970, 1, 1)) / timedelta(seconds=1))
    deviation = DEVIATION_UNSPECIFIED if offset is None else -int(offset / timedelta(minutes=1))
    return pack(local, instant.microsecond // 10_000, deviation)


def utc_seconds(instant: datetime) -> int:
    """Seconds of UTC since 2000; a time without an offset counts as UTC. Those before 2000 are 0."""
    offset = instant.utcoffset() or timedelta()
    since = instant.replace(tzinfo=None) - offset - datetime(1970, 1, 1)
    return min(max(0, int(since / timedelta(seconds=1)) - SECONDS_2000), 0xFFFFFFFF)


def logical_name(option: str, text: str) -> bytes:
    """Six octets of a logical name as people write it; ClientError that names the option."""
    try:
        return obis.parse(text)
    except ValueError as error:
        raise ClientError(f"{option}: {error}") from None


def _choice(option: str, given: str, allowed: dict[str, Chosen]) -> Chosen:
    found = allowed.get(given.lower())
    if found is None:
        raise ClientError(f"{option} {given}: one of {', '.join(allowed)}")
    return found


def _hexadecimal(option: str, text: str, octets: int) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != octets:
        raise ClientError(f"{option}: {octets} octets in hexadecimal, that is {2 * octets} digits")
    return value


def _secret(text: str) -> bytes:
    if not text.startswith("hex:"):
        return text.encode()
    try:
        return bytes.fromhex(text.removeprefix("hex:"))
    except ValueError:
        raise ClientError("--password: hexadecimal digits after hex:") from None


def _instant(option: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ClientError(f"{option} {text}: a date or time such as 2026-03-01 or 2026-03-01T12:30+00:00") from None


def _private_key(path: Path | None) -> EllipticCurvePrivateKey | None:
    if path is None:
        return None
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ClientError(f"--signing-key {path}: {_first_line(error)}") from None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ClientError(f"--signing-key {path}: not a key of an elliptic curve")
    return key


def _public_key(path: Path | None) -> EllipticCurvePublicKey | None:
    if path is None:
        return None
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ClientError(f"--meter-key {path}: {_first_line(error)}") from None
    if not isinstance(key, EllipticCurvePublicKey):
        raise ClientError(f"--meter-key {path}: not a key of an elliptic curve")
    return key


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError):
        return reason(error)
    return "no PEM file with an unencrypted key"
