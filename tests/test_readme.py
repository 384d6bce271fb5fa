"""What the README shows works as it stands there."""

from __future__ import annotations

import textwrap
from itertools import takewhile
from pathlib import Path
from typing import Any

from rigs.running import RunningPremises

README = Path(__file__).parent.parent / "README.md"


def block(first: str) -> str:
    """The indented code that begins with a line."""
    text = README.read_text(encoding="utf-8")
    lines = text[text.index(f"    {first}") :].splitlines()
    return textwrap.dedent("\n".join(takewhile(lambda line: not line or line.startswith("    "), lines)))


def test_the_pytest_recipe(premises: RunningPremises) -> None:
    shown: dict[str, Any] = {}
    exec(block("def test_an_hour_of_load(premises):"), shown)
    shown["test_an_hour_of_load"](premises)
