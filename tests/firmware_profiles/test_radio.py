"""The radio processor of a hub, as profiles have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.firmware import RadioProtocol
from firmware_profiles.loader import ProfileError, load


def test_hubs_have_one_and_say_what_it_speaks() -> None:
    assert {name: radio.protocol for name in ("hub-base", "hub-lima", "hub-znp") if (radio := load(name).radio)} == {
        "hub-base": RadioProtocol.EZSP,
        "hub-lima": RadioProtocol.EZSP,
        "hub-znp": RadioProtocol.ZNP,
    }
    radio = load("hub-base").radio
    assert radio is not None
    assert (radio.baud, radio.version) == (115200, (7, 4, 4))


def test_meters_have_none() -> None:
    assert load("electricity-base").radio is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("protocol", '"spi"'),
        ("baud", "1200"),
        ("version", '"7.4"'),
        ("version", '"7.400.1"'),
        ("board", '"a text too long is"'),
    ],
)
def test_what_a_processor_cannot_be_is_told_by_its_key(tmp_path: Path, key: str, value: str) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(f'extends = "hub-base"\n[provenance]\n"radio" = "assumed"\n[radio]\n{key} = {value}\n')
    with pytest.raises(ProfileError, match=rf"radio\.{key}"):
        load(str(file))
