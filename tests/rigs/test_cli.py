"""The command as people run it: a process, its output and its exit code."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
import tomllib
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial import serialposix as posix

from rigs.cli import main

COMMAND = [sys.executable, "-m", "rigs"]
READY = "Ctrl-C stops."


def smets1(*arguments: str, cwd: Path | None = None, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code, done.stderr
    return done


def one_line(out: str, err: str) -> str:
    """What was said on stderr, which must be a single line."""
    assert out == ""
    assert err.startswith("smets1: "), err
    assert err.count("\n") == 1, err
    return err


class Running:
    """A command that runs, and what it has printed."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        self.printed = ""
        self.read_to(READY)

    def read_to(self, words: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line
            if words in line:
                return
        raise AssertionError(f"ended before {words!r}: {self.process.communicate()[1]}")

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; the exit code and what was said on stderr."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        out, err = self.process.communicate(timeout=20)
        self.printed += out
        return self.process.returncode, err


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts ``smets1 up ...`` in an empty folder, without the control API unless it is wanted: it takes a while."""
    made: list[Running] = []

    def start(*arguments: str, control: bool = False) -> Running:
        made.append(Running("up", *arguments, *([] if control else ["--control", "off"]), cwd=tmp_path))
        return made[-1]

    yield start
    for running in made:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """What a command that must fail says in the empty folder; run in this process, which is quicker than another."""

    def run(*arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["smets1", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        return one_line(*capsys.readouterr())

    return run


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rig_file(folder: Path, text: str) -> str:
    (folder / "rig.toml").write_text(text, encoding="utf-8")
    return "rig.toml"


def in_process(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    """The same without a process: exit code, and what was printed, on stderr if it failed."""
    monkeypatch.setattr(sys, "argv", ["smets1", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    code = ended.value.code or 0
    assert isinstance(code, int)
    return code, err if code else out


SMALL = "[[premises]]\ngas = {}\n[premises.hub.ports]\nwan = 'pty:./hub'\n"


def test_help_names_the_commands() -> None:
    text = smets1("--help").stdout
    for command in ("up", "init", "schema", "read", "capture", "ports", "profiles"):
        assert f"  {command} " in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "--rate", "fast"],
        ["up", "--rate", "0"],
        ["up", "--rate", "2", "--stepped"],
        ["read", "pty:./hub", "--csv", "--json"],
        ["fly"],
    ],
)
def test_usage_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    code, said = in_process(capsys, monkeypatch, *arguments)
    assert code == 2
    assert "Error:" in said


def test_init_writes_a_file_that_is_good_and_never_overwrites(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "smets1 up mine.toml" in smets1("init", "mine.toml", cwd=tmp_path).stdout
    written = (tmp_path / "mine.toml").read_text()
    assert tomllib.loads(written)["premises"][0]["name"] == "home"
    (tmp_path / "mine.toml").write_text("# mine\n")
    for file, words in (("mine.toml", "there already"), ("no/mine.toml", "no such file or directory")):
        code, said = in_process(capsys, monkeypatch, "init", str(tmp_path / file))
        assert (code, said.count("\n")) == (1, 1)
        assert words in said
    assert (tmp_path / "mine.toml").read_text() == "# mine\n"


def test_schema_is_json_and_may_be_piped_into_something_that_stops_reading() -> None:
    assert json.loads(smets1("schema").stdout)["title"] == "RigConfig"
    piped = subprocess.run(
        f"{' '.join(COMMAND)} schema | head -c 1", shell=True, capture_output=True, text=True, timeout=20, check=False
    )
    assert (piped.stdout, piped.stderr) == ("{", "")


def test_up_runs_until_ctrl_c_and_leaves_nothing_behind(up: Callable[..., Running], tmp_path: Path) -> None:
    rig = up(rig_file(tmp_path, SMALL + "[premises.electricity.ports]\noptical = 'pty:./meter'\n"))
    assert "control" not in rig.printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hub", "meter", "rig.toml"]
    assert (tmp_path / "hub").resolve().is_char_device()
    assert (tmp_path / "meter").resolve().is_char_device()
    for words in ("home/hub", "pty:./meter", "behind the hub", "smets1 read", "pydlms read"):
        assert words in rig.printed
    code, err = rig.end(signal.SIGINT)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rig.toml"]


def test_up_without_a_file_is_the_built_in_premises(
    up: Callable[..., Running], refused: Callable[..., str], tmp_path: Path
) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 4059)) == 0:
            # Another rig has the registered port of COSEM: then this one must say so and leave nothing.
            assert "tcp:127.0.0.1:4059: the port is in use" in refused("up")
            assert not list(tmp_path.iterdir())
            return
    rig = up(control=True)
    assert {"home-hub", "home-electricity", "smets1-control.json"} == {path.name for path in tmp_path.iterdir()}
    socket.create_connection(("127.0.0.1", 4059), timeout=2).close()
    assert rig.end(signal.SIGTERM) == (0, "")
    assert not list(tmp_path.iterdir())


def test_a_killed_rig_may_be_started_again_and_a_running_one_not_twice(
    up: Callable[..., Running], refused: Callable[..., str], tmp_path: Path
) -> None:
    file = rig_file(tmp_path, SMALL)
    up(file).end(signal.SIGKILL)
    assert (tmp_path / "hub").is_symlink()
    up(file)
    assert "another rig" in refused("up", file)
    assert (tmp_path / "hub").exists()


def test_why_a_port_is_silent_is_printed(up: Callable[..., Running], tmp_path: Path) -> None:
    rig = up(rig_file(tmp_path, SMALL))
    client = os.open(tmp_path / "hub", os.O_RDWR | os.O_NOCTTY)
    settings = termios.tcgetattr(client)
    settings[4] = settings[5] = termios.B300
    termios.tcsetattr(client, termios.TCSANOW, settings)
    os.write(client, b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e")
    rig.read_to("the client is set to 300 Bd")
    os.close(client)
    rig.read_to("the client has gone")
    assert rig.end()[0] == 0


def test_a_port_in_use(tmp_path: Path, free_port: int) -> None:
    """In a process of its own, so that one refusal is seen as people see it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        file = rig_file(tmp_path, SMALL + f"wan-tcp = 'tcp:{free_port}'\n")
        done = smets1("up", file, cwd=tmp_path, code=1)
        assert "the port is in use" in one_line(done.stdout, done.stderr)
    assert not (tmp_path / "hub").is_symlink()


def test_an_adaptor_that_is_not_there(refused: Callable[..., str], tmp_path: Path) -> None:
    file = rig_file(tmp_path, "[[premises]]\n[premises.hub.ports]\nwan = 'serial:/dev/no-such-adaptor'\n")
    said = refused("up", file)
    assert said == "smets1: serial:/dev/no-such-adaptor: no such device; is the adaptor plugged in?\n"


def test_an_adaptor_without_permission(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Root may open everything, so the system's refusal is put in its mouth.
    def refuse(path: str, *rest: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(posix, "os", SimpleNamespace(**{**vars(os), "open": refuse}))
    said = refused("up", rig_file(tmp_path, "[[premises]]\n[premises.hub.ports]\nwan = 'serial:/dev/ttyUSB9'\n"))
    assert "no permission; join the group that owns the device" in said


def test_an_adaptor_that_is_pulled_out_and_plugged_in_again(up: Callable[..., Running], tmp_path: Path) -> None:
    """Both are told in a line, and the rig goes on although it is its only port."""
    adaptor = tmp_path / "adaptor"
    master, slave = pty.openpty()
    tty.setraw(slave)
    adaptor.symlink_to(os.ttyname(slave))
    rig = up(rig_file(tmp_path, f"[[premises]]\n[premises.hub.ports]\nwan = 'serial:{adaptor}'\n"))
    os.close(slave)
    os.close(master)
    rig.read_to("was unplugged; it is waited for")
    master, slave = pty.openpty()
    tty.setraw(slave)
    adaptor.unlink()
    adaptor.symlink_to(os.ttyname(slave))
    rig.read_to("plugged in again")
    assert rig.end() == (0, "")
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[premises]]\n[premises.hub]\nprofile = 'hub-9000'\n", r"hub-9000.*no such profile; known: .*hub-base"),
        ("[[premises]]\n[premises.hub]\nprofile = 5\n", r"rig.toml: premises.0.hub.profile: 5: must be a valid string"),
        ("=", "not TOML"),
    ],
)
def test_a_rig_file_that_is_wrong(refused: Callable[..., str], tmp_path: Path, text: str, words: str) -> None:
    said = refused("up", rig_file(tmp_path, text))
    assert re.search(words, said), said


