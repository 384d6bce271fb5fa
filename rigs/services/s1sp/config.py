"""The file of a UTRN service, ``s1sp.toml``: its three members, their addresses and folders, and who may ask.

Secrets are not in it but in files of their own beside it, which only their owner may read: ``cluster.key`` proves the
members to one another, ``NAME.token`` is a requester's bearer token, and each site's folder has its key stores.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rigs.config import ConfigError, describe
from rigs.services.s1sp.records import RecordError, name_of
from rigs.services.s1sp.state import Timing
from rigs.services.s1sp.store import STORE, Store
from rigs.system_errors import reason

RANKS = {"primary": 2, "secondary": 1, "witness": 0}
"""The members, and who leads before whom."""
SITES = ("primary", "secondary")
"""Members that have keys and answer requesters."""
SECRET_OCTETS = 32

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253}):(?P<port>[0-9]{1,5})")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def address(text: str) -> tuple[str, int]:
    """Host and port of ``host:port``; raises ValueError."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"]) <= 0xFFFF:
        raise ValueError("host:port, such as 127.0.0.1:7401")
    return found["host"].strip("[]"), int(found["port"])


class MemberConfig(_Model):
    """One member."""

    folder: str = Field(description="Its store and, at a site, its keys; relative to this file")
    link: str = Field(description="host:port where the other members reach it")
    http: str | None = Field(default=None, description="host:port where requesters reach it; sites only")

    @field_validator("link", "http")
    @classmethod
    def _address(cls, text: str | None) -> str | None:
        if text is not None:
            address(text)
        return text


class MembersConfig(_Model):
    """The three."""

    primary: MemberConfig
    secondary: MemberConfig
    witness: MemberConfig


class TimingConfig(_Model):
    """How fast the members are with one another. Shorter times fail over sooner, and more often for nothing."""

    tick_ms: int = Field(default=20, ge=1, le=1000, description="The unit of the others, in ms")
    heartbeat: int = Field(default=3, ge=1, le=1000, description="Ticks between signs of life of the leader")
    election: int = Field(default=25, ge=4, le=100_000, description="Ticks without one before another stands")
    settle: int = Field(default=100, ge=1, le=1_000_000, description="Ticks that a returned primary is watched first")
    answer_s: float = Field(default=5.0, gt=0, le=300, description="Seconds before a requester is told to ask again")

    def replica(self) -> Timing:
        """The same for the replica."""
        return Timing(self.heartbeat, self.election, max(2, self.election // 2), self.settle)


class ServiceConfig(_Model):
    """The file."""

    cluster_key: str = Field(default="cluster.key", description="File of the members' shared secret, in hexadecimal")
    requesters: dict[str, str] = Field(description="Requesters by name: SHA-256 of the bearer token, hexadecimal")
    members: MembersConfig
    timing: TimingConfig = Field(default_factory=TimingConfig)

    @field_validator("requesters")
    @classmethod
    def _requesters(cls, requesters: dict[str, str]) -> dict[str, str]:
        for name, digest in requesters.items():
            try:
                name_of("requester", name)
            except RecordError as error:
                raise ValueError(str(error)) from None
            if _DIGEST.fullmatch(digest) is None:
                raise ValueError(f"{name}: SHA-256 of a bearer token, 64 hexadecimal digits in lower case")
        return requesters


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """A file that has been read, and where it is."""

    config: ServiceConfig
    path: Path

    def member(self, name: str) -> MemberConfig:
        """The member of that name; raises ConfigError."""
        if name not in RANKS:
            raise ConfigError(f"{name}: no member; {', '.join(RANKS)} are")
        return cast("MemberConfig", getattr(self.config.members, name))

    def folder(self, name: str) -> Path:
        """A member's folder."""
        return self.path.parent / self.member(name).folder

    def cluster_key(self) -> bytes:
        """The members' shared secret; raises ConfigError."""
        path = self.path.parent / self.config.cluster_key
        try:
            key = bytes.fromhex(read_secret(path).strip())
        except ValueError:
            key = b""
        if len(key) < SECRET_OCTETS:
            raise ConfigError(f"{path}: at least {SECRET_OCTETS} octets in hexadecimal; `smets1 utrn init` writes one")
        return key


def load_service(path: Path) -> ServiceFile:
    """Read a service's file; raises ConfigError, one line."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {reason(error)}") from None
    try:
        return ServiceFile(ServiceConfig.model_validate(content), path)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error, ServiceConfig)}") from None


def read_secret(path: Path) -> str:
    """The text of a file that only its owner may read; raises ConfigError, also where others may."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not text") from None
    except OSError as error:
        raise ConfigError(f"{path}: {reason(error)}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: holds secrets and others may read it; run: chmod 600 {path}")
    return text


def write_secret(path: Path, text: str) -> None:
    """Put text in place of a file at once, for its owner only, durable on return; raises ConfigError."""
    other = path.with_name(f"{path.name}.new")
    try:
        other.unlink(missing_ok=True)
        with os.fdopen(os.open(other, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        other.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: {reason(error)}") from None


def digest(token: str) -> str:
    """How a bearer token stands in the file."""
    return hashlib.sha256(token.encode()).hexdigest()


_TEMPLATE = """\
# A UTRN service: two sites and a witness. Start each: smets1 utrn site NAME --config {path}
# On machines of their own, give each a copy of this folder with its own member's folder in it.

[requesters]                # who may ask: SHA-256 of each one's bearer token
{requester} = "{digest}"

[members.primary]           # leads whenever it can
folder = "primary"
link = "{host}:{port}"      # for the other members
http = "{host}:{http}"      # for requesters

[members.secondary]
folder = "secondary"
link = "{host}:{port1}"
http = "{host}:{http1}"

[members.witness]           # stores the log, has no keys, answers nobody
folder = "witness"
link = "{host}:{port2}"
"""


def init_service(folder: Path, requester: str = "supplier", host: str = "127.0.0.1", port: int = 7401) -> Path:
    """Write a service that is ready to start: its file, its secrets and its members' folders. The file's path.

    Links are on ``port`` and the two after it, HTTP ten ports further. Raises ConfigError, also where one is already.
    """
    path = folder / "s1sp.toml"
    if path.exists():
        raise ConfigError(f"{path}: is there already; name another folder")
    token = secrets.token_urlsafe(32)
    text = _TEMPLATE.format(
        path=path,
        requester=json.dumps(requester),
        digest=digest(token),
        host=host,
        port=port,
        port1=port + 1,
        port2=port + 2,
        http=port + 10,
        http1=port + 11,
    )
    try:
        for member in RANKS:
            (folder / member).mkdir(parents=True, exist_ok=True, mode=0o700)
            Store(folder / member / STORE, member, make=True).close()
        write_secret(folder / "cluster.key", secrets.token_hex(SECRET_OCTETS) + "\n")
        write_secret(folder / f"{requester}.token", token + "\n")
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{error.filename}: {reason(error)}") from None
    return path
