"""Firmware profiles: those delivered, what makes differ, and what is said of files that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.cosem.model import AttributeMode
from emulator.firmware import FirmwareProfile, HdlcSettings
from firmware_profiles import files, loader
from firmware_profiles.files import ProfileError
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.types import plain

ASSUMED = '"object" = "assumed"\n"association" = "assumed"\n"access" = "assumed"\n'
BASE = f'extends = "electricity-base"\n[provenance]\n{ASSUMED}'


def written(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(folder: Path, text: str) -> str:
    """What is said of a profile, without its path; it is one line."""
    path = written(folder, text)
    with pytest.raises(ProfileError) as refused:
        loader.check(path)
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith(path)
    return said.removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", files.names())
def test_every_profile_delivered_passes(name: str) -> None:
    profile = loader.check(name)
    assert profile.name == name
    assert name.startswith(profile.kind)


def test_there_are_bases_and_three_makes_of_electricity_meters() -> None:
    names = files.names()
    assert {"electricity-base", "gas-base", "hub-base"} <= set(names)
    assert not [name for name in names if name.startswith("_")]
    makes = {loader.load(name).make for name in names if name.startswith("electricity")}
    assert len(makes) >= 3


@pytest.mark.parametrize("name", files.names())
def test_every_value_has_a_provenance(name: str) -> None:
    profile = files.read(name)
    keys = list(files.leaves(files.merged(name)))
    assert len(keys) > (50 if profile.identity.kind == "display" else 100)
    assert all(files.provenance_of(profile.provenance, key) for key in keys)


def test_makes_differ_in_more_than_identity() -> None:
    as300p, lima1, lima2 = (loader.load(f"electricity-{name}") for name in ("as300p", "lima-1", "lima-2"))
    assert set(as300p.model.objects) - set(lima2.model.objects)
    assert set(lima2.model.objects) - set(lima1.model.objects)
    mechanisms = {
        profile.model.associations[profile.model.by_name["data_collection"]].mechanism
        for profile in (as300p, lima1, lima2)
    }
    assert len(mechanisms) == 2
    assert lima1.local and lima2.local and as300p.local
    assert len({lima1.local.limits, lima2.local.limits, as300p.local.limits}) == 3
    assert len({profile.local.turnaround for profile in (lima1, lima2, as300p) if profile.local}) == 3
    assert lima1.image and lima2.image and as300p.image
    assert len({lima1.image.block_size, lima2.image.block_size, as300p.image.block_size}) == 3
    assert lima2.supply and as300p.supply
    assert lima2.supply.control_mode != as300p.supply.control_mode
    assert lima2.buffers["load"].period != as300p.buffers["load"].period


ASPECTS: dict[str, Callable[[FirmwareProfile], object]] = {
    "object list": lambda profile: frozenset(profile.model.objects),
    "rights": lambda profile: tuple(
        (spec.name, tuple(sorted(key for key in profile.model.readers(index))))
        for index, spec in enumerate(profile.model.associations)
    ),
    "security": lambda profile: tuple(
        (spec.mechanism, spec.contexts, spec.policy, spec.conformance) for spec in profile.model.associations
    ),
    "largest APDUs": lambda profile: tuple(
        (spec.max_receive_pdu, spec.max_send_pdu) for spec in profile.model.associations
    ),
    "HDLC limits": lambda profile: (profile.local or hdlc_of(profile)).limits,
    "timings": lambda profile: (
        (profile.local or hdlc_of(profile)).turnaround,
        profile.boot_time,
        profile.image and (profile.image.verification_time, profile.image.activation_time),
        profile.clock.reserve,
    ),
    "image rules": lambda profile: profile.image and replace(profile.image, verification_time=0, activation_time=0),
    "sign-on": lambda profile: profile.optical,
}


def hdlc_of(profile: FirmwareProfile) -> HdlcSettings:
    assert profile.wan is not None
    return profile.wan


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("electricity-base", "electricity-as300p", {"security", "largest APDUs", "HDLC limits", "quirks"}),
        ("electricity-base", "electricity-lima-1", set()),
        ("electricity-base", "electricity-lima-2", {"quirks"}),
        ("electricity-as300p", "electricity-lima-1", set()),
        ("electricity-as300p", "electricity-lima-2", {"quirks"}),
        ("electricity-lima-1", "electricity-lima-2", {"sign-on"}),
        ("hub-base", "hub-lima", {"sign-on"}),
    ],
)
def test_makes_differ_in_everything_but(one: str, other: str, alike: set[str]) -> None:
    first, second = loader.load(one), loader.load(other)
    aspects = {**ASPECTS, "quirks": lambda profile: profile.quirks}
    assert {name for name, aspect in aspects.items() if aspect(first) == aspect(second)} == alike


REQUIRED = [(number, 0) for number in (1, 3, 4, 5, 6, 8, 9, 10, 11, 17, 18, 20, 21, 22, 41, 70, 71)]
REQUIRED += [(7, 1), (15, 0), (15, 1), (15, 2), (19, 1), (23, 1), (40, 0), (64, 0), (64, 1)]


def test_every_interface_class_is_served_somewhere() -> None:
    served = {
        (item.class_id, item.version) for name in files.names() for item in loader.load(name).model.objects.values()
    }
    assert served >= set(REQUIRED)


@pytest.mark.parametrize("name", [name for name in files.names() if name.startswith(("electricity", "gas"))])
def test_the_import_profile_holds_thirteen_months(name: str) -> None:
    """Thirteen months from a first of February of a leap year, or over one, have 397 days."""
    spec = loader.load(name).buffers["load"]
    assert spec.capacity * spec.period >= 397 * 86400


def test_an_hourly_profile_and_what_it_captures_agree() -> None:
    """Every periodic buffer of a make with an hourly import profile is hourly: the last interval is that of both."""
    for name in ("electricity-lima-1", "electricity-lima-2"):
        periods = {spec.period for spec in loader.load(name).buffers.values() if spec.period}
        assert periods == {3600}


def test_the_bench_has_every_mechanism_suite_and_association_class() -> None:
    bench = loader.load("electricity-bench")
    specs = bench.model.associations
    assert {spec.mechanism for spec in specs} == set(range(8))
    assert {spec.suite for spec in specs} == {0, 1, 2}
    assert {item.version for item in bench.model.objects.values() if item.class_id == 15} == {0, 1, 2}
    assert {item.version for item in bench.model.objects.values() if item.class_id == 64} == {0, 1}
    clients = [spec.client for spec in specs]
    assert len(set(clients)) == len(clients)


def test_rights_of_another_association_come_with_its_name() -> None:
    bench = loader.load("electricity-bench")
    management, gmac = (bench.model.by_name[name] for name in ("management", "suite2_gmac"))
    for item in bench.model.objects.values():
        assert item.access[gmac] == item.access[management], obis.text(item.logical_name)


@pytest.mark.parametrize("name", [name for name in files.names() if not name.startswith("display")])
def test_the_public_client_sees_who_a_device_is_and_no_more(name: str) -> None:
    model = loader.load(name).model
    public = model.by_name["public"]
    readable = {
        obis.text(item.logical_name)
        for item in model.objects.values()
        if any(mode.readable for index, mode in item.access[public].attributes.items() if index > 1)
    }
    assert {"0-0:42.0.0.255", "0-0:96.1.0.255", "0-0:1.0.0.255", "0-0:40.0.0.255", "0-0:43.1.2.255"} <= readable
    assert not [text for text in readable if ".8." in text and text.startswith(("1-0:", "7-0:"))]
    assert not [text for text in readable if text.startswith(("0-0:43.0.", "0-0:99.98.", "1-0:99."))]
    assert not any(mode.writable for item in model.objects.values() for mode in item.access[public].attributes.values())
    secret = next(item for item in model.objects.values() if item.class_id == 15)
    assert secret.access[public].attributes[7] is AttributeMode.NONE


@pytest.mark.parametrize("name", files.names())
def test_the_object_list_holds_what_an_association_can_see(name: str) -> None:
    model = loader.load(name).model
    for index in range(len(model.associations)):
        listed = plain(axdr.decode_all(model.object_list(index)))
        names = [(row[0], row[2]) for row in listed]
        assert len(set(names)) == len(names)
        assert (15, obis.parse("0-0:40.0.0")) in names
        assert (1, obis.parse("0-0:42.0.0")) in names
        visible = {(item.class_id, item.logical_name) for item in model.objects.values() if item.access[index]}
        assert visible == set(names)


def test_a_profile_is_compiled_once() -> None:
    assert loader.load("hub-base") is loader.load("hub-base")


def test_a_profile_of_ones_own_extends_those_delivered(tmp_path: Path) -> None:
    text = BASE + '[identity]\nmake = "Mine"\nflag_id = "MIN"\n[object."1-0:32.31.0"]\nremove = true\n'
    profile = loader.load(written(tmp_path, text))
    assert (profile.name, profile.make, profile.flag_id) == ("mine", "Mine", "MIN")
    assert len(profile.model.objects) == len(loader.load("electricity-base").model.objects) - 1


def test_bases_of_one_file_are_laid_over_each_other_in_order(tmp_path: Path) -> None:
    first = written(tmp_path, 'boot_s = 1.0\n[identity]\nmake = "First"\nmodel = "First"\n', "first.toml")
    second = written(tmp_path, '[identity]\nmake = "Second"\n', "second.toml")
    tables = files.merged(written(tmp_path, f'extends = ["{first}", "{second}"]\nboot_s = 3.0\n'))
    assert tables["identity"] == {"make": "Second", "model": "First"}
    assert tables["boot_s"] == 3.0


def test_an_unknown_profile_is_named_with_those_there_are() -> None:
    with pytest.raises(ProfileError, match=r"profile 'nothing': no such profile; known: display-base, .*hub-base"):
        loader.load("nothing")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[identity\n", "not a TOML file: "),
        ('extends = ["electricity-base", 5]\n', "extends: ['electricity-base', 5]: the name of one profile"),
        (BASE + "[local]\nbaud = 1234\n", "local.baud: 1234: must be 300, 600, "),
        (BASE + "[local]\nwindow_receive = 9\n", "local.window_receive: 9: must be less than or equal to 7"),
        (BASE + "[local]\nspeed = 1\n", "local.speed: unknown key; allowed are baud, inactivity_timeout_s, "),
        (BASE + '[identity]\nflag_id = "abc"\n', "identity.flag_id: 'abc': "),
        (BASE + '[object."1-0:9.9.9"]\nclass = 3\naccess = "public"\n', "object.1-0:9.9.9.title: missing"),
        (
            BASE + '[object."1-0:9.9.9"]\nclass = 3\ntitle = "x"\naccess = "public"\nsource = "nothing"\n',
            "object 1-0:9.9.9.255 (class 3): source 'nothing' is not a quantity of electricity meter; known: ",
        ),
        (
            BASE + '[object."1-0:9.9.9"]\nclass = 30\ntitle = "x"\naccess = "public"\n',
            "object 1-0:9.9.9.255 (class 30): no interface class of version 0; known: 1 v0, ",
        ),
        (
            BASE + '[object."1-0:9.9.9"]\nclass = 1\ntitle = "x"\naccess = "nobody"\n',
            "object 1-0:9.9.9.255 (class 1): access group 'nobody' is not defined; known: ",
        ),
        (
            BASE + '[object."1-0:9.9.9"]\nclass = 1\ntitle = "x"\naccess = "public"\nvalue = { u8 = 300 }\n',
            "object 1-0:9.9.9.255 (class 1): attribute 'value': 300: u8 is a whole number from 0 to 255",
        ),
        (
            BASE + '[object."1-0:9.9.9"]\nclass = 1\ntitle = "x"\naccess = "public"\nvalu = 1\n',
            "object 1-0:9.9.9.255 (class 1): no attribute 'valu'; known: value",
        ),
        (BASE + '[object."1-0:1.8"]\nclass = 1\ntitle = "x"\naccess = "public"\n', "object.1-0:1.8: logical name"),
        (BASE + "[access.public]\nnobody = {}\n", "access.public: no association 'nobody'; known: public, "),
        (BASE + '[association.public]\nrights = "x"\n', "association.public.rights: no association 'x'; known: "),
        (
            BASE + '[association.public]\nsecurity_setup = "0-0:43.0.9"\n',
            "association.public.security_setup: no object '0-0:43.0.9'",
        ),
        (
            BASE + '[association.public]\nmechanism = "magic"\n',
            "association.public.mechanism: 'magic': must be 'none', ",
        ),
        (BASE + "[log.nothing]\npower_up = 1\n", "log.nothing: "),
        (
            BASE + "[log.standard]\npower_gone = 1\n",
            "log.standard: no event 'power_gone'; known: ",
        ),
        (BASE + "[alarm]\npower_gone = { bit = 1 }\n", "alarm: no event 'power_gone'; known: "),
        (
            BASE + '[alert]\npower_gone = { codes = [1], push = "0-0:25.9.0" }\n',
            "alert: no event 'power_gone'; known: ",
        ),
        (
            BASE + '[alert]\npower_up = { codes = [1], push = "0-7:25.9.0" }\n',
            "alert.power_up.push: no object '0-7:25.9.0' of class 40",
        ),
        (
            BASE + '[alert]\npower_up = { codes = [1], push = "0-0:1.0.0" }\n',
            "alert.power_up.push: no object '0-0:1.0.0' of class 40",
        ),
        (BASE + '[alert]\npower_up = { codes = [], push = "0-0:25.9.0" }\n', "alert.power_up.codes: "),
        (BASE + '[alert]\npower_up = { codes = [65536], push = "0-0:25.9.0" }\n', "alert.power_up.codes.0: 65536: "),
        (BASE + '[error]\npower_up = { bit = 1, until = ["x"] }\n', "error.power_up.until: no event 'x'; known: "),
        (BASE + "[error]\npower_up = { bit = 32 }\n", "error.power_up.bit: 32: must be less than or equal to 31"),
        (BASE + "[power]\nrestart_v = 100\n", "power: {'minimum_v': 120, 'restart_v': 100, "),
        (BASE + "[quirks]\nsings = true\n", "quirks.sings: unknown key; allowed are closes_on_bad_counter, "),
        (BASE + '[object."1-0:99.1.0"]\nsort_method = 3\n', "object.1-0:99.1.0.sort_method: 3: must be 1 or 2"),
        (BASE + '[optical]\nbaud_code = "9"\n', "optical: baud code '9': mode C has 0, 1, 2, 3, 4, 5, 6"),
        (BASE + '[optical]\nmode = "A"\nbaud_code = "X"\n', "optical: mode E needs the sign-on of mode C"),
        (BASE + '[clock]\ndst_begin = "FF"\n', "clock.dst_begin: 'FF': 12 octets in hexadecimal"),
        (
            'extends = "electricity-base"\n[object."1-0:9.9.9"]\nclass = 1\ntitle = "x"\naccess = "public"\n'
            '[provenance]\n"object.1-0:9.9.9" = "rumour"\n',
            "provenance.object.1-0:9.9.9: 'rumour': must be 'standard', 'public source', 'assumed' or 'learnt'",
        ),
        ('boot_s = 3.0\n[identity]\nkind = "hub"\n', "identity.make: missing"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, text).startswith(said)


def test_a_value_without_provenance_is_refused(tmp_path: Path) -> None:
    base = written(tmp_path, (files.FOLDER / "_common.toml").read_text().replace('"clock" = "assumed"\n', ""), "c.toml")
    text = (files.FOLDER / "hub-base.toml").read_text().replace('["_common", ', f'["{base}", ')
    assert refusal(tmp_path, text).startswith("clock.drift_ppm: no provenance")


def test_a_profile_that_extends_itself_is_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(f'extends = "{second}"\n')
    second.write_text(f'extends = "{first}"\n')
    with pytest.raises(ProfileError, match="extends itself through"):
        loader.check(str(first))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProfileError, match="not a TOML file"):
        loader.check(str(path))
