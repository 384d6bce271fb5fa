from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigs.config import ConfigError, RigConfig, load_rig, parse_rig, rig_of, schema
from rigs.driver import ClockMode
from rigs.ports import LineOptions
from rigs.template import TEMPLATE

ROOT = Path(__file__).parents[2]


def test_no_file_is_one_dual_fuel_premises() -> None:
    (premises,) = load_rig().specs
    ports = [str(port) for device in premises.devices() for port in device.ports.values()]
    assert ports == ["pty:./home-hub", "tcp:127.0.0.1:4059", "pty:./home-electricity"]
    assert [device.kind for device in premises.devices()] == ["hub", "electricity", "gas", "display"]


def test_the_file_that_init_writes_is_the_built_in_rig() -> None:
    assert parse_rig(TEMPLATE).specs == load_rig().specs
    assert parse_rig(TEMPLATE).config.clock.runs is ClockMode.REAL
    everything = re.sub(r"(?m)^# (\w+ = |\[)", r"\1", TEMPLATE)
    config = RigConfig.model_validate(tomllib.loads(everything))
    assert config.clock.rate == 60
    assert config.panel is not None and config.relay_board is not None
    faults = parse_rig(everything.replace('file = "load.csv"', "")).faults
    assert [spec.target for spec in faults] == ["home/gas", "home/electricity"]
    assert config.premises[0].hub.keys.keys() == {"management.encryption", "master"}


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((ROOT / "rigs/schema/rig.schema.json").read_text(encoding="utf-8"))
    assert published == schema()


def test_every_setting_is_explained_to_editors() -> None:
    content: Any = schema()
    for model in content["$defs"].values():
        for name, setting in model["properties"].items():
            assert "description" in setting or "$ref" in setting or "anyOf" in setting, name


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_examples_are_good(path: Path) -> None:
    assert load_rig(path).specs


def test_many_premises_count_their_ports_up() -> None:
    rig = rig_of(
        {
            "premises": [
                {
                    "name": "road",
                    "count": 3,
                    "hub": {"ports": {"wan": "pty:./{premises}-hub", "wan-tcp": "tcp:{4059+n}"}},
                    "electricity": {"ports": {"optical": "pty:./e{n}"}},
                    "gas": None,
                }
            ]
        }
    )
    assert [spec.name for spec in rig.specs] == ["road-0", "road-1", "road-2"]
    last = [str(port) for device in rig.specs[2].devices() for port in device.ports.values()]
    assert last == ["pty:./road-2-hub", "tcp:127.0.0.1:4061", "pty:./e2"]
    assert rig.specs[0].gas is None


def test_a_display_is_there_where_the_file_has_one() -> None:
    text = "[[premises]]\nname = 'a'\n[[premises]]\nname = 'b'\n[premises.display]\nprofile = 'display-ihd'\n"
    without, with_one = parse_rig(text).specs
    assert without.display is None
    assert with_one.display is not None
    assert (with_one.display.kind, with_one.display.profile) == ("display", "display-ihd")
    assert not with_one.display.ports


@pytest.mark.parametrize("key", ["ports", "load", "point", "prepayment"])
def test_a_display_has_nothing_of_a_meter(key: str) -> None:
    with pytest.raises(
        ConfigError, match=f"premises.0.display.{key}: unknown key; allowed are eui64, keys, profile, s"
    ):
        parse_rig(f"[[premises]]\n[premises.display.{key}]\n")


def test_a_device_may_have_a_line_of_its_own() -> None:
    rig = parse_rig("[line]\npacing = true\n[[premises]]\n[premises.hub.line]\necho = true\nbaud = false\n")
    hub, electricity, _ = rig.specs[0].devices()
    assert hub.line == LineOptions(baud=False, echo=True)
    assert electricity.line == LineOptions(pacing=True)


def test_keys_are_octets_or_text() -> None:
    rig = parse_rig('[[premises]]\n[premises.hub.keys]\nmaster = "00 11 22"\n"collect.secret" = "text:Password"\n')
    hub = rig.specs[0].hub
    assert hub is not None
    assert hub.keys == {"master": b"\x00\x11\x22", "collect.secret": b"Password"}


