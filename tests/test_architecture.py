"""The packages import one way only, and only rigs touches the world."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "protocols": {"protocols"},
    "emulator": {"emulator", "protocols"},
    "firmware_profiles": {"firmware_profiles", "emulator", "protocols"},
    "rigs": {"rigs", "firmware_profiles", "emulator", "protocols"},
}
WORLD = {"asyncio", "socket", "selectors", "select", "serial", "subprocess", "threading", "termios", "pty", "sqlite3"}
WALL_CLOCK = {"time"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Absolute module names that a file imports at run time or for its types."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; the packages import by absolute name"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package: str) -> None:
    assert modules(package)
    for path in modules(package):
        ours = {name.split(".")[0] for name in imported(path)} & set(ALLOWED)
        assert ours <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {ours - ALLOWED[package]}"


@pytest.mark.parametrize("package", ["protocols", "emulator", "firmware_profiles"])
def test_only_rigs_touches_the_world(package: str) -> None:
    for path in modules(package):
        outside = {name.split(".")[0] for name in imported(path)} & (WORLD | WALL_CLOCK)
        assert not outside, f"{path.relative_to(ROOT)} imports {outside}"


def test_no_import_cycles() -> None:
    """A module that imports another for more than its types is not imported back by it."""
    graph: dict[str, set[str]] = {}
    for package in ALLOWED:
        for path in modules(package):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            graph[name] = run_time_imports(path)
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail, name])
        if name in done or name not in graph:
            return
        for target in graph[name]:
            if not name.startswith(target + "."):
                visit(target, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def run_time_imports(path: Path) -> set[str]:
    """Modules imported at the top of a file, without those under ``if TYPE_CHECKING``."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found
