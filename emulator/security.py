"""Keys, secrets and invocation counters of one association of one device."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, cast

from emulator.cosem.model import AssociationSpec
from emulator.nvm import Image, Saved
from protocols.dlms.keywrap import unwrap
from protocols.dlms.security import COUNTER_MAX, Counters, Keys, SecurityContext

_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class KeyId(IntEnum):
    """key_id of key_transfer (Blue Book, class 64)."""

    GLOBAL_UNICAST = 0
    GLOBAL_BROADCAST = 1
    AUTHENTICATION = 2
    MASTER = 3


class KeyRing:
    """Where a device's keys come from: those a rig file gives, else derived from the rig's seed and the device.

    Names are ``ASSOCIATION.encryption``, ``.authentication``, ``.broadcast``, ``.secret`` and ``master`` (the key
    encryption key, one a device). Derivation is SHA-256, so that a rig with the same seed has the same keys. Derived
    secrets are characters that every client takes as text: 16 of A to Z and 0 to 9.
    """

    __slots__ = ("_given", "_root")

    def __init__(self, seed: int, device_id: str, given: dict[str, bytes] | None = None) -> None:
        self._root = f"{seed}/{device_id}/"
        self._given = given or {}

    def key(self, name: str, octets: int = 16) -> bytes:
        """The key or secret of that name, ``octets`` long unless the rig file gives it."""
        given = self._given.get(name)
        if given is not None:
            return given
        derived = hashlib.sha256((self._root + name).encode()).digest()
        if name.endswith(".secret"):
            return bytes(_CHARACTERS[octet % len(_CHARACTERS)] for octet in derived[:octets])
        return derived[:octets]


WINDOW = 256
"""Invocation counters that are reserved at a time."""


class ReservedCounters(Counters):
    """Counters of which a non-volatile memory holds values that they have not come to yet.

    A device that dies and starts again goes on from what was reserved, up to :data:`WINDOW` further than it was: no
    counter is used twice or accepted twice, and only one message in so many has to wait for the memory. ``reserve`` is
    called when a counter passes what is reserved, with more reserved already, and says whether that is safe; while it
    is not, each message tries again.
    """

    __slots__ = ("_reserve", "reserved")

    def __init__(self, counters: Counters, reserve: Callable[[], bool]) -> None:
        """Go on from ``counters``, which is all that is stored so far."""
        self._reserve = reserve
        self.reserved = {name: cast(int, getattr(counters, name)) for name in Counters.__slots__}
        """What a device that starts again goes on from, by the names of :class:`Counters`."""
        for name, count in self.reserved.items():
            setattr(self, name, count)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in Counters.__slots__ and value > self.reserved[name]:
            self.reserved[name] = min(value + WINDOW, COUNTER_MAX)
            if not self._reserve():
                self.reserved[name] = value

    def anew(self) -> ReservedCounters:
        """Counters of a new key, kept in the same way."""
        return ReservedCounters(Counters(), self._reserve)

    def release(self) -> None:
        """Reserve nothing beyond what was used: the device is about to be stored for the last time."""
        self.reserved = {name: getattr(self, name) for name in self.reserved}


@dataclass(slots=True)
class Mistaken:
    """What a device with a fault takes its keys, secret, policy and counters for; None where it has them right.

    What it really has stays with it, in its non-volatile memory too. ``counters`` makes of the counters that it has
    those that it goes by.
    """

    encryption: bytes | None = None
    authentication: bytes | None = None
    master: bytes | None = None
    secret: bytes | None = None
    policy: int | None = None
    counters: Callable[[Counters], Counters] | None = None


class SecurityState:
    """What one association's security setup (class 64) holds in a device; it outlives every association."""

    __slots__ = (
        "authentication",
        "broadcast",
        "client_title",
        "counters",
        "encryption",
        "master",
        "mistaken",
        "policy",
        "secret",
        "suite",
    )

    def __init__(self, spec: AssociationSpec, ring: KeyRing) -> None:
        octets = 32 if spec.suite == 2 else 16
        self.suite = spec.suite
        self.policy = spec.policy
        self.encryption = ring.key(f"{spec.name}.encryption", octets)
        self.authentication = ring.key(f"{spec.name}.authentication", octets)
        self.broadcast = ring.key(f"{spec.name}.broadcast", octets)
        self.master = ring.key("master", octets)
        self.secret = ring.key(f"{spec.name}.secret")
        self.client_title = b""
        self.counters = Counters()
        self.mistaken: Mistaken | None = None
        """What a fault makes the device go by in place of the above."""

    @property
    def policy_in_force(self) -> int:
        """The security policy that associations are opened with."""
        mistaken = self.mistaken
        return self.policy if mistaken is None or mistaken.policy is None else mistaken.policy

    @property
    def secret_in_force(self) -> bytes:
        """The LLS password or HLS secret that clients have to know."""
        return self._in_force("secret")

    @property
    def counters_in_force(self) -> Counters:
        """The counters that associations go by."""
        counted = None if self.mistaken is None else self.mistaken.counters
        return self.counters if counted is None else counted(self.counters)

    def _in_force(self, name: str) -> bytes:
        believed: bytes | None = None if self.mistaken is None else getattr(self.mistaken, name)
        return cast(bytes, getattr(self, name)) if believed is None else believed

    def context(self, system_title: bytes) -> SecurityContext:
        """A security context for an association that is being opened with these keys."""
        keys = Keys(
            self._in_force("encryption"),
            self._in_force("authentication"),
            broadcast=self.broadcast,
            kek=self._in_force("master"),
        )
        return SecurityContext(
            suite=self.suite,
            system_title=system_title,
            peer_title=self.client_title,
            keys=keys,
            counters=self.counters_in_force,
            policy=self.policy_in_force,
        )

    def unwrap(self, wrapped: bytes) -> bytes:
        """A key or secret that came wrapped with the master key (RFC 3394); SecurityError when it is not."""
        return unwrap(self._in_force("master"), wrapped)

    def replace(self, key_id: KeyId, key: bytes) -> None:
        """Take a new key. Associations that are open keep the old one; a new unicast key starts its counters anew."""
        match key_id:
            case KeyId.GLOBAL_UNICAST:
                self._take("encryption", key)
                counters = self.counters
                self.counters = counters.anew() if isinstance(counters, ReservedCounters) else Counters()
            case KeyId.GLOBAL_BROADCAST:
                self.broadcast = key
            case KeyId.AUTHENTICATION:
                self._take("authentication", key)
            case KeyId.MASTER:
                self._take("master", key)

    def change_secret(self, secret: bytes) -> None:
        """Take a new LLS password or HLS secret."""
        self._take("secret", secret)

    def _take(self, name: str, octets: bytes) -> None:
        setattr(self, name, octets)
        if self.mistaken is not None:
            setattr(self.mistaken, name, None)

    def image(self) -> Image:
        """All of it for the non-volatile memory; of the counters what is reserved."""
        counters = self.counters
        kept = counters.reserved if isinstance(counters, ReservedCounters) else None
        return {
            "suite": self.suite,
            "policy": self.policy,
            "counters": dict(kept) if kept else {name: getattr(counters, name) for name in Counters.__slots__},
            **{name: cast(bytes, getattr(self, name)).hex() for name in _KEPT_OCTETS},
        }

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said."""
        self.suite, self.policy = saved.number("suite"), saved.number("policy")
        counters = saved.table("counters")
        for name in Counters.__slots__:
            setattr(self.counters, name, counters.number(name))
        for name in _KEPT_OCTETS:
            setattr(self, name, saved.octets(name))

    def keep(self, reserve: Callable[[], bool]) -> None:
        """Count from now on as :class:`ReservedCounters` do."""
        self.counters = ReservedCounters(self.counters, reserve)

    def release(self) -> None:
        """Let go of counters that are reserved and not used."""
        if isinstance(self.counters, ReservedCounters):
            self.counters.release()


_KEPT_OCTETS = ("authentication", "broadcast", "client_title", "encryption", "master", "secret")
