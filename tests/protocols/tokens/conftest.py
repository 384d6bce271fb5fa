"""Official tokens and their keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from protocols.tokens.agreement import shared_secret
from protocols.tokens.gbcs import GbcsTokens

FOLDER = Path(__file__).parents[2] / "data" / "tokens"
PRIVATE = (FOLDER / "90b3d51f30010000-pp-ka.key").read_bytes()
CERTIFICATE = (FOLDER / "00db1234567890a0-ka.pem").read_bytes()
ORIGINATOR, TARGET = bytes.fromhex("90B3D51F30010000"), bytes.fromhex("00DB1234567890A0")


class Vector(NamedTuple):
    counter: int
    pence: int
    key: bytes | None
    utrn: str


def vectors() -> list[Vector]:
    read = json.loads((FOLDER / "vectors.json").read_text(encoding="ascii"))
    found: list[Vector] = []
    for entry in read:
        assert bytes.fromhex(entry["originator"] + entry["target"]) == ORIGINATOR + TARGET
        counter, rest = divmod(int(entry["counter"], 16), 1 << 32)
        assert rest == 0
        pence = entry["value"] * {"pounds": 100, "pence": 1}[entry["value_class"]]
        key = entry["aes_key"]
        found.append(Vector(counter, pence, key and bytes.fromhex(key), entry["utrn"]))
    return found


@pytest.fixture(scope="session")
def gbcs() -> GbcsTokens:
    return GbcsTokens(shared_secret(PRIVATE, CERTIFICATE), ORIGINATOR, TARGET)
