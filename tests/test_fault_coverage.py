"""The catalogue of faults as a whole: what each entry has to say, and that an independent client has seen each."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from emulator.faults.catalogue import CATALOGUE, MODULES
from emulator.faults.fault import Fault, Layer
from emulator.faults.parameters import Number, Word
from rigs.cli import main

INTEROP = Path(__file__).parent / "interop"
REFERENCE = Path(__file__).parent.parent / "emulator" / "faults" / "README.md"
KINDS = {"hub", "electricity", "gas", "display"}
LEAST = 60
SHORTEST = 6
ADDRESSES = {("client", None), ("block", None), ("more", "wrong-invoke-id")}
"""Parameters that say which one and not how many, so that they have no unit: of all faults, or of one."""


def marks() -> Iterator[tuple[str, str]]:
    """Names in ``pytest.mark.fault("name")`` of the interop tests and of their parameters, and where they stand."""
    for file in sorted(INTEROP.glob("test_faults_*.py")):
        module = import_module(f"tests.interop.{file.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_") and callable(test):
                for mark in _all_marks(getattr(test, "pytestmark", [])):
                    if mark.name == "fault":
                        yield mark.args[0], f"{file.name}: {name}"


def _all_marks(marks: Iterable[pytest.Mark]) -> Iterator[pytest.Mark]:
    """Marks of a test, and those of the values that it is parametrised by."""
    for mark in marks:
        yield mark
        if mark.name == "parametrize":
            for value in mark.args[1]:
                for one in getattr(value, "marks", ()):
                    yield one if isinstance(one, pytest.Mark) else one.mark


def test_every_fault_is_seen_by_an_independent_client() -> None:
    seen = {name for name, _ in marks()}
    missing = [name for name in CATALOGUE if name not in seen]
    assert not missing, f"no interop test is marked with pytest.mark.fault of: {', '.join(missing)}"


def test_no_mark_is_of_an_unknown_fault() -> None:
    assert [f"{where}: {name}" for name, where in marks() if name not in CATALOGUE] == []


def test_how_many_there_are() -> None:
    assert len(CATALOGUE) == sum(len(module.FAULTS) for module in MODULES)  # no name twice
    assert len(CATALOGUE) >= LEAST
    by_layer = Counter(fault.layer for fault in CATALOGUE.values())
    assert [layer.name for layer in Layer if not by_layer[layer]] == []


def test_what_each_fault_says_of_itself() -> None:
    assert [f"{fault.name}: {wrong}" for fault in CATALOGUE.values() for wrong in _complaints(fault)] == []


def _complaints(fault: Fault) -> Iterator[str]:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fault.name):
        yield "its name is not of small letters, digits and -"
    if not fault.kinds or not set(fault.kinds) <= KINDS:
        yield "kinds of devices"
    if not fault.symptoms:
        yield "no symptoms"
    for text in (fault.text, fault.truth, fault.ends, *fault.symptoms):
        if len(text) < SHORTEST or text != text.strip() or text.endswith("."):
            yield f"a text that says nothing, or has its own full stop: {text!r}"
    names = [parameter.name for parameter in fault.parameters]
    if len(names) != len(set(names)):
        yield "two parameters of one name"
    for parameter in fault.parameters:
        if not parameter.text or not parameter.range:
            yield f"{parameter.name}: no text, or no range"
        match parameter:
            case Number():
                if not parameter.unit and ADDRESSES.isdisjoint(((parameter.name, None), (parameter.name, fault.name))):
                    yield f"{parameter.name}: has no unit"
                if not parameter.least <= parameter.default <= parameter.most:
                    yield f"{parameter.name}: its default is out of range"
            case Word():
                if len(parameter.words) < 2:
                    yield f"{parameter.name}: nothing to choose"
            case _:
                pass


def test_the_reference_is_up_to_date(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["smets1", "fault", "list", "--markdown"])
    with pytest.raises(SystemExit):
        main()
    wanted = "run: smets1 fault list --markdown > emulator/faults/README.md"
    assert capsys.readouterr().out == REFERENCE.read_text(encoding="utf-8"), wanted
