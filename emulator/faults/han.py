"""Faults of the HAN's membership: the device log, the permit-join window, certificates, the mirror, the sleep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.parameters import FaultError, Number, Octets, Word
from emulator.gas import GasMeter
from emulator.han.disagreements import Disagreement, disagree
from emulator.han.key_establishment import authority, credentials
from emulator.premises import replace_gas_meter
from protocols.zigbee.cbke import Authority

if TYPE_CHECKING:
    from protocols.zigbee.cbke import Credentials

HUB: Final = ("hub",)
BEHIND: Final = ("electricity", "gas", "display")
"""Kinds of devices that are behind a hub."""
ENTRIES: Final = "entries of the device log"
_WINDOW = "permit-join window"
_EUI64_OCTETS = 8
_BACK = "the device is back within the longest pause of its profile's [joining]"


# --- the device log


def _disagree(site: Site, kind: Disagreement, eui64: bytes) -> End:
    try:
        return disagree(site.network, kind, eui64)
    except KeyError:
        where = site.device.identity.device_id
        raise FaultError(f"{where}: the device log has no entry of it ({eui64.hex().upper()})") from None
    except ValueError as error:
        raise FaultError(f"{site.device.identity.device_id}: {error}") from None


def _entry_without_device(site: Site) -> End:
    return _disagree(site, Disagreement.ENTRY_WITHOUT_DEVICE, site.octets("eui64"))


def _device_without_entry(site: Site) -> End:
    return _disagree(site, Disagreement.DEVICE_WITHOUT_ENTRY, site.device.identity.eui64)


def _stale_key(site: Site) -> End:
    return _disagree(site, Disagreement.STALE_KEY, site.device.identity.eui64)


def _wrong_kind(site: Site) -> End:
    return _disagree(site, Disagreement.WRONG_KIND, site.device.identity.eui64)


def _truncated(site: Site) -> End:
    kept, entries = site.number("kept"), list(site.network.log.entries)
    if len(entries) <= kept:
        raise FaultError(f"{site.device.identity.device_id}: its device log has {len(entries)} entries, none to lose")
    return _disagree(site, Disagreement.TRUNCATED, entries[kept])


@dataclass(frozen=True, slots=True)
class _SameLoad:
    """What a meter draws that hangs where another one did: for the time of a fault, nothing."""

    kind: str = "constant"
    value: float = 0.0
    file: None = None
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class _Successor:
    """A meter of the same profile, all else of its seed."""

    profile: str
    serial: None = None
    point: None = None
    eui64: None = None
    prepayment: None = None
    load: _SameLoad = _SameLoad()

    @property
    def keys(self) -> Mapping[str, bytes]:
        """Those of its seed."""
        return {}


def _ghost(site: Site) -> End:
    premises, old, network = site.premises, site.device, site.network
    assert isinstance(old, GasMeter)
    member, number = site.member, premises.gas_meters
    new = replace_gas_meter(
        premises, _Successor(old.firmware.name), old.clock, old.seed, lambda _: old.firmware, number=number + 1
    )
    premises.gas_meters = number

    def end() -> None:
        if premises.gas is new:  # nobody has hung another one meanwhile
            network.take_away(new)
            premises.gas = old
            network.adopt(member)

    return end


# --- joining


def _stuck_open(site: Site) -> End:
    return _stick(site, stuck=True)


def _stuck_closed(site: Site) -> End:
    return _stick(site, stuck=False)


def _stick(site: Site, *, stuck: bool) -> End:
    log = site.network.log
    log.stuck = stuck

    def end() -> None:
        log.stuck = None

    return end


def _wrong_certificate(site: Site) -> End:
    network, member = site.network, site.member
    if not network.settings.key_establishment:
        profile = network.hub.firmware.name
        raise FaultError(
            f"{site.device.identity.device_id}: its hub's profile {profile} establishes no keys at joining"
        )
    member.credentials = _certificate(site, site.word("certificate"))

    def end() -> None:
        member.credentials = None

    return end


def _certificate(site: Site, word: str) -> Credentials:
    seed, chance, eui64 = site.hub.seed, site.chance, site.device.identity.eui64
    own = credentials(seed, site.device.identity.device_id, eui64)
    match word:
        case "another's":
            return authority(seed).issue(chance.randbytes(_EUI64_OCTETS), chance)
        case "unknown-issuer":
            return Authority.of_chance(b"STRANGER", chance).issue(eui64, chance)
        case "forged":
            return Authority.of_chance(authority(seed).issuer, chance).issue(eui64, chance)
        case _:
            return own._replace(private=own.private ^ 2)


# --- the gas meter and its mirror


def _oversleep(site: Site) -> End:
    gas = site.device
    assert isinstance(gas, GasMeter)
    gas.oversleep(True)
    return lambda: gas.oversleep(False)


def _no_mirror(site: Site) -> End:
    hub = site.hub
    hub.refuse_mirror(True)
    return lambda: hub.refuse_mirror(False)


FAULTS: Final = (
    Fault(
        "entry-without-device",
        Layer.HAN,
        "The device log has an entry, joined and with a key, of a device that is nowhere",
        HUB,
        _entry_without_device,
        Culprit.DEVICE_LOG,
        "the log lists a device that nobody has installed",
        ("the log lists it and never hears it", "it takes the room of another device"),
        "the entry is gone",
        (Octets("eui64", "EUI-64 of the entry", _EUI64_OCTETS),),
        holds=ENTRIES,
        wide=True,
    ),
    Fault(
        "device-without-entry",
        Layer.HAN,
        "The device log has lost the entry of a device that joined",
        BEHIND,
        _device_without_entry,
        Culprit.DEVICE_LOG,
        "the device is right; the log does not have it any more",
        ("the hub does not list the device and does not serve it", "its attempts to come back are refused"),
        f"the entry is back where it was; {_BACK}",
        holds=ENTRIES,
        wide=True,
    ),
    Fault(
        "truncated-device-log",
        Layer.HAN,
        "The device log has lost all entries but the first ones",
        HUB,
        _truncated,
        Culprit.DEVICE_LOG,
        "the devices are right; the log does not have them any more",
        ("the log ends early", "devices whose entries are gone are not served"),
        f"the entries are back, as far as others have not taken their room; {_BACK}",
        (Number("kept", "Entries that are left", "entries", 0, 15, 1),),
        holds=ENTRIES,
        wide=True,
    ),
    Fault(
        "stale-link-key",
        Layer.HAN,
        "The entry of a device has another link key than the device",
        BEHIND,
        _stale_key,
        Culprit.DEVICE_LOG,
        "the key of the entry is not the one that the device has",
        ("the device is listed and silent", "an attempt to join fails for its key, and both ends log that"),
        f"the entry has the key that it had, unless another was given meanwhile; {_BACK}",
    ),
    Fault(
        "wrong-device-type",
        Layer.HAN,
        "The entry says that the device is of another type",
        BEHIND,
        _wrong_kind,
        Culprit.DEVICE_LOG,
        "the device was registered as what it is not",
        ("the log shows another type", "the device stays on; when it joins anew it is refused"),
        "the entry has the type that it had, unless another was given meanwhile",
    ),
    Fault(
        "ghost-gas-meter",
        Layer.HAN,
        "The gas meter was replaced and the device log not updated: entry and mirror are those of one that has gone",
        ("gas",),
        _ghost,
        Culprit.INSTALLER,
        "the meter on the wall is not the one of the device log",
        ("the mirror shows the old meter as it was", "the new meter is refused: the log does not have it"),
        "the old meter hangs there again, unless another has been hung meanwhile; it is back at once",
        holds="gas meter",
    ),
    Fault(
        "permit-stuck-open",
        Layer.HAN,
        "The permit-join window does not close",
        HUB,
        _stuck_open,
        Culprit.CHF,
        "the hub lets devices join without having been told to",
        ("permit_join reads TRUE whatever is set", "a device of the log joins at any time"),
        "the window is as it was set last",
        holds=_WINDOW,
    ),
    Fault(
        "permit-stuck-closed",
        Layer.HAN,
        "The permit-join window does not open",
        HUB,
        _stuck_closed,
        Culprit.CHF,
        "the hub takes the order to open, and stays closed",
        ("permit_join reads FALSE after it was set", "no device joins; those that rejoin do"),
        "the window is as it was set last",
        holds=_WINDOW,
    ),
    Fault(
        "wrong-certificate",
        Layer.HAN,
        "The device has a certificate that is not good for it",
        BEHIND,
        _wrong_certificate,
        Culprit.DEVICE,
        "the certificate of the device is not one of its EUI-64, of the known issuer, with its private key",
        ("its next attempt to join ends at the key establishment", "the hub tells it to leave, and both ends log that"),
        "it has its own certificate, and joins when the window is opened again",
        (Word("certificate", "What is wrong with it", ("another's", "unknown-issuer", "forged", "without-its-key")),),
    ),
    Fault(
        "oversleeping-meter",
        Layer.HAN,
        "A sleeping gas meter does not wake up",
        ("gas",),
        _oversleep,
        Culprit.DEVICE,
        "the meter's timer does not wake it",
        ("the mirror stays as it is, the clock included", "commands that the hub has taken wait"),
        "it wakes up at its next time",
        holds="gas meter's sleep",
    ),
    Fault(
        "mirror-refused",
        Layer.HAN,
        "The hub mirrors no gas meter",
        HUB,
        _no_mirror,
        Culprit.GPF,
        "the meter reports, and the hub has no mirror for it",
        ("clients find no server SAP of the gas meter", "RequestMirror is answered FFFF, reports to it NOT_AUTHORIZED"),
        "the mirror is there again when its meter has woken up",
        holds="mirror of the gas meter",
    ),
)
"""Faults of the HAN's membership."""
