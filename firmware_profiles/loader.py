"""From profile files to compiled firmware profiles: what a device is built from, shared by all of its kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from emulator.cosem.classes import CLASSES
from emulator.cosem.compiler import compile_model
from emulator.cosem.model import STORED, AssociationSpec, CosemObject, DeviceKind, Grant, ObjectSpec
from emulator.display import DISPLAY
from emulator.electricity import ELECTRICITY
from emulator.events import EVENTS
from emulator.firmware import (
    BufferSpec,
    ClockSettings,
    FirmwareProfile,
    HanSettings,
    HdlcSettings,
    ImageSettings,
    JoinSettings,
    LogicalDevices,
    LogSpec,
    MeteringSettings,
    MirrorWrite,
    OpticalSettings,
    PowerSettings,
    Quirks,
    RadioProtocol,
    RadioSettings,
    Reaction,
    RegisteredKey,
    SleepSettings,
    SupplySettings,
    Trigger,
)
from emulator.gas import GAS
from emulator.hub import HUB
from emulator.optical import sign_on
from emulator.push import PUSH_CLASS
from firmware_profiles.files import ProfileError, find, names, read, validated
from firmware_profiles.in_home import display_settings
from firmware_profiles.prepayment import check_column, prepayment_settings
from firmware_profiles.schema import Alert, Association, Flag, GrantTable, Hdlc, Object, Optical, Power, Profile, Radio
from firmware_profiles.texts import logical_name, octets
from firmware_profiles.zigbee import zigbee_settings
from protocols.dlms.enums import Conformance
from protocols.errors import LocalProtocolError
from protocols.hdlc import Parameters

__all__ = ["ProfileError", "check", "load", "names"]

PROFILE_CLASS = 7
SECOND = 1_000_000_000
MILLISECOND = 1_000_000
VOLT = 1000
"""mV."""

KINDS: dict[str, DeviceKind] = {"electricity": ELECTRICITY, "gas": GAS, "hub": HUB, "display": DISPLAY}
MECHANISMS = {
    "none": 0,
    "lls": 1,
    "hls": 2,
    "hls-md5": 3,
    "hls-sha1": 4,
    "hls-gmac": 5,
    "hls-sha256": 6,
    "hls-ecdsa": 7,
}
CONTEXTS = {"ln": 1, "ln-ciphered": 3}
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@cache
def load(name: str) -> FirmwareProfile:
    """The compiled profile of that name or file; compiled once a process. Raises ProfileError."""
    path = find(name)
    profile = read(name)
    try:
        return _compile(path.stem, profile)
    except ValueError as error:
        raise ProfileError(f"{path}: {error}") from None


def check(name: str) -> FirmwareProfile:
    """The compiled profile, from its files as they are now, whatever was loaded before. Raises ProfileError."""
    return load.__wrapped__(name)


def check_tables(name: str, tables: Mapping[str, Any]) -> FirmwareProfile:
    """The compiled profile of tables that are in no file yet and extend nothing. Raises ProfileError."""
    profile = validated(name, tables)
    try:
        return _compile(name, profile)
    except ValueError as error:
        raise ProfileError(f"{name}: {error}") from None


def compiled_alone(
    text: str, table: Mapping[str, Any], kind: str, associations: Sequence[AssociationSpec]
) -> CosemObject:
    """One object of a profile of that kind, with no other around it and no rights; ValueError for what is wrong."""
    spec = _object_spec(text, Object.model_validate(table))
    (found,) = compile_model(KINDS[kind], tuple(associations), [spec], {spec.access: {}}, CLASSES).objects.values()
    return found


def _compile(name: str, profile: Profile) -> FirmwareProfile:
    kind = KINDS[profile.identity.kind]
    associations = tuple(_association(key, value, profile) for key, value in profile.association.items())
    groups = {group: _grants(group, grants, profile) for group, grants in profile.access.items()}
    objects = list(expanded(profile.object))
    specs = [_object_spec(text, item) for text, item in objects]
    model = compile_model(kind, associations, specs, groups, CLASSES)
    profiles = (_buffer(text, item, model.objects) for text, item in objects if _is_buffer(item))
    buffers = {spec.name: spec for spec in profiles}
    copies = {text: item.copies for text, item in objects if item.copies}
    for log in profile.log:
        if log not in buffers:
            raise ValueError(f"log.{log}: no class 7 object has source 'buffer.{log}'; known: {', '.join(buffers)}")
    identity, clock = profile.identity, profile.clock
    return FirmwareProfile(
        name=name,
        kind=identity.kind,
        make=identity.make,
        model_name=identity.model,
        version=identity.version,
        flag_id=identity.flag_id,
        model=model,
        buffers=buffers,
        logs={key: LogSpec(key, codes) for key, codes in profile.log.items()},
        clock=ClockSettings(
            drift_ppb=round(clock.drift_ppm * 1000),
            time_zone=clock.time_zone_minutes,
            dst_begin=octets("clock.dst_begin", clock.dst_begin, 12),
            dst_end=octets("clock.dst_end", clock.dst_end, 12),
            dst_deviation=clock.dst_deviation_minutes,
            dst_enabled=clock.dst_enabled,
            reserve=round(clock.reserve_hours * 3600 * SECOND),
        ),
        boot_time=round(profile.boot_s * SECOND),
        snapshot_period=profile.nvm.snapshot_s * SECOND,
        wan=_hdlc(profile.wan) if profile.wan else None,
        local=_hdlc(profile.local) if profile.local else None,
        optical=_optical(profile.optical, identity.flag_id) if profile.optical else None,
        image=ImageSettings(
            block_size=profile.image.block_size,
            max_size=profile.image.max_size,
            header=profile.image.header.encode("ascii"),
            verification_time=round(profile.image.verification_s * SECOND),
            activation_time=round(profile.image.activation_s * SECOND),
            identifier_prefix=profile.image.identifier_prefix.encode("ascii"),
        )
        if profile.image
        else None,
        supply=SupplySettings(
            profile.supply.control_mode, profile.supply.limit_w, profile.supply.min_over_s, profile.supply.min_under_s
        )
        if profile.supply
        else None,
        metering=MeteringSettings(
            profile.metering.tou_registers, profile.metering.demand_period_s, profile.metering.demand_periods
        )
        if profile.metering
        else None,
        sleep=SleepSettings(profile.sleep.wake_up_period_s * SECOND, profile.sleep.battery_life_days)
        if profile.sleep
        else None,
        joining=JoinSettings(
            round(profile.joining.search_s * SECOND),
            round(profile.joining.first_pause_s * SECOND),
            round(profile.joining.longest_pause_s * SECOND),
        )
        if profile.joining
        else None,
        han=HanSettings(
            profile.han.capacity,
            profile.han.historic_capacity,
            profile.han.join_timeout_s,
            RegisteredKey(profile.han.registered_key),
            {number: kind for kind, number in profile.han.kinds.items()},
            round(profile.han.hop_ms * MILLISECOND),
            profile.han.key_establishment,
        )
        if profile.han
        else None,
        radio=_radio(profile.radio),
        logical=LogicalDevices(
            profile.logical.management,
            profile.logical.electricity,
            profile.logical.gas,
            round(profile.logical.han_delay_ms * MILLISECOND),
            MirrorWrite(profile.logical.mirror_write),
        )
        if profile.logical
        else None,
        reactions=_reactions(profile),
        quirks=Quirks(**profile.quirks.model_dump()),
        power=_power(profile.power),
        prepayment=prepayment_settings(profile, model, copies),
        display=display_settings(profile),
        zigbee=zigbee_settings(profile, model),
    )


def _power(power: Power) -> PowerSettings:
    return PowerSettings(
        minimum=power.minimum_v * VOLT,
        restart=power.restart_v * VOLT,
        hold_up=power.hold_up_ms * MILLISECOND,
        last_gasp=power.last_gasp,
        watchdog=round(power.watchdog_s * SECOND),
    )


def _radio(radio: Radio | None) -> RadioSettings | None:
    if radio is None:
        return None
    major, minor, patch = (int(part) for part in radio.version.split("."))
    version = major, minor, patch
    protocol, spoken = RadioProtocol(radio.protocol), radio.profile or None
    return RadioSettings(protocol, radio.baud, version, radio.manufacturer, radio.board, spoken)


def _reactions(profile: Profile) -> dict[str, Reaction]:
    """What each event that a profile knows brings about."""
    for log, codes in profile.log.items():
        _check_events(f"log.{log}", codes)
    for where, flags in (("error", profile.error), ("alarm", profile.alarm)):
        _check_events(where, flags)
        for event, flag in flags.items():
            _check_events(f"{where}.{event}.until", flag.until)
    _check_events("alert", profile.alert)
    alerts = {event: _alerts(f"alert.{event}", alert, profile) for event, alert in profile.alert.items()}
    found = {
        event: Reaction(
            tuple((log, codes[event]) for log, codes in profile.log.items() if event in codes),
            *_masks(event, profile.error),
            *_masks(event, profile.alarm),
            alerts.get(event, ()),
        )
        for event in EVENTS
    }
    return {event: reaction for event, reaction in found.items() if reaction != Reaction()}


def _alerts(where: str, alert: Alert, profile: Profile) -> tuple[tuple[int, bytes], ...]:
    found = profile.object.get(alert.push)
    if found is None or found.class_id != PUSH_CLASS:
        raise ValueError(f"{where}.push: no object {alert.push!r} of class {PUSH_CLASS}")
    setup = logical_name(f"{where}.push", alert.push)
    return tuple((code, setup) for code in alert.codes)


def _check_events(where: str, events: Iterable[str]) -> None:
    for event in events:
        if event not in EVENTS:
            raise ValueError(f"{where}: no event {event!r}; known: {', '.join(EVENTS)}")


def _masks(event: str, flags: Mapping[str, Flag]) -> tuple[int, int]:
    """Bits that an event sets, and those whose cause it ends."""
    raised = flags.get(event)
    over = sum({1 << flag.bit for flag in flags.values() if event in flag.until})
    return (0 if raised is None else 1 << raised.bit), over


def _grants(group: str, tables: Mapping[str, GrantTable], profile: Profile) -> dict[str, Grant]:
    """What each association may do with the objects of an access group, those that have another's rights included."""
    for association in tables:
        if association not in profile.association:
            known = ", ".join(profile.association)
            raise ValueError(f"access.{group}: no association {association!r}; known: {known}")
    grants = {association: _grant(table) for association, table in tables.items()}
    for name, association in profile.association.items():
        if association.rights is not None and association.rights in tables and name not in tables:
            grants[name] = grants[association.rights]
    return grants


