"""The Robot Framework library, as Robot Framework runs it."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from rigs.robot import Smets1

SUITE = Path(__file__).parents[2] / "examples" / "power.robot"


def run(suite: Path, folder: Path) -> tuple[int, str, dict[str, str]]:
    """Exit code, what was printed, and the status of each test."""
    words = [sys.executable, "-m", "robot", "--outputdir", str(folder), "--log", "NONE", "--report", "NONE", str(suite)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=110, check=False)
    found = ElementTree.parse(folder / "output.xml").getroot().iter("test")
    return done.returncode, done.stdout + done.stderr, {test.get("name", ""): _status(test) for test in found}


def _status(test: ElementTree.Element) -> str:
    status = test.find("status")
    assert status is not None
    return status.get("status", "")


def test_the_suite_of_the_examples_passes(tmp_path: Path) -> None:
    code, said, tests = run(SUITE, tmp_path)
    assert code == 0, said
    assert len(tests) >= 4
    assert set(tests.values()) == {"PASS"}
    assert not list(tmp_path.glob("smets1-control.json"))


def test_what_is_not_done_fails_with_one_line(tmp_path: Path) -> None:
    suite = tmp_path / "refused.robot"
    suite.write_text(
        "*** Settings ***\n"
        "Library    rigs.robot.Smets1    folder=${OUTPUT DIR}\n"
        "*** Test Cases ***\n"
        "Nobody\n"
        "    Power    home/electricity\n"
        "No Such Device\n"
        "    Start Rig\n"
        "    TRY\n"
        "        Power Off    home/ihd\n"
        "    FINALLY\n"
        "        Stop Rig\n"
        "    END\n"
    )
    code, said, tests = run(suite, tmp_path)
    assert code == 2
    assert set(tests.values()) == {"FAIL"}
    assert "no rig runs in this folder" in " ".join(said.split())
    assert "home/ihd: no such device; there are hub, electricity, gas, display" in " ".join(said.split())


def test_there_is_a_keyword_for_every_verb_of_the_api() -> None:
    from rigs.control.api import make_app

    asked = set(re.findall(r"_(?:at|do|client\.(?:get|post|text))\(([^\n]*)", inspect.getsource(Smets1)))
    words = {word for call in asked for word in re.findall(r'"([a-z-]+)"', call)}
    paths = make_app(None).openapi()["paths"]  # type: ignore[arg-type]
    verbs = {path.rpartition("/")[2] for path in paths if not path.endswith("}")}
    assert verbs <= words | {"devices"}, verbs - words
    for name, keyword in inspect.getmembers(Smets1, inspect.isfunction):
        if not name.startswith("_"):
            assert keyword.__doc__, name