def test_ports_lists_what_a_rig_file_uses(tmp_path: Path) -> None:
    file = rig_file(tmp_path, "[[premises]]\n[premises.hub.ports]\nwan = 'serial:usb:NONE'\nwan-tcp = 'tcp:4059'\n")
    said = smets1("ports", file, cwd=tmp_path).stdout
    assert "home/hub/wan-tcp" in said
    assert "no adaptor with that serial number" in " ".join(said.split())


def test_profiles(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, listed = in_process(capsys, monkeypatch, "profiles", "list")
    assert code == 0
    for name in ("electricity-base", "gas-base", "hub-base"):
        assert name in listed
    assert "…" not in listed
    assert max(map(len, listed.splitlines())) <= 80
    code, shown = in_process(capsys, monkeypatch, "profiles", "show", "electricity-base")
    assert 'identity.kind = "electricity"  # assumed' in shown
    assert 'optical.mode = "C"  # standard' in shown
    code, shown = in_process(capsys, monkeypatch, "profiles", "show", "electricity-base", "--no-provenance")
    assert 'identity.kind = "electricity"\n' in shown
    assert in_process(capsys, monkeypatch, "profiles", "check", "hub-base") == (0, "hub-base: good\n")
    for command in ("check", "show"):
        code, said = in_process(capsys, monkeypatch, "profiles", command, "nobody-1")
        assert (code, said.count("\n")) == (1, 1)
        assert "no such profile" in said
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = "hub-base"\n[identity]\nmake = 5\n[provenance]\nidentity = "assumed"\n')
    code, said = in_process(capsys, monkeypatch, "profiles", "check", str(mine))
    assert (code, said.count("\n")) == (1, 1)
    assert "identity.make" in said


def test_read_asks_a_running_rig(
    up: Callable[..., Running], refused: Callable[..., str], tmp_path: Path, free_port: int
) -> None:
    rig = up(
        rig_file(tmp_path, SMALL + f"wan-tcp = 'tcp:{free_port}'\n"), "--stepped", "--trace", "--capture", "c.pcapng"
    )
    said = smets1("read", f"tcp:127.0.0.1:{free_port}", "0-0:42.0.0:2", "--json").stdout
    assert "GEN" in str(json.loads(said))
    assert "is the rig running" in refused("read", "pty:./nothing")
    assert rig.end() == (0, "")
    assert "home/hub/wan-tcp <- 16>1 | GET Data 0-0:42.0.0.255 value" in rig.printed
    assert (tmp_path / "c.pcapng").stat().st_size > 500


def test_a_capture_that_cannot_be_written(refused: Callable[..., str], tmp_path: Path) -> None:
    said = refused("capture", "no/c.pcapng", rig_file(tmp_path, SMALL))
    assert "no/c.pcapng: cannot write the capture" in said


def test_a_terminal_gets_a_live_table(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 160))
    process = subprocess.Popen(
        [*COMMAND, "up", rig_file(tmp_path, SMALL)],
        cwd=tmp_path,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(slave)
    seen = b""
    end = time.monotonic() + 20
    try:
        while b"Frames in/out" not in seen:
            assert time.monotonic() < end, seen
            seen += os.read(master, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(master)
    assert b"home/hub/wan" in seen