def _association(name: str, table: Association, profile: Profile) -> AssociationSpec:
    if table.rights is not None and table.rights not in profile.association:
        known = ", ".join(profile.association)
        raise ValueError(f"association.{name}.rights: no association {table.rights!r}; known: {known}")
    if table.security_setup and table.security_setup not in profile.object:
        raise ValueError(f"association.{name}.security_setup: no object {table.security_setup!r}")
    conformance = 0
    for service in table.conformance:
        conformance |= Conformance[service.upper().replace("-", "_")]
    return AssociationSpec(
        name=name,
        client=table.client,
        logical_name=logical_name(f"association.{name}.logical_name", table.logical_name),
        contexts=tuple(CONTEXTS[context] for context in table.contexts),
        mechanism=MECHANISMS[table.mechanism],
        conformance=conformance,
        max_receive_pdu=table.max_receive_pdu,
        max_send_pdu=table.max_send_pdu,
        security_setup=logical_name(f"association.{name}.security_setup", table.security_setup)
        if table.security_setup
        else None,
        policy=table.policy,
        suite=table.suite,
        challenge_octets=table.challenge_octets,
    )


def _grant(table: GrantTable) -> Grant:
    return Grant(frozenset(table.get), frozenset(table.set), frozenset(table.action), table.authenticated)