def test_files_are_found_beside_the_rig_file(tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text("")
    file = tmp_path / "rig.toml"
    file.write_text(
        '[[premises]]\n[premises.electricity]\nprofile = "./mine.toml"\nload = { kind = "csv", file = "load.csv" }\n'
    )
    electricity = load_rig(file).specs[0].electricity
    assert electricity is not None
    assert electricity.load.file == str(tmp_path / "load.csv")
    assert electricity.profile == str(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("clock", "mode", "start"),
    [
        ({}, ClockMode.REAL, None),
        ({"rate": 60}, ClockMode.ACCELERATED, None),
        ({"mode": "stepped", "start": "2026-01-01T00:00:00.5Z"}, ClockMode.STEPPED, 1_767_225_600_500_000_000),
        ({"start": "2026-01-01T01:00:00+01:00"}, ClockMode.REAL, 1_767_225_600_000_000_000),
    ],
)
def test_clocks(clock: dict[str, object], mode: ClockMode, start: int | None) -> None:
    config = RigConfig.model_validate({"clock": clock}).clock
    assert (config.runs, config.start_ns) == (mode, start)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = ", "not TOML"),
        ("sead = 1", "sead: unknown key; allowed are bus, clock, faults, line, panel, premises, relay_board, seed"),
        ("seed = -1", "seed: -1: must be greater than or equal to 0"),
        ('[clock]\nmode = "fast"', "clock.mode: fast: must be 'real', 'accelerated' or 'stepped'"),
        ("[clock]\nrate = 0", "clock.rate: 0: must be greater than 0"),
        ("[clock]\nstart = 2026-01-01T00:00:00", "clock.start: .*with its zone"),
        ("premises = []", "premises: .*at least 1"),
        (
            "[[premises]]\n[premises.hub]\nprofil = 'x'",
            "premises.0.hub.profil: unknown key; allowed are adaptor, address, eui64, keys",
        ),
        ("[[premises]]\n[premises.hub]\nports = { wan = 'tty:x' }", "hub.ports.wan: tty:x: not a port; write pty"),
        ("[[premises]]\n[premises.hub]\nports = { wan-tcp = 'tcp:99999' }", "wan-tcp: tcp:99999: port number .*65535"),
        ("[[premises]]\n[premises.hub]\nkeys = { master = 'xyz' }", "premises.0.hub.keys: master: hexadecimal[^(]*$"),
        ("[[premises]]\n[premises.gas]\nserial = 'äöü'", "premises.0.gas.serial: äöü: String should match"),
        ("[[premises]]\n[premises.gas]\nload = { kind = 'constant' }", "needs a value"),
        ("[[premises]]\n[premises.gas]\nload = { kind = 'csv' }", "needs a file"),
        ("[[premises]]\n[premises.gas]\nload = { kind = 'csv', file = 'no.csv' }", "gas.load.file: no.csv: no such"),
        ("[[premises]]\n[[premises]]", "premises.1.name: home: each premises has a name"),
        (
            "[[premises]]\nhub.ports.wan = 'pty:./x'\nelectricity.ports.optical = 'pty:x'",
            "electricity.ports.optical: pty:x: already the port of home/hub/wan",
        ),
        ("[[faults]]\nfault = 'radio-off'", "faults.0.device: missing"),
        (
            "[[faults]]\nfault = 'radio-of'\ndevice = 'home/gas'",
            "faults.0.fault: radio-of: no such fault; `smets1 fault",
        ),
        (
            "[[faults]]\nfault = 'radio-off'\ndevice = 'home/ihd'",
            "faults.0.device: home/ihd: no such device; there are home/display, home/electricity, home/gas, home/hub",
        ),
        (
            "[[faults]]\nfault = 'mirror-refused'\ndevice = 'home/gas'",
            "faults.0.device: home/gas: mirror-refused is a fault of: hub",
        ),
        (
            "[[faults]]\nfault = 'interference'\ndevice = 'home/hub'\nparameters = { level = 99 }",
            "faults.0: interference: level: 99: must be -100 to 10 dBm",
        ),
        (
            "[[faults]]\nfault = 'radio-off'\ndevice = 'home/gas'\nwhen = 'frame 5'",
            "faults.0: radio-off: when: frame 5: is a condition of: hub, electricity",
        ),
        (
            "[[faults]]\nfault = 'radio-off'\ndevice = 'home/gas'\nlasts = 'long'",
            "faults.0.lasts: long: a span of time such as 90s",
        ),
        (
            "[[faults]]\nfault = 'radio-off'\ndevice = 'home/gas'\nat = 2026-01-01T00:00:00Z\nafter = '1h'",
            "faults.0: either at or after",
        ),
        (
            "[[faults]]\nfault = 'radio-off'\ndevice = 'home/gas'\nat = 2026-01-01T00:00:00",
            "faults.0.at: .*with its zone",
        ),
        (
            "[[premises]]\ngas.serial = '1'\n[[premises.faults]]\nfault = 'radio-off'\ndevice = 'display'",
            "premises.0.faults.0.device: display: these premises have none",
        ),
        (
            "[[premises]]\ncount = 201\n" + 50 * "[[premises.faults]]\nfault = 'radio-off'\ndevice = 'gas'\n",
            "faults: 10050 injections; a rig has at most 10000 at once",
        ),
        (
            "[[premises]]\n[[premises.faults]]\nfault = 'radio-off'\ndevice = 'gas'\nnth = 2\nshare = 0.5",
            "premises.0.faults.0: either nth or share",
        ),
        (
            "[[premises]]\ncount = 2\nhub.ports.wan-tcp = 'tcp:4059'",
            r"the port of home-0/hub/wan-tcp; use \{premises\}",
        ),
    ],
)
def test_what_is_wrong_is_one_line_that_says_where(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_rig(text, Path("rig.toml"))
    message = str(caught.value)
    assert message.startswith("rig.toml: ")
    assert "\n" not in message


def test_faults_of_a_device_of_each_of_every_nth_and_of_a_share_of_the_premises() -> None:
    def targets(seed: int = 1) -> list[list[str]]:
        text = f"seed = {seed}\n[[faults]]\nfault = 'radio-off'\ndevice = 'road-3/gas'\nwhen = 'time 12:00'\n"
        text += "[[premises]]\nname = 'road'\ncount = 10\n"
        for more in ("", "nth = 4", "share = 0.3", "share = 0.01"):
            text += f"[[premises.faults]]\nfault = 'antenna-off'\ndevice = 'electricity'\n{more}\n"
        found: dict[str, list[str]] = {}
        for spec in parse_rig(text).faults:
            found.setdefault(spec.where, []).append(spec.target)
        return list(found.values())

    one, each, nth, share, least = targets()
    assert one == ["road-3/gas"]
    assert each == [f"road-{number}/electricity" for number in range(10)]
    assert nth == ["road-0/electricity", "road-4/electricity", "road-8/electricity"]
    assert len(share) == 3 and set(share) <= set(each) and len(least) == 1
    assert targets() == [one, each, nth, share, least]
    assert len({tuple(targets(seed)[3]) for seed in range(5)}) > 1


def test_ports_that_the_system_chooses_may_be_many() -> None:
    assert len(parse_rig("[[premises]]\ncount = 5\nhub.ports.wan-tcp = 'tcp:0'").specs) == 5


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_rig(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="is a directory"):
        load_rig(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_rig(tmp_path / "binary.toml")


tables = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("seed", "clock", "line", "premises", "hub", "gas", "ports", "name", "count", "mode", "faults", "fault")
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(("seed", "clock", "line", "premises", "faults")), tables))
def test_whatever_a_file_holds_the_answer_is_a_rig_or_one_line(content: dict[str, Any]) -> None:
    try:
        rig_of(content)
    except ConfigError as error:
        assert "\n" not in str(error)
