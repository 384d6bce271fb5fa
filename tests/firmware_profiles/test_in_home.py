"""Profiles of displays: those delivered, screens of several lines, and what is said of files that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.firmware import Ability, DisplaySettings, Notice
from firmware_profiles import loader
from protocols.zigbee.zcl.clusters.prepayment import TopUpResult

from .test_loader import refusal, written

BASE = 'extends = "display-base"\n'


def settings(name: str) -> DisplaySettings:
    found = loader.load(name).display
    assert found is not None
    return found


def test_a_ppmid_acts_and_an_ihd_does_not() -> None:
    ppmid, ihd = settings("display-base"), settings("display-ihd")
    assert (ppmid.abilities, ihd.abilities) == (frozenset(Ability), frozenset())
    assert ppmid.screens == ihd.screens
    assert ppmid.report_period == 10


def test_every_notice_has_words_of_its_own() -> None:
    notices = settings("display-base").notices
    assert set(notices) == set(Notice)
    assert len(set(notices.values())) == len(Notice)
    assert {Notice[result.name] for result in TopUpResult} <= set(Notice)


def test_a_screen_has_lines() -> None:
    screens = dict(settings("display-base").screens)
    assert screens["supply"].count("\n") == 0
    assert screens["gas"].count("\n") == 1


def test_a_display_speaks_no_dlms() -> None:
    profile = loader.load("display-base")
    assert not profile.model.associations
    assert profile.zigbee is not None and profile.zigbee.endpoints[0].device == 0x0502


def test_a_meter_may_have_lines_too(tmp_path: Path) -> None:
    text = 'extends = "electricity-base"\n[display.screen]\nbalance = ["Credit", "{balance} GBP"]\n'
    prepayment = loader.check(written(tmp_path, text)).prepayment
    assert prepayment is not None and prepayment.screens[0] == ("balance", "Credit\n{balance} GBP")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[display.screen]\nprice = ["{balance}"]\n',
            "display.screen.price: '{balance}': no field 'balance'; allowed are electricity_reading",
        ),
        ('[display.screen]\nprice = ["a", ""]\n', "display.screen.price: '': a display text has 1 to 80 printable"),
        (
            '[display.credit_screen]\nx = "y"\n',
            "display.credit_screen: a display has no mode; give its screens in display.screen",
        ),
        ('[in_home.notice]\nsent = "{"\n', "in_home.notice.sent: '{': "),
        ('[in_home.notice]\nstolen = "x"\n', "in_home.notice: no notice 'stolen'; known: sent, no_meter"),
        ('[in_home]\ngas_screens = ["oil"]\n', "in_home.gas_screens: no screen 'oil'; there are electricity, credit"),
        ('[in_home]\nabilities = ["arm", "arm"]\n', "in_home.abilities: ['arm', 'arm']: each of them once at most"),
        ("[in_home]\nreport_period_s = 0\n", "in_home.report_period_s: 0: must be greater than or equal to 1"),
        ("[in_home]\nbrightness = 1\n", "in_home.brightness: unknown key; allowed are abilities, answer_s"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, BASE + text).startswith(said)


def test_a_notice_without_words_is_missed(tmp_path: Path) -> None:
    text = Path(loader.find("display-base")).read_text().replace('sent = "Please wait"\n', "")
    assert refusal(tmp_path, text) == "in_home.notice.sent: missing"


@pytest.mark.parametrize("table", ["in_home", "display"])
def test_a_display_needs_both_its_tables(tmp_path: Path, table: str) -> None:
    lines = Path(loader.find("display-base")).read_text().splitlines()
    kept, inside = [], False
    for line in lines:
        if line.startswith("["):
            inside = line.startswith((f"[{table}]", f"[{table}."))
        if not inside:
            kept.append(line)
    assert refusal(tmp_path, "\n".join(kept)) == f"{table}: missing; a display needs in_home and display"


def test_a_meter_has_no_table_of_displays(tmp_path: Path) -> None:
    times = "report_period_s = 1\nrefresh_s = 10\nstale_s = 1\nanswer_s = 1\n"
    rest = "stale_mark = ''\nabilities = []\ngas_screens = []\nnotice = {}\n"
    text = f'extends = "gas-base"\n[provenance]\nin_home = "assumed"\n[in_home]\n{times}{rest}'
    assert refusal(tmp_path, text) == "in_home: a table of displays; this profile is of kind gas"