def expanded(objects: Mapping[str, Object]) -> Iterator[tuple[str, Object]]:
    """Objects one by one: a range in the logical name gives one each, ``{n}`` stands for its number."""
    for text, item in objects.items():
        found = _RANGE.search(text)
        if found is None:
            yield text, item
            continue
        for number in range(int(found[1]), int(found[2]) + 1):
            numbered = {"title": item.title, "source": item.source}
            update = {key: value.replace("{n}", str(number)) for key, value in numbered.items()}
            yield text.replace(found[0], str(number)), item.model_copy(update=update)


def _object_spec(text: str, item: Object) -> ObjectSpec:
    return ObjectSpec(
        class_id=item.class_id,
        version=item.version,
        logical_name=logical_name(f"object.{text}", text),
        title=item.title,
        access=item.access,
        source=item.source,
        values=item.values,
    )


def _is_buffer(item: Object) -> bool:
    return item.class_id == PROFILE_CLASS and item.source != STORED


def _buffer(text: str, item: Object, objects: Mapping[bytes, CosemObject]) -> BufferSpec:
    where = f"object.{text}"
    _, _, name = item.source.rpartition(".")
    if item.trigger is None or not item.columns:
        raise ValueError(f"{where}: a class 7 object needs a trigger and columns")
    trigger = Trigger(item.trigger)
    columns: list[tuple[int, bytes, int, int]] = []
    for column in item.columns:
        class_id, column_text, attribute, *rest = column
        name_octets = logical_name(f"{where}.columns", column_text)
        captured = objects.get(class_id.to_bytes(2, "big") + name_octets)
        if captured is None:
            raise ValueError(f"{where}.columns: no object {column_text} of class {class_id}")
        check_column(f"{where}.columns", trigger, captured)
        columns.append((class_id, name_octets, attribute, rest[0] if rest else 0))
    return BufferSpec(
        name=name,
        logical_name=logical_name(where, text),
        trigger=trigger,
        columns=tuple(columns),
        period=item.period_s,
        capacity=item.capacity,
        sort_method=item.sort_method,
    )


