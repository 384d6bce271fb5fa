"""A site's keys: of each meter's tokens, and of the associations through which tokens are delivered.

They are files in the site's folder that only their owner may read, written at the site by ``smets1 utrn enrol``. No key
is ever put in the log, sent on the link, or shown in an answer, a log line, the audit or an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import TypeAdapter, ValidationError

from protocols.errors import ProtocolError
from protocols.tokens.schemes import find
from rigs.config import ConfigError
from rigs.services.s1sp.config import read_secret, write_secret
from rigs.services.s1sp.records import RecordError, meter_of
from rigs.system_errors import reason

if TYPE_CHECKING:
    from protocols.tokens.scheme import TokenScheme

_CODES = TypeAdapter(dict[str, list[str]])

TOKEN_KEYS = "token-keys.json"
DLMS_KEYS = "dlms-keys.json"


@dataclass(frozen=True, slots=True)
class MeterKey:
    """What makes a meter's tokens: the scheme's name, the secret shared with the meter, the issuer's identifier."""

    scheme: str
    secret: bytes = field(repr=False)
    originator: bytes

    def check(self, meter: str) -> str:
        """Three octets in hexadecimal that tell this key from others and say nothing of it."""
        text = f"smets1 utrn key check/{self.scheme}/{self.originator.hex()}/{meter}/".encode()
        return hashlib.sha256(text + self.secret).hexdigest()[:6]


@dataclass(frozen=True, slots=True)
class DlmsKey:
    """What opens the association of a meter, or of its mirror at the hub, in which tokens are entered."""

    client: int
    server: int
    mechanism: int
    ciphered: bool
    suite: int
    secret: bytes = field(repr=False)
    encryption: bytes = field(repr=False)
    authentication: bytes = field(repr=False)
    codes: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    """What the make means by ``action-result/status of the gateway``: outcomes of a token, by their names."""


class KeyStore:
    """The keys in a site's folder; files that have changed are read again. Errors are ConfigErrors without keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, tuple[tuple[int, int], dict[str, object]]] = {}
        self._schemes: dict[str, tuple[MeterKey, TokenScheme]] = {}

    def key(self, meter: str) -> MeterKey | None:
        """A meter's key, None without one."""
        entry = self._content(TOKEN_KEYS).get(meter)
        if entry is None:
            return None
        where = f"{self.folder / TOKEN_KEYS}: {meter}"
        return MeterKey(
            _text(where, entry, "scheme"), _octets(where, entry, "secret"), _octets(where, entry, "originator")
        )

    def scheme(self, meter: str) -> TokenScheme | None:
        """The scheme of a meter with its key in it, None without a key."""
        key = self.key(meter)
        if key is None:
            return None
        known = self._schemes.get(meter)
        if known is not None and known[0] == key:
            return known[1]
        try:
            made = find(key.scheme)(key.secret, key.originator, bytes.fromhex(meter))
        except (ProtocolError, ValueError, LookupError, ImportError):
            # Whatever the scheme says may hold the key.
            raise ConfigError(
                f"{self.folder / TOKEN_KEYS}: {meter}: the key does not suit scheme {key.scheme}, or there is none"
            ) from None
        self._schemes[meter] = key, made
        return made

    def meters(self) -> list[str]:
        """Meters that there are token keys of."""
        return list(self._content(TOKEN_KEYS))

    def dlms(self, meter: str) -> DlmsKey | None:
        """Keys to deliver tokens with, None without."""
        entry = self._content(DLMS_KEYS).get(meter)
        if entry is None:
            return None
        where = f"{self.folder / DLMS_KEYS}: {meter}"
        values = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        numbers = [values.get(name) for name in ("client", "server", "mechanism", "suite")]
        if not all(isinstance(number, int) for number in numbers):
            raise ConfigError(f"{where}: client, server, mechanism and suite are numbers")
        client, server, mechanism, suite = cast("list[int]", numbers)
        return DlmsKey(
            client=client,
            server=server,
            mechanism=mechanism,
            ciphered=bool(values.get("ciphered")),
            suite=suite,
            secret=_octets(where, entry, "secret"),
            encryption=_octets(where, entry, "encryption"),
            authentication=_octets(where, entry, "authentication"),
            codes=_codes(where, values.get("codes", {})),
        )

    def write(self, keys: Mapping[str, MeterKey], dlms: Mapping[str, DlmsKey]) -> None:
        """Add keys to the files, in place of those of the same meters."""
        tokens = {
            meter: {"scheme": key.scheme, "secret": key.secret.hex(), "originator": key.originator.hex()}
            for meter, key in keys.items()
        }
        associations = {
            meter: {
                "client": key.client,
                "server": key.server,
                "mechanism": key.mechanism,
                "ciphered": key.ciphered,
                "suite": key.suite,
                "secret": key.secret.hex(),
                "encryption": key.encryption.hex(),
                "authentication": key.authentication.hex(),
                "codes": dict(key.codes),
            }
            for meter, key in dlms.items()
        }
        for name, added in ((TOKEN_KEYS, tokens), (DLMS_KEYS, associations)):
            if added:
                write_secret(self.folder / name, json.dumps({**self._content(name), **added}, indent=1) + "\n")

    def _content(self, name: str) -> dict[str, object]:
        path = self.folder / name
        try:
            status = path.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(f"{path}: {reason(error)}") from None
        stamp = status.st_mtime_ns, status.st_ino
        known = self._read.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            content: object = json.loads(read_secret(path))
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: a JSON object of keys by meter; write it with: smets1 utrn enrol")
        entries = cast("dict[str, object]", content)
        for meter in entries:
            try:
                proper = meter_of(meter) == meter
            except RecordError:
                proper = False
            if not proper:
                raise ConfigError(f"{path}: {meter[:40]}: a meter is 16 hexadecimal digits in upper case")
        self._read[name] = stamp, entries
        return entries


def _text(where: str, entry: object, name: str) -> str:
    value = cast("dict[str, object]", entry).get(name) if isinstance(entry, dict) else None
    if not isinstance(value, str):
        raise ConfigError(f"{where}: {name} is missing, or no text")
    return value


def _codes(where: str, value: object) -> dict[str, list[str]]:
    try:
        return _CODES.validate_python(value, strict=True)
    except ValidationError:
        raise ConfigError(f"{where}: codes is an object of lists of texts") from None


def _octets(where: str, entry: object, name: str) -> bytes:
    try:
        return bytes.fromhex(_text(where, entry, name))
    except ValueError:
        raise ConfigError(f"{where}: {name} is not hexadecimal") from None
