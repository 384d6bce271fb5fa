"""Commands that all clusters share, as a server's side answers them (ZCL 2.5): read, write, discover, reporting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from emulator.smart_energy.reporting import NO_REPORTS
from emulator.smart_energy.request import Answer, Payload
from emulator.smart_energy.table import LONGEST_TEXT, Slot
from protocols.zigbee.zcl import foundation, types
from protocols.zigbee.zcl.foundation import (
    AttributeStatus,
    Command,
    Discovered,
    ReadRecord,
    Record,
    Reporting,
    ReportingRecord,
    ReportingStatus,
    Status,
)
from protocols.zigbee.zcl.types import ANALOG, Type

if TYPE_CHECKING:
    from emulator.smart_energy.application import Application
    from emulator.smart_energy.request import Request

_READABLE, _WRITABLE, _REPORTABLE = 1, 2, 4
_STATUS_OCTETS: Final = 3
_HEAD: Final = 8
"""Octets of a response before its first attribute, at most."""
_RESPONSES: Final = frozenset(
    (
        Command.READ_RESPONSE,
        Command.WRITE_RESPONSE,
        Command.CONFIGURE_REPORTING_RESPONSE,
        Command.READ_REPORTING_RESPONSE,
        Command.DISCOVER_RESPONSE,
        Command.DISCOVER_EXTENDED_RESPONSE,
    )
)


def handle(application: Application, request: Request) -> Answer:
    """Do what a general command asks; DecodeError for a payload that is not its own."""
    command = request.frame.command
    handler = _HANDLERS.get(command)
    if handler is not None:
        return handler(application, request)
    match command:
        case Command.DEFAULT_RESPONSE:
            foundation.decode_default_response(request.frame.payload)
            return None
        case Command.REPORT:
            return application.take_report(request, foundation.decode_report(request.frame.payload))
        case Command.READ_RESPONSE:
            return application.take_values(request, foundation.decode_read_response(request.frame.payload))
        case _:
            return Status.SUCCESS if command in _RESPONSES else Status.UNSUP_GENERAL_COMMAND


def _slots(application: Application, request: Request) -> Mapping[int, Slot]:
    """Attributes of the side that is asked; none of a client's."""
    if request.to_client:
        return {}
    return application.slots(request.endpoint, request.cluster)


def _read(application: Application, request: Request) -> Answer:
    wanted = foundation.decode_read(request.frame.payload)
    slots = _slots(application, request)
    room = application.transfer - _HEAD
    parts: list[bytes] = []
    for attribute in wanted:
        slot = slots.get(attribute)
        if slot is None:
            record = ReadRecord(attribute, Status.UNSUPPORTED_ATTRIBUTE)
        else:
            value = application.value(request.endpoint, request.cluster, slot)
            record = ReadRecord(attribute, Status.SUCCESS, slot.type, value)
        part = foundation.encode_read_response((record,))
        if len(part) > room:
            part = foundation.encode_read_response((ReadRecord(attribute, Status.INSUFFICIENT_SPACE),))
        room -= len(part)
        if room < 0:
            break
        parts.append(part)
    return Payload(Command.READ_RESPONSE, b"".join(parts))


# --- writing


def _write(application: Application, request: Request) -> Answer:
    records = foundation.decode_write(request.frame.payload)
    failures = _failures(application, request, records)
    failed = {failure.attribute for failure in failures}
    if not _put(application, request, [record for record in records if record.attribute not in failed]):
        failures = [AttributeStatus(record.attribute, Status.HARDWARE_FAILURE) for record in records]
    return Payload(Command.WRITE_RESPONSE, foundation.encode_write_response(failures))


def _write_undivided(application: Application, request: Request) -> Answer:
    records = foundation.decode_write(request.frame.payload)
    failures = _failures(application, request, records)
    if not failures and not _put(application, request, records):
        failures = [AttributeStatus(record.attribute, Status.HARDWARE_FAILURE) for record in records]
    return Payload(Command.WRITE_RESPONSE, foundation.encode_write_response(failures))


def _write_no_response(application: Application, request: Request) -> Answer:
    records = foundation.decode_write(request.frame.payload)
    failed = {failure.attribute for failure in _failures(application, request, records)}
    _put(application, request, [record for record in records if record.attribute not in failed])
    return None


def _failures(application: Application, request: Request, records: list[Record]) -> list[AttributeStatus]:
    slots = _slots(application, request)
    found: list[AttributeStatus] = []
    for record in records:
        status = _writing(slots.get(record.attribute), record)
        if status is not Status.SUCCESS:
            found.append(AttributeStatus(record.attribute, status))
    return found


def _writing(slot: Slot | None, record: Record) -> Status:
    """What a write of one attribute would come to."""
    if slot is None:
        return Status.UNSUPPORTED_ATTRIBUTE
    if not slot.writable:
        return Status.READ_ONLY
    if record.type != slot.type:
        return Status.INVALID_DATA_TYPE
    if types.is_invalid(record.type, record.value):
        return Status.INVALID_VALUE
    match record.value:
        case bytes() | str() if len(record.value) > LONGEST_TEXT:
            return Status.INVALID_VALUE
        case int(value) if slot.type == Type.BOOL and value > 1:
            return Status.INVALID_VALUE
        case _:
            return Status.SUCCESS


