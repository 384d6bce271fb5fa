"""A learnt profile behaves as the device it was learnt from, as the pydlms client sees both."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from firmware_profiles import loader
from rigs.learning import Learnt, clients, learn, survey
from rigs.read_options import ReadOptions
from rigs.running import RunningRig
from tests.rigs.key_files import key_file

if TYPE_CHECKING:
    from tests.interop.conftest import Meter, Peers

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

SERVER = Path(__file__).parent / "servers" / "pydlms_server.py"
Rigs = Callable[..., RunningRig]
MeterOf = Callable[..., "Meter"]


def started(smets1_rig: Rigs, kind: str, profile: str) -> RunningRig:
    """A device of a profile, alone in its dwelling unless it is a hub."""
    ports = {"wan": "tcp+hdlc:0"} if kind == "hub" else {"optical": "tcp+hdlc:0"}
    alone = {} if kind == "hub" else {"hub": None, "gas": None}
    dwelling = {"name": "home", **alone, kind: {"profile": profile, "ports": ports}}
    return smets1_rig({"clock": {"start": "2026-03-01T00:00:00Z", "mode": "stepped"}, "premises": [dwelling]})


def learnt(port: str, keys: Path | None, file: Path) -> Learnt:
    """What is learnt of a device, in its file."""
    found = asyncio.run(survey(port, clients(keys, ReadOptions()), lambda _what: None))
    made = learn(str(file), found)
    file.write_text(made.text, encoding="utf-8")
    loader.check(str(file))
    return made


def seen(peers: Peers, meter: Meter) -> dict[str, Any]:
    """What pydlms is shown by each association: conformance, and objects with rights and values."""
    (where,) = meter.running.ports.values()
    shown: dict[str, Any] = {}
    for association in meter.running.device.firmware.model.by_name:
        spec = {"transport": "tcp+hdlc", "where": where, **meter.client(association)}
        told = peers.client("pydlms", "pydlms_survey.py", spec)
        assert not told.errors, told.said
        shown[association] = told.facts["conformance"], told.results[0]
    return shown


@pytest.mark.parametrize(
    ("kind", "profile", "objects", "values"),
    [
        ("electricity", "electricity-base", 300, 1000),
        ("electricity", "electricity-lima-1", 300, 1000),
        ("hub", "hub-base", 120, 400),
    ],
)
def test_own_devices(
    smets1_rig: Rigs,
    meter_of: MeterOf,
    peers: Peers,
    tmp_path: Path,
    kind: str,
    profile: str,
    objects: int,
    values: int,
) -> None:
    original = meter_of(started(smets1_rig, kind, profile), kind)
    before = seen(peers, original)
    (where,) = original.running.ports.values()
    file = tmp_path / "learnt.toml"
    made = learnt(f"tcp+hdlc:{where}", key_file(original.running, tmp_path), file)
    assert (made.kind, made.notes, [form.value for form in made.forms]) == (kind, [], ["live"])
    again = meter_of(started(smets1_rig, kind, str(file)), kind)
    after = seen(peers, again)
    assert after == before
    one, other = original.running.device.firmware, again.running.device.firmware
    assert other.model.associations == one.model.associations
    assert other.buffers == one.buffers
    assert (other.make, other.model_name, other.version, other.flag_id) == (
        one.make,
        one.model_name,
        one.version,
        one.flag_id,
    )
    for quirk in ("ignores_release", "silent_before_association", "empty_title"):
        assert getattr(other.quirks, quirk) == getattr(one.quirks, quirk), quirk
    lines = other.wan if kind == "hub" else other.local, one.wan if kind == "hub" else one.local
    assert lines[0] == replace(lines[1], turnaround=lines[0].turnaround)
    assert sum(len(shown) for _, shown in before.values()) > objects
    assert sum(len(item[-1]) for _, shown in before.values() for item in shown) > values


def test_simulator_of_pydlms(smets1_rig: Rigs, meter_of: MeterOf, peers: Peers, tmp_path: Path) -> None:
    """A device that is not ours: objects, rights and values that stand still come back to its own client."""
    spec = {"clients": [[16, 0, ""]], "hdlc": True}
    command = [peers.python("pydlms"), str(SERVER), json.dumps(spec)]
    file = tmp_path / "learnt.toml"
    client = {"transport": "tcp+hdlc", "client": 16, "mechanism": "none"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            where = f"127.0.0.1:{int(process.stdout.readline())}"
            before = peers.client("pydlms", "pydlms_survey.py", {**client, "where": where})
            made = learnt(f"tcp+hdlc:{where}", None, file)
        finally:
            process.kill()
    assert not before.errors, before.said
    meter = meter_of(started(smets1_rig, "electricity", str(file)), "electricity")
    (where,) = meter.running.ports.values()
    after = peers.client("pydlms", "pydlms_survey.py", {**client, "where": where})
    assert not after.errors, after.said
    clock, association = "0.0.1.0.0.255", "0.0.40.0.0.255"
    ours = {item[2]: item for item in after.results[0]}
    theirs = {item[2]: item for item in before.results[0]}
    assert set(ours) == set(theirs) | {association}
    for name, item in theirs.items():
        assert ours[name][:6] == item[:6], name
        if name != clock:
            assert ours[name][6] == item[6], name
    assert len(theirs) > 10
    assert after.facts["conformance"] == before.facts["conformance"]
    assert sum(made.forms.values()) == len(ours)
