"""What a fault does to the keys, secrets, policies and counters of a device's associations.

The device goes by something else than what it has (:class:`~emulator.security.Mistaken`), which stays with it: a rig
that stops meanwhile has lost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from emulator.faults.answers import CLIENT, Hits, together
from emulator.faults.fault import End, Site, nothing_to_mend
from emulator.faults.parameters import FaultError, Number, Octets, Word
from emulator.security import Mistaken
from emulator.taps import lines_of, tap
from protocols.dlms.enums import ApduTag, ContextName, Mechanism
from protocols.dlms.security import COUNTER_MAX, Counters

if TYPE_CHECKING:
    from emulator.cosem.model import AssociationSpec, ObjectModel
    from emulator.ports import Stack
    from emulator.quirks import Handler
    from emulator.security import SecurityState
    from protocols.dlms.association import Association

_AARQ: Final = bytes((ApduTag.AARQ,))
_VERSION_1: Final = {"authenticated": 0x04, "encrypted": 0x08, "both": 0x0C}
_VERSION_0: Final = {"authenticated": 0x01, "encrypted": 0x02, "both": 0x03}
"""What a security policy asks of requests, by the version of class 64."""

WRONG_KEY: Final = (
    Octets("key", "Key that the device goes by; twice as long for AES-256: the octets twice", 16),
    CLIENT,
)
WRONG_SECRET: Final = (Octets("secret", "Password or secret that the device goes by", 16), CLIENT)
STRICTER: Final = (Word("asks", "What requests have to be", ("both", "authenticated", "encrypted")), CLIENT)
AHEAD: Final = (
    Number("by", "How much is added to the counter accepted last", "messages", 1, 2_000_000_000, 1_000_000),
    CLIENT,
)
USED_UP: Final = (CLIENT,)
BEHIND: Final = (
    Word("counter", "What its answers have", ("repeated", "going-back")),
    Number("by", "How far it goes back from the counter used last, at most to 0", "messages", 1, 1_000_000, 100),
    CLIENT,
)


def wrong_unicast_key(site: Site) -> End:
    """The global unicast encryption key is another."""
    return _another(site, "encryption", "key", _ciphered, "unicast key")


def wrong_authentication_key(site: Site) -> End:
    """The authentication key is another."""
    return _another(site, "authentication", "key", _ciphered, "authentication key")


def wrong_master_key(site: Site) -> End:
    """The master key, with which keys and secrets are unwrapped, is another."""
    return _another(site, "master", "key", lambda spec: spec.security_setup is not None, "master key")


def wrong_secret(site: Site) -> End:
    """The LLS password or HLS secret is another."""

    def used(spec: AssociationSpec) -> bool:
        return spec.mechanism not in (Mechanism.NONE, Mechanism.HLS_GMAC, Mechanism.HLS_ECDSA)

    return _another(site, "secret", "secret", used, "secret")


def stricter(site: Site) -> End:
    """The security policy asks for more than it did; parameters :data:`STRICTER`."""
    asked, mended = site.word("asks"), list[End]()
    for spec, state in _states(site, lambda spec: ContextName.LN_CIPHERED in spec.contexts):
        policy = state.policy | _bits(site.device.firmware.model, spec)[asked]
        if policy != state.policy:
            mended.append(_mistake(state, "policy", policy))
    if not mended:
        raise FaultError(f"{site.device.identity.device_id}: the security policy asks for that already")
    protected = "authenticated and encrypted" if asked == "both" else asked
    return together([*mended, _told(site, f"requests have to be {protected}")])


def ahead(site: Site) -> End:
    """The device has accepted higher counters than its clients have used; parameters :data:`AHEAD`."""
    more = site.number("by")
    for _, state in _states(site, _ciphered):
        counters = state.counters_in_force
        counters.received = min(counters.received + more, COUNTER_MAX)
    return nothing_to_mend


def used_up(site: Site) -> End:
    """The device believes that its own invocation counter is used up."""
    hits, mend = Hits(site), _counted(site, lambda true: _Apart(true, COUNTER_MAX))

    def tapped(_stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        answers = handle(apdu)
        if association.drop and not answers and hits.meant(association):
            hits.hit(association, "there is no answer: the invocation counter is used up", security=True)
        return answers

    return together([mend, tap(site.device, apdus=tapped)])


def behind(site: Site) -> End:
    """Answers have counters that were used before; parameters :data:`BEHIND`."""
    hits, repeated, back = Hits(site), site.word("counter") == "repeated", site.number("by")
    mend = _counted(site, lambda true: _Apart(true, max(true.sent - (1 if repeated else back), 0)))

    def tapped(_stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        _rewind(association, repeated)
        used = _used(association)
        answers = handle(apdu)
        counters = _apart(association)
        if answers and counters is not None and counters.start < counters.sent <= used and hits.meant(association):
            hits.hit(association, f"the answer has the invocation counter {counters.sent} again", security=True)
        return answers

    return together([mend, tap(site.device, apdus=tapped)])


# --- counters


class _Apart(Counters):
    """Counters of a device with an own one apart, which begins at ``start``.

    Those that are accepted are the device's. The device's own one goes with this one where that passes it: no counter
    that was used is used again once the fault has ended.
    """

    __slots__ = ("start", "true")

    true: Counters
    start: int

    def __init__(self, true: Counters, start: int) -> None:
        put = super().__setattr__
        put("true", true)
        put("start", start)
        put("sent", start)
        put("received", true.received)
        put("broadcast", true.broadcast)

    def __setattr__(self, name: str, value: int) -> None:
        super().__setattr__(name, value)
        if name != "sent" or value > self.true.sent:
            setattr(self.true, name, value)


def _apart(association: Association) -> _Apart | None:
    counters = None if association.security is None else association.security.counters
    return counters if isinstance(counters, _Apart) else None


def _used(association: Association) -> int:
    """The highest counter that answers of an association have used."""
    counters = _apart(association)
    return 0 if counters is None else counters.true.sent


def _rewind(association: Association, repeated: bool) -> None:
    counters = _apart(association)
    if repeated and counters is not None:
        counters.sent = counters.start


def _counted(site: Site, make: Callable[[Counters], _Apart]) -> End:
    """Associations that are open, and those that come, go by the counters that ``make`` makes of the device's."""
    mended: list[End] = []
    for _, state in _states(site, _ciphered):
        apart = make(state.counters)
        true = state.counters

        def counters(given: Counters, apart: _Apart = apart) -> Counters:
            # A new key has counters of its own, with which nothing is wrong.
            return apart if given is apart.true else given

        _swap(site, true, apart)
        mended.append(_mistake(state, "counters", counters))
        mended.append(lambda apart=apart, true=true: _swap(site, apart, true))
    return together(mended)