def _put(application: Application, request: Request, records: list[Record]) -> bool:
    """Write what may be written: whether it is safe."""
    slots = _slots(application, request)
    for record in records:
        application.put(request.endpoint, request.cluster, slots[record.attribute], record.value)
    return not records or application.commit()


# --- discovery


def _discover(extended: bool) -> Callable[[Application, Request], Answer]:
    def handle_discover(application: Application, request: Request) -> Answer:
        start, maximum = foundation.decode_discover(request.frame.payload)
        slots = _slots(application, request)
        wanted = [attribute for attribute in sorted(slots) if attribute >= start]
        octets = _STATUS_OCTETS + extended
        count = min(maximum, (application.transfer - _HEAD) // octets)
        found = [
            Discovered(attribute, slots[attribute].type, _access(slots[attribute]) if extended else None)
            for attribute in wanted[:count]
        ]
        command = Command.DISCOVER_EXTENDED_RESPONSE if extended else Command.DISCOVER_RESPONSE
        return Payload(command, foundation.encode_discover_response(len(wanted) <= count, found))

    return handle_discover


def _access(slot: Slot) -> int:
    return _READABLE | (_WRITABLE if slot.writable else 0) | (_REPORTABLE if slot.reportable else 0)


# --- reporting


def _configure_reporting(application: Application, request: Request) -> Answer:
    slots = _slots(application, request)
    failures: list[ReportingStatus] = []
    done = False
    for reporting in foundation.decode_configure_reporting(request.frame.payload):
        status = _reportable(slots.get(reporting.attribute), reporting)
        if status is Status.SUCCESS:
            status = _configure(application, request, slots[reporting.attribute], reporting)
            done |= status is Status.SUCCESS
        if status is not Status.SUCCESS:
            failures.append(ReportingStatus(status, reporting.direction, reporting.attribute))
    if done:
        application.commit()
    return Payload(Command.CONFIGURE_REPORTING_RESPONSE, foundation.encode_configure_reporting_response(failures))


def _reportable(slot: Slot | None, reporting: Reporting) -> Status:
    """What a configuration would come to. Reports that the sender will make are no attribute of ours."""
    if slot is None or reporting.direction:
        return Status.UNSUPPORTED_ATTRIBUTE
    if not slot.reportable:
        return Status.UNREPORTABLE_ATTRIBUTE
    if reporting.type != slot.type:
        return Status.INVALID_DATA_TYPE
    minimum, maximum = reporting.minimum or 0, reporting.maximum or 0
    if 0 < maximum < minimum and minimum != NO_REPORTS:
        return Status.INVALID_VALUE
    change = reporting.change
    backwards = isinstance(change, (int, float)) and change < 0 and not types.is_invalid(slot.type, change)
    if slot.type in ANALOG and backwards:
        return Status.INVALID_VALUE
    return Status.SUCCESS


def _configure(application: Application, request: Request, slot: Slot, reporting: Reporting) -> Status:
    minimum, maximum = reporting.minimum or 0, reporting.maximum or 0
    if maximum == NO_REPORTS or (minimum == NO_REPORTS and not maximum):
        application.stop_reporting(request, slot)
        return Status.SUCCESS
    reporter = application.reporter(request)
    if reporter is None:
        return Status.INSUFFICIENT_SPACE
    known = application.value(request.endpoint, request.cluster, slot)
    reporter.configure(slot, minimum, maximum, reporting.change, known)
    return Status.SUCCESS


def _read_reporting(application: Application, request: Request) -> Answer:
    slots = _slots(application, request)
    reporter = application.find_reporter(request)
    found: list[ReportingRecord] = []
    for direction, attribute in foundation.decode_read_reporting(request.frame.payload):
        entry = reporter.entries.get(attribute) if reporter and not direction else None
        if entry is not None:
            found.append(ReportingRecord(Status.SUCCESS, entry.configuration()))
            continue
        slot = slots.get(attribute)
        status = Status.NOT_FOUND
        if slot is None or direction:
            status = Status.UNSUPPORTED_ATTRIBUTE
        elif not slot.reportable:
            status = Status.UNREPORTABLE_ATTRIBUTE
        found.append(ReportingRecord(status, Reporting(direction, attribute)))
    room = (application.transfer - _HEAD) // _REPORTING_OCTETS
    return Payload(Command.READ_REPORTING_RESPONSE, foundation.encode_read_reporting_response(found[:room]))


_REPORTING_OCTETS: Final = 17
"""Of one configuration, with a change of eight octets."""

_HANDLERS: Mapping[int, Callable[[Application, Request], Answer]] = {
    Command.READ: _read,
    Command.WRITE: _write,
    Command.WRITE_UNDIVIDED: _write_undivided,
    Command.WRITE_NO_RESPONSE: _write_no_response,
    Command.CONFIGURE_REPORTING: _configure_reporting,
    Command.READ_REPORTING: _read_reporting,
    Command.DISCOVER: _discover(extended=False),
    Command.DISCOVER_EXTENDED: _discover(extended=True),
}
