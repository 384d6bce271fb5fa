"""A running rig as Prometheus scrapes it.

What was counted is taken from the rig in one go, a bit at a time so that no line waits for it, and written as text by
the Prometheus client library in a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from emulator.hub import Hub
from rigs.driver import SECOND, ClockMode
from rigs.events import name_of

if TYPE_CHECKING:
    from emulator.faults.injection import Injection
    from rigs.ports import Port
    from rigs.rig import Rig

AT_ONCE = 50
"""Ports or devices that are looked at before others have their turn."""
_TRAFFIC = {
    "octets in": ("octets", "in"),
    "octets out": ("octets", "out"),
    "frames received": ("frames", "in"),
    "frames sent": ("frames", "out"),
}
_NO_ERRORS = frozenset((*_TRAFFIC, "echoed"))
_TOKEN = "token_"


class _Taken(Collector):
    """Metrics that were taken already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        yield from self._families


class _Families:
    """The metrics of one scrape."""

    def __init__(self) -> None:
        port, device, premises = ["device", "port"], ["device"], ["premises"]
        self.rig = InfoMetricFamily("smets1_rig", "The rig")
        self.clock = GaugeMetricFamily("smets1_clock_seconds", "The rig's clock, seconds of UTC since 1970")
        self.rate = GaugeMetricFamily("smets1_clock_rate", "Seconds of the rig's clock in one of the world; 0: stepped")
        self.octets = CounterMetricFamily("smets1_port_octets", "Octets at a port", labels=[*port, "direction"])
        self.frames = CounterMetricFamily("smets1_port_frames", "Frames at a port", labels=[*port, "direction"])
        self.errors = CounterMetricFamily(
            "smets1_port_errors", "What was discarded, refused or lost at a port", labels=[*port, "kind"]
        )
        self.connected = GaugeMetricFamily("smets1_port_connected", "Far ends at a port now", labels=port)
        self.lines = CounterMetricFamily("smets1_port_lines", "Lines and connections of a port so far", labels=port)
        self.answers = HistogramMetricFamily(
            "smets1_answer_seconds", "Work of a device on an answer, without times that a line models", labels=port
        )
        self.up = GaugeMetricFamily("smets1_device_up", "1: it has power and has started", labels=device)
        self.boots = CounterMetricFamily("smets1_device_boots", "Starts of a device", labels=device)
        self.events = CounterMetricFamily(
            "smets1_device_events", "Events that a device has logged", labels=[*device, "event"]
        )
        self.tokens = CounterMetricFamily("smets1_tokens", "Tokens entered, by outcome", labels=[*device, "outcome"])
        self.faults = GaugeMetricFamily(
            "smets1_faults", "Faults that wait or are in force", labels=[*device, "fault", "layer", "state"]
        )
        self.injections = CounterMetricFamily(
            "smets1_fault_injections", "Faults that have begun so far", labels=["fault"]
        )
        self.formed = GaugeMetricFamily("smets1_han_formed", "1: the hub has formed its network", labels=premises)
        self.members = GaugeMetricFamily(
            "smets1_han_devices", "Devices within range of the hub", labels=[*premises, "on"]
        )
        self.log = GaugeMetricFamily("smets1_han_log_entries", "Entries of the hub's device log", labels=premises)
        self.waiting = GaugeMetricFamily(
            "smets1_han_commands_waiting", "Commands that wait for the gas meter", labels=premises
        )
        self.dropped = CounterMetricFamily(
            "smets1_han_frames_dropped", "Frames that radios of a HAN dropped", labels=[*premises, "reason"]
        )

    def all(self) -> list[Metric]:
        """Every one."""
        return [metric for metric in vars(self).values() if isinstance(metric, Metric)]


async def exposition(rig: Rig, accept: str = "") -> tuple[bytes, str]:
    """The metrics of a rig, and their media type: OpenMetrics where ``accept`` asks for it, else Prometheus's text."""
    try:
        encode, media_type = choose_encoder(accept)
    except ValueError:  # a version that is none
        encode, media_type = choose_encoder("")
    registry = CollectorRegistry()
    registry.register(_Taken(await _taken(rig)))
    return await asyncio.to_thread(encode, registry), media_type


async def _taken(rig: Rig) -> list[Metric]:
    found = _Families()
    rig.driver.now()
    found.rig.add_metric([], {"name": rig.file.name, "seed": str(rig.file.config.seed)})
    found.clock.add_metric([], rig.clock.now / SECOND)
    found.rate.add_metric([], 0 if rig.driver.mode is ClockMode.STEPPED else rig.driver.rate)
    for count, (name, port) in enumerate(list(rig.ports.items()), 1):
        _add_port(found, name, port)
        if count % AT_ONCE == 0:
            await asyncio.sleep(0)
    for count, premises in enumerate(list(rig.premises.values()), 1):
        for device in premises.devices():
            found.up.add_metric([name_of(device)], device.ready)
            found.boots.add_metric([name_of(device)], device.boots)
        if isinstance(premises.hub, Hub):
            _add_han(found, premises.name, premises.hub)
        if count % AT_ONCE == 0:
            await asyncio.sleep(0)
    for (device, event), number in list(rig.events.counts.items()):
        found.events.add_metric([device, event], number)
        if event.startswith(_TOKEN):
            found.tokens.add_metric([device, event.removeprefix(_TOKEN)], number)
    for fault, number in list(rig.events.faults.items()):
        found.injections.add_metric([fault], number)
    _add_faults(found, list(rig.faults))
    return found.all()


def _add_port(found: _Families, name: str, port: Port) -> None:
    device, _, short = name.rpartition("/")
    labels = [device, short]
    counted = port.statistics()
    for what, (unit, direction) in _TRAFFIC.items():
        family = found.octets if unit == "octets" else found.frames
        family.add_metric([*labels, direction], counted[what])
    for what, count in counted.items():
        if what not in _NO_ERRORS and count:
            found.errors.add_metric([*labels, what], count)
    found.connected.add_metric(labels, port.present)
    found.lines.add_metric(labels, port.opened)
    latency = port.attachment.latency
    if latency is not None and latency.total_ns:
        buckets = [("+Inf" if bound is None else f"{bound / SECOND:g}", count) for bound, count in latency.buckets()]
        found.answers.add_metric(labels, buckets, latency.total_ns / SECOND)


def _add_han(found: _Families, premises: str, hub: Hub) -> None:
    han = hub.han
    found.formed.add_metric([premises], han.formed)
    on = sum(member.on for member in han.members)
    found.members.add_metric([premises, "yes"], on)
    found.members.add_metric([premises, "no"], len(list(han.members)) - on)
    found.log.add_metric([premises], len(list(han.log)))
    found.waiting.add_metric([premises], 0 if hub.mirror is None else hub.mirror.pending)
    for reason, count in han.air.dropped.items():
        found.dropped.add_metric([premises, reason], count)


def _add_faults(found: _Families, injections: list[Injection]) -> None:
    standing: dict[tuple[str, str, str, str], int] = {}
    for injection in injections:
        if not injection.over:
            fault = injection.fault
            key = injection.target, fault.name, fault.layer.name.lower(), injection.state.value
            standing[key] = standing.get(key, 0) + 1
    for key, count in standing.items():
        found.faults.add_metric(list(key), count)