def _swap(site: Site, old: Counters, new: Counters) -> None:
    for stack in lines_of(site.device):
        for association in stack.associations:
            if association.security is not None and association.security.counters is old:
                association.security.counters = new


# --- what the device goes by


def _another(site: Site, name: str, parameter: str, used: Callable[[AssociationSpec], bool], what: str) -> End:
    """Keys or secrets of associations that use them are what a parameter says."""
    given, mended = site.octets(parameter), list[End]()
    for _, state in _states(site, used):
        true: bytes = getattr(state, name)
        another = (given * (len(true) // len(given) + 1))[: len(true) or len(given)]
        if another != true:
            mended.append(_mistake(state, name, another))
    if not mended:
        raise FaultError(f"{site.device.identity.device_id}: has that {what} already; give it another")
    return together([*mended, _told(site, f"the device goes by another {what} than it was given")])


def _states(site: Site, used: Callable[[AssociationSpec], bool]) -> list[tuple[AssociationSpec, SecurityState]]:
    """Associations of the parameter ``client`` that use what is to be broken; FaultError where there is none."""
    device, client = site.device, site.number("client")
    found = [
        (spec, device.security(index))
        for index, spec in enumerate(device.firmware.model.associations)
        if client in (0, spec.client) and used(spec)
    ]
    if not found:
        whose = f"client {client}" if client else "any client"
        raise FaultError(f"{device.identity.device_id}: no association of {whose} has anything to do with that")
    return found


def _ciphered(spec: AssociationSpec) -> bool:
    return ContextName.LN_CIPHERED in spec.contexts or spec.mechanism == Mechanism.HLS_GMAC


def _mistake(state: SecurityState, name: str, value: object) -> End:
    """Have the device go by ``value``; the call that is returned puts that right, if nobody has meanwhile."""
    if state.mistaken is None:
        state.mistaken = Mistaken()
    mistaken = state.mistaken
    setattr(mistaken, name, value)

    def mend() -> None:
        if getattr(mistaken, name) == value:
            setattr(mistaken, name, None)
        if mistaken == Mistaken() and state.mistaken is mistaken:
            state.mistaken = None

    return mend


def _told(site: Site, what: str) -> End:
    """Each association that is asked for is told of what is wrong."""
    hits = Hits(site)

    def tapped(_stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        if apdu[:1] == _AARQ and hits.meant(association):
            hits.hit(association, what, security=True)
        return handle(apdu)

    return tap(site.device, apdus=tapped)


def _bits(model: ObjectModel, spec: AssociationSpec) -> Mapping[str, int]:
    setup = model.objects_by_name.get(spec.security_setup or b"")
    return _VERSION_1 if setup is not None and setup.version else _VERSION_0
