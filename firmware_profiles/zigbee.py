"""The table ``zigbee`` of a profile, checked against the clusters and the quantities of its kind of device."""

from __future__ import annotations

import re
from collections.abc import Mapping

from emulator.cosem.model import ObjectModel
from emulator.firmware import Accept, EndpointSettings, ReportTo, ZigbeeSettings
from emulator.smart_energy.table import compile_tables
from emulator.time import SECOND
from firmware_profiles.schema import Profile, StaticText, Zigbee, ZigbeeEndpoint
from protocols.zigbee.zcl.clusters import CLUSTERS

_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
NAMES: Mapping[str, int] = {_CAPITAL.sub("_", cluster.name).lower(): id for id, cluster in CLUSTERS.items()}
"""Clusters by the name that profiles use: ``key_establishment``."""


def zigbee_settings(profile: Profile, model: ObjectModel) -> ZigbeeSettings | None:
    """What a profile says of its Zigbee application, None where it has none. ValueError in one line for what makes no
    sense."""
    table = profile.zigbee
    if table is None:
        return None
    numbers = [endpoint.number for endpoint in table.endpoint]
    repeated = [number for number in numbers if numbers.count(number) > 1 or number == table.mirror_endpoint]
    if repeated:
        raise ValueError(f"zigbee.endpoint: number {repeated[0]} is given more than once")
    settings = ZigbeeSettings(
        manufacturer=table.manufacturer,
        accept=Accept(table.accept),
        report_to=ReportTo(table.report_to),
        report_look=table.report_look_s * SECOND,
        transfer=table.transfer_octets,
        endpoints=tuple(_endpoint(table, endpoint) for endpoint in table.endpoint),
        attributes={
            _cluster("zigbee.attributes", name): {
                _attribute(f"zigbee.attributes.{name}", name, attribute): _source(value)
                for attribute, value in values.items()
            }
            for name, values in table.attributes.items()
        },
        pushed={
            _cluster("zigbee.push", name): tuple(_attribute(f"zigbee.push.{name}", name, each) for each in attributes)
            for name, attributes in table.push.items()
        },
        mirror=table.mirror_endpoint,
        tunnels=table.tunnels,
        tunnel_client=table.tunnel_client,
    )
    compile_tables(settings, model.kind)
    return settings


def _endpoint(table: Zigbee, endpoint: ZigbeeEndpoint) -> EndpointSettings:
    where = f"zigbee.endpoint {endpoint.number}"
    return EndpointSettings(
        number=endpoint.number,
        profile=table.profile if endpoint.profile is None else endpoint.profile,
        device=endpoint.device,
        version=endpoint.version,
        servers=tuple(_cluster(f"{where}: servers", name) for name in endpoint.servers),
        clients=tuple(_cluster(f"{where}: clients", name) for name in endpoint.clients),
    )


def _cluster(where: str, name: str) -> int:
    found = NAMES.get(name)
    if found is None:
        raise ValueError(f"{where}: no cluster {name!r}; known: {', '.join(NAMES)}")
    return found


def _attribute(where: str, cluster: str, name: str) -> int:
    attributes = CLUSTERS[NAMES[cluster]].attributes
    found = next((each.id for each in attributes.values() if each.name == name), None)
    if found is None:
        raise ValueError(f"{where}: the cluster has no attribute {name!r}")
    return found


def _source(value: int | str | StaticText) -> str | int | bytes:
    return value.text.encode("ascii") if isinstance(value, StaticText) else value
