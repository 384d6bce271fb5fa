"""What an application was told, for its device's non-volatile memory, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from emulator.nvm import Image, Saved
from emulator.smart_energy.messaging import Notice
from emulator.smart_energy.mirror import MirrorTable
from emulator.smart_energy.planned import Order, Planned
from emulator.smart_energy.reporting import Reporter, Target
from emulator.smart_energy.zdo import Binding
from protocols.errors import DecodeError
from protocols.zigbee.zcl.foundation import Record, decode_report, encode_records

if TYPE_CHECKING:
    from emulator.smart_energy.application import Application


def image(application: Application) -> Image:
    """Everything, as plain values."""
    return {
        "bindings": [[*binding[:2], binding.eui64.hex(), binding.destination] for binding in application.bindings],
        "reports": [line for reporter in application.reporters.values() for line in _lines(reporter)],
        "written": [_written(application, key) for key in application.written],
        "planned": _waiting(application.planned),
        "notice": None if application.notice is None else application.notice.image(),
        "mirror_endpoint": application.mirror_endpoint,
        "mirror": None if application.mirror is None else application.mirror.image(application),
    }


def restore(application: Application, saved: Saved) -> None:
    """Be what :func:`image` said. NvmFault or ValueError for an image of another shape; attributes and endpoints that
    the firmware has no longer are left out."""
    fields = saved.fields
    application.mirror_endpoint = saved.number("mirror_endpoint")
    application.notice = Notice.restored(saved.table("notice")) if fields.get("notice") is not None else None
    application.mirror = MirrorTable.restored(saved.table("mirror")) if fields.get("mirror") is not None else None
    application.bindings[:] = [_binding(line) for line in cast("list[Any]", fields["bindings"])]
    application.written.clear()
    for number, cluster, record in cast("list[Any]", fields["written"]):
        _rewrite(application, number, cluster, record)
    for reporter in application.reporters.values():
        reporter.pause()
    application.reporters.clear()
    orders = [Order.restored(line) for line in cast("list[Any]", fields.get("planned", []))]
    if orders:
        application.planned = Planned(application)
        for order in orders:
            application.planned.keep(order)
    for line in cast("list[Any]", fields["reports"]):
        _report_again(application, line)


def _waiting(planned: Planned | None) -> list[list[Any]]:
    return [] if planned is None else [order.image() for order in planned.orders.values()]


def _binding(line: list[Any]) -> Binding:
    endpoint, cluster, eui64, destination = line
    return Binding(endpoint, cluster, bytes.fromhex(eui64), destination)


def _written(application: Application, key: tuple[int, int, int]) -> list[Any]:
    """Endpoint, cluster, and the attribute as a write has it."""
    number, cluster, attribute = key
    slot = application.tables.endpoints[number].servers[cluster][attribute]
    return [number, cluster, encode_records((Record(attribute, slot.type, application.written[key]),)).hex()]


def _rewrite(application: Application, number: int, cluster: int, record: str) -> None:
    try:
        records = decode_report(bytes.fromhex(record))
    except DecodeError as error:
        raise ValueError(f"written: {error}") from None
    endpoint = application.tables.endpoints.get(number)
    for attribute, type, value in records:
        slot = endpoint.servers.get(cluster, {}).get(attribute) if endpoint else None
        if slot is not None and slot.stored and slot.type == type:
            application.written[number, cluster, attribute] = value


def _lines(reporter: Reporter) -> list[list[Any]]:
    """One for each attribute: endpoint, cluster, to whom, and how."""
    target = reporter.target
    head = [reporter.endpoint, reporter.cluster, target.eui64.hex(), target.endpoint, target.profile, target.secured]
    found: list[list[Any]] = []
    for entry in reporter.entries.values():
        configured = entry.configuration()
        found.append([*head, entry.attribute, configured.minimum, configured.maximum, configured.change])
    return found


def _report_again(application: Application, line: list[Any]) -> None:
    number, cluster, eui64, endpoint, profile, secured, attribute, minimum, maximum, change = line
    table = application.endpoint(number)
    slot = table.servers.get(cluster, {}).get(attribute) if table else None
    if slot is None or not slot.reportable:
        return
    key = number, cluster, bytes.fromhex(eui64), endpoint
    reporter = application.reporters.get(key)
    if reporter is None:
        target = Target(key[2], endpoint, profile, secured)
        reporter = application.reporters[key] = Reporter(application, number, cluster, target)
    reporter.configure(slot, minimum, maximum, change)