def _hdlc(table: Hdlc) -> HdlcSettings:
    return HdlcSettings(
        limits=Parameters(
            max_info_transmit=table.max_info_transmit,
            max_info_receive=table.max_info_receive,
            window_transmit=table.window_transmit,
            window_receive=table.window_receive,
        ),
        physical_address=table.physical_address,
        inactivity_timeout=table.inactivity_timeout_s * SECOND,
        inter_octet_timeout=table.inter_octet_timeout_ms * MILLISECOND,
        baud=table.baud,
        turnaround=round(table.turnaround_ms * MILLISECOND),
    )


def _optical(table: Optical, flag_id: str) -> OpticalSettings:
    settings = OpticalSettings(
        mode=table.mode,
        flag_id=flag_id,
        identification=table.identification,
        baud_code=table.baud_code,
        mode_e=table.mode_e,
        fast_reaction=table.fast_reaction,
        reaction_time=round(table.reaction_time_ms * MILLISECOND),
        direct_hdlc=table.direct_hdlc,
        readout=tuple(
            (address, logical_name("optical.readout", text), attribute) for address, text, attribute in table.readout
        ),
        programming={
            address: (logical_name("optical.programming", text), attribute)
            for address, (text, attribute) in table.programming.items()
        },
    )
    try:
        sign_on(settings)
    except LocalProtocolError as error:
        raise ValueError(f"optical: {error}") from None
    return settings
