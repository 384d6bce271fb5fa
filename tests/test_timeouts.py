"""A test that does not end is ended at its time-out, one of hypothesis too, and the tests after it run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ENDLESS = """
import time
import pytest
from hypothesis import given, strategies as st

@pytest.mark.timeout(1)
@given(st.lists(st.integers()))
def test_endless(numbers):
    while len(numbers) > 2:
        time.sleep(0.01)

def test_after():
    pass
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_an_endless_example_is_not_shrunk(tmp_path: Path, workers: int) -> None:
    conftest = Path(__file__).with_name("conftest.py")
    (tmp_path / "conftest.py").write_text(conftest.read_text())
    (tmp_path / "test_endless.py").write_text(ENDLESS)
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(workers), "-p", "no:cacheprovider", "test_endless.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert "TimedOut: no end after 1 s" in run.stdout, run.stdout + run.stderr
    assert "1 failed, 1 passed" in run.stdout
