"""The table zigbee of a profile: endpoints, what stands behind attributes, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.firmware import Accept, ReportTo, ZigbeeSettings
from firmware_profiles import files, loader
from firmware_profiles.zigbee import NAMES
from protocols.zigbee.zcl.clusters import CLUSTERS

from .test_loader import refusal, written

METERS = [name for name in files.names() if name.startswith(("electricity", "gas"))]


def settings(name: str) -> ZigbeeSettings:
    found = loader.load(name).zigbee
    assert found is not None
    return found


@pytest.mark.parametrize("name", METERS)
def test_every_meter_declares_its_endpoint(name: str) -> None:
    found = settings(name)
    (endpoint,) = found.endpoints
    assert endpoint.profile == (0x0104 if name.endswith("-ha") else 0x0109)
    assert (endpoint.number, endpoint.device) == (1, 0x0501)
    assert {0x0000, 0x000A, 0x0702, 0x0705, 0x0800} <= set(endpoint.servers)
    assert set(found.attributes) <= set(endpoint.servers)
    assert (found.accept, found.report_to) == (Accept.LENIENT, ReportTo.CONFIGURER)


def test_a_hub_has_room_for_a_mirror() -> None:
    found = settings("hub-base")
    assert found.mirror not in (0, *(endpoint.number for endpoint in found.endpoints))
    assert found.endpoints[0].device == 0x0500


def test_clusters_have_names_of_their_own() -> None:
    assert len(NAMES) == len(CLUSTERS)
    assert NAMES["key_establishment"] == 0x0800


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ('[zigbee]\naccept = "sometimes"', "zigbee.accept: 'sometimes': must be 'strict' or 'lenient'"),
        (
            "[zigbee.attributes.metring]\nDivisor = 1",
            "zigbee.attributes: no cluster 'metring'; known: basic, identify,",
        ),
        ("[zigbee.attributes.metering]\nDivizor = 1", "zigbee.attributes.metering: the cluster has no attribute 'Div"),
        ("[zigbee.attributes.metering]\nDivisor = 16777216", "Metering.Divisor: 16777216: must be 0 to 16777214"),
        ("[zigbee.attributes.metering]\nSiteID = 5", "Metering.SiteID: 5: text or a quantity, as { text = '..' }"),
        (
            '[zigbee.attributes.metering]\nDivisor = { text = "x" }',
            "Metering.Divisor: text for an attribute of type U24",
        ),
        ('[zigbee.attributes.metering]\nDivisor = "energy.exprot"', "'energy.exprot' is not a quantity of electricity"),
        ('[zigbee.attributes.metering]\nDivisor = "energy.import.tou.0"', "tariff registers are numbered from 1 to 48"),
        ('[zigbee.attributes.metering]\nDivisor = "identity.serial"', "a quantity of type oct does not go into U24"),
        (
            '[zigbee.attributes.metering]\nSiteID = "energy.import"',
            "Metering.SiteID: a quantity of type u32 is no text",
        ),
        (
            "[zigbee.attributes.keep_alive]\nTCKeepAliveBase = 5",
            "zigbee.attributes: no endpoint has a server of KeepAliv",
        ),
        ('[zigbee.push]\nmetering = ["HoursInFault"]', "HoursInFault of Metering is not among zigbee.attributes"),
        ("[zigbee]\nmirror_endpoint = 1", "zigbee.endpoint: number 1 is given more than once"),
        (
            "[[zigbee.endpoint]]\nnumber = 300\ndevice = 1\nservers = []\nclients = []",
            "zigbee.endpoint.0.number: 300: must be less than or equal to 240",
        ),
    ],
)
def test_wrong_tables_are_explained(tmp_path: Path, changes: str, expected: str) -> None:
    assert expected in refusal(tmp_path, f'extends = "electricity-base"\n{changes}\n')


def test_a_make_changes_what_it_does_differently(tmp_path: Path) -> None:
    text = """extends = "gas-base"
[zigbee]
profile = 0x0104
accept = "strict"
[zigbee.attributes.metering]
Divisor = 100
"""
    found = loader.check(written(tmp_path, text)).zigbee
    assert found is not None
    assert (found.accept, found.endpoints[0].profile) == (Accept.STRICT, 0x0104)
    assert found.attributes[0x0702][0x0302] == 100
    assert found.attributes[0x0702][0x0300] == 1
