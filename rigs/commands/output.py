"""Where commands write."""

from __future__ import annotations

from rich.console import Console

WIDTH = 200
"""Columns of tables where there is no terminal to ask."""


def console() -> Console:
    """Standard output; as wide as its terminal, or wide enough for whole lines where it is none."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH)
