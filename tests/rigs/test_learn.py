"""``smets1 profiles learn``: what is read of a running device, and the profile that comes of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.cosem.classes import CLASSES
from emulator.cosem.compiler import compile_model
from emulator.cosem.model import STORED, AssociationSpec, Grant, ObjectSpec
from emulator.electricity import ELECTRICITY
from firmware_profiles import files, loader
from firmware_profiles.writing import toml_text
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.client import Attribute
from protocols.dlms.types import parse_type, type_text
from rigs.client import ClientError
from rigs.commands.profiles import LearnOptions, learn_profile
from rigs.learning import Survey, clients, learn, survey
from rigs.learning.survey import turnaround
from rigs.ports import PortError
from rigs.read_options import ReadOptions
from rigs.running import RunningDevice, RunningRig
from tests.rigs.key_files import key_file

Start = Callable[..., RunningDevice]
CLOCK = {"start": "2026-03-01T00:00:00Z", "mode": "stepped"}


@pytest.fixture
def start(smets1_rig: Callable[..., RunningRig]) -> Start:
    """Runs a meter of a profile on the ports it is given."""

    def run(profile: str, line: dict[str, bool] | None = None, **ports: str) -> RunningDevice:
        dwelling = {"name": "home", "hub": None, "gas": None, "electricity": {"profile": profile, "ports": ports}}
        return smets1_rig({"clock": CLOCK, "premises": [dwelling]}, line=line).premises["home"].electricity

    return run


def surveyed(port: str, keys: Path | None = None, **options: object) -> Survey:
    return asyncio.run(survey(port, clients(keys, ReadOptions(**options)), lambda _what: None))  # type: ignore[arg-type]


def test_a_learnt_meter_is_as_the_one_it_was_learnt_from(start: Start, tmp_path: Path) -> None:
    """Optical sign-on, two clients; objects, rights and every value that was read come back."""
    meter = start("electricity-lima-2", optical="pty:optical")
    keys = key_file(meter, tmp_path, "public", "data_collection")
    found = surveyed(f"optical:{meter.port}", keys)
    made = learn("learnt.toml", found)
    assert (made.kind, made.base) == ("electricity", "electricity-base")
    file = tmp_path / "learnt.toml"
    file.write_text(made.text, encoding="utf-8")
    profile = files.read(str(file))
    assert profile.optical is not None
    assert profile.local is not None
    assert (profile.optical.identification, profile.optical.mode_e) == ("LIMA-L1-2.4", True)
    limits = meter.device.firmware.local
    assert limits is not None
    assert profile.local.max_info_transmit == limits.limits.max_info_transmit
    assert profile.identity.flag_id == "LMA"
    assert not profile.quirks.silent_before_association
    again = start(str(file), optical="pty:again")
    twin = surveyed(f"optical:{again.port}", keys)
    assert [list(view.objects.items()) for view in twin.views] == [list(view.objects.items()) for view in found.views]
    assert len(found.values) > 150
    # What these clients may not read is not learnt: without its calendar the twin charges no rate.
    rates = {Attribute(3, obis.parse(f"1-0:1.8.{number}"), 2) for number in (1, 2)}
    assert {key for key, value in twin.values.items() if found.values[key] != value} <= rates
    assert twin.identification == found.identification
    assert twin.hdlc == found.hdlc == limits.limits
    assert [view.conformance for view in twin.views] == [view.conformance for view in found.views]


def test_everything_says_where_it_is_from(start: Start) -> None:
    meter = start("electricity-base", **{"local-tcp": "tcp:0"})
    made = learn("learnt.toml", surveyed(f"tcp:{meter.ports['local-tcp']}"))
    told = made.tables["provenance"]
    assert set(told.values()) == {"learnt", "assumed"}
    places = {"association.public.client", "object.1-0:0.2.0.access", "clock.time_zone_minutes", "identity.version"}
    assert {files.provenance_of(told, place) for place in places} == {"learnt"}
    for place in ("boot_s", "local.baud", "object.1-0:0.2.0.source", "image.header"):
        assert files.provenance_of(told, place) == "assumed", place
    assert tomllib.loads(made.text) == json.loads(json.dumps(made.tables))


def test_turnaround_is_measured(start: Start) -> None:
    meter = start("electricity-base", line={"turnaround": True}, optical="pty:optical")
    assert 19.0 < (surveyed(f"pty:{meter.port}").turnaround or 0.0) < 40.0


@pytest.mark.parametrize("paced", [False, True])
def test_the_time_on_the_wire_is_no_turnaround(paced: bool) -> None:
    octets = [9, 9, 26, 26, 26, 96]
    waits = [(20_000_000 + (number + 1) * 1_041_666 * paced, number) for number in octets]
    assert turnaround(waits, 9600) == 20.0


def test_nobody_is_let_in(start: Start, tmp_path: Path) -> None:
    meter = start("electricity-base", **{"local-tcp": "tcp:0"})
    keys = key_file(meter, tmp_path, "data_collection", "public")
    content = json.loads(keys.read_text())
    content[0]["associations"][0]["secret"] = "wrong"
    keys.write_text(json.dumps(content))
    port = f"tcp:{meter.ports['local-tcp']}"
    found = surveyed(port, keys)
    assert [view.client.name for view in found.views] == ["public"]
    assert len(found.notes) == 1
    assert "client 32 (data_collection) was not let in" in found.notes[0]
    del content[0]["associations"][1]
    keys.write_text(json.dumps(content))
    with pytest.raises(ClientError, match="refused the association"):
        surveyed(port, keys)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no JSON"),
        ("[]", "0 devices"),
        ("{}", "associations"),
        ('{"associations": []}', "associations"),
        ('{"associations": [{"name": "a b", "client": 1}]}', "name"),
        ('{"associations": [{"name": "a", "client": 0}]}', "client"),
        ('{"associations": [{"name": "a", "client": 1, "auth": "magic"}]}', "magic"),
        ('{"associations": [{"name": "a", "client": 1, "auth": "gmac"}]}', "GMAC needs"),
        ('{"associations": [{"name": "a", "client": 1, "context": "x"}]}', "plain or ciphered"),
        ('{"associations": [{"name": "a", "client": 1}, {"name": "b", "client": 1}]}', "client 1 is given twice"),
        ('{"associations": [{"name": "a", "client": 1}, {"name": "a", "client": 2}]}', "name a is given twice"),
    ],
)
def test_wrong_key_files(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(ClientError, match=problem) as error:
        clients(file, ReadOptions())
    assert "\n" not in str(error.value)


def test_the_command(start: Start, tmp_path: Path) -> None:
    meter = start("electricity-base", **{"local-tcp": "tcp:0"})
    port, file = f"tcp:{meter.ports['local-tcp']}", tmp_path / "mine.toml"

    command = [sys.executable, "-m", "rigs", "profiles", "learn", port, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "electricity, " in done.stdout
    assert loader.check(str(file)).make == "Generic"
    other = tmp_path / "other.toml"
    for where, path, kind, base, problem in (
        (port, file, "", "", "is there already"),
        (port, tmp_path / "mine.txt", "", "", "ends in .toml"),
        (port, other, "fridge", "", "--kind fridge"),
        (port, other, "gas", "electricity-base", "of kind electricity, not gas"),
        (port, other, "", "none-such", "no such profile"),
        ("tcp:127.0.0.1:9", other, "", "", "nobody listens there"),
        (port, tmp_path / "absent" / "mine.toml", "", "", "no such"),
    ):
        with pytest.raises((ClientError, PortError, files.ProfileError), match=problem) as error:
            learn_profile(where, path, LearnOptions(None, kind, base, ReadOptions()))
        assert "\n" not in str(error.value)
    assert not other.exists()


# -- what it is built from --------------------------------------------------------------------------------------------

_SIMPLE = st.one_of(
    st.integers(0, 255).map(axdr.u8),
    st.integers(-(1 << 31), (1 << 31) - 1).map(axdr.i32),
    st.integers(0, (1 << 64) - 1).map(axdr.u64),
    st.booleans().map(axdr.boolean),
    st.binary(max_size=14).map(axdr.octets),
    st.text("01", max_size=12).map(axdr.bits),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8).map(axdr.visible),
    st.just(axdr.NULL),
)
_DATA = st.recursive(
    _SIMPLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(axdr.array),
        st.lists(inner, max_size=4).map(lambda parts: axdr.structure(*parts)),
    ),
    max_leaves=12,
)


@given(_DATA)
def test_any_value_is_written_and_read_again(encoded: bytes) -> None:
    written = parse_type("any").written(axdr.decode_all(encoded))
    kept = tomllib.loads(toml_text({"value": written}))["value"]
    assert parse_type("any").encode(kept) == encoded


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("u16", axdr.u16(7)),
        ("oct", axdr.octets(b"a name")),
        ("oct", axdr.octets(b"hex:00")),
        ("oct6", axdr.octets(obis.parse("1-0:1.8.0"))),
        ("st{i8,enum}", axdr.structure(axdr.i8(-1), axdr.enum_(35))),
        ("arr st{u16,oct6}", axdr.array([axdr.structure(axdr.u16(3), axdr.octets(bytes(6)))])),
        ("u8|i8", axdr.i8(-3)),
        ("st{u8,any}", axdr.structure(axdr.u8(1), axdr.array([]))),
    ],
)
def test_a_value_of_a_type_is_written_and_read_again(text: str, encoded: bytes) -> None:
    data_type = parse_type(text)
    assert data_type.encode(data_type.written(axdr.decode_all(encoded))) == encoded


def test_what_cannot_be_told_apart_is_not_written() -> None:
    with pytest.raises(ValueError, match="another of the types"):
        parse_type("u8|u16").written(axdr.decode_all(axdr.u16(7)))
    with pytest.raises(ValueError, match="raw"):
        parse_type("raw").encode("zz")
    assert type_text(axdr.decode_all(axdr.array([axdr.u8(1), axdr.NULL]))) == "arr any"


@given(
    st.recursive(
        st.one_of(st.integers(-(1 << 62), 1 << 62), st.booleans(), st.text(max_size=8), st.floats(-1e9, 1e9)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
        max_leaves=12,
    )
)
def test_tables_as_toml(value: object) -> None:
    tables = {"plain": 1, "section": {"a": value, "b.c": {"d": value}}, "empty": {}}
    assert tomllib.loads(toml_text(tables)) == tables


def test_stored_objects_keep_what_they_are_given() -> None:
    association = AssociationSpec("public", 16, obis.parse("0-0:40.0.1"), (1,), 0, 0, 1024, 1024)
    values = {"attribute_2": {"u32": 5}, "attribute_9": {"raw": "00"}, "methods": [1, 3]}
    spec = ObjectSpec(9901, 7, obis.parse("0-0:96.50.0"), "Its own", "all", STORED, values)
    grant = Grant(frozenset("*"), frozenset(("attribute_2",)), frozenset(("method_3",)))
    model = compile_model(ELECTRICITY, (association,), [spec], {"all": {"public": grant}}, CLASSES)
    (found,) = model.objects.values()
    assert (found.class_id, found.version, sorted(found.attributes), sorted(found.methods)) == (
        9901,
        7,
        [1, 2, 9],
        [1, 3],
    )
    assert model.by_class == {}
    reader = model.readers(0)[Attribute(9901, spec.logical_name, 9).encode()]
    device = type("Device", (), {"values": {}})()
    view = type("View", (), {"device": device})()
    assert reader(view) == axdr.NULL  # type: ignore[arg-type]
    for wrong in ({"attribute_1": {"u8": 1}}, {"value": {"u8": 1}}, {"methods": ["one"]}, {"attribute_2": 5}):
        bad = ObjectSpec(9901, 7, spec.logical_name, "", "all", STORED, wrong)
        with pytest.raises(ValueError, match=r"0-0:96\.50\.0"):
            compile_model(ELECTRICITY, (association,), [bad], {"all": {}}, CLASSES)
