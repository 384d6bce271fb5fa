"""No key, secret, password or token secret of a device is in captures, traces, logs, API answers or error texts.

There is one exception, by what a capture is for: it holds what the line carried, and what was inside ciphered messages.
A client of low level security (LLS) sends its password in clear, in the AARQ, so the capture has the passwords of the
LLS associations that were opened; traces, which people paste into tickets, have not even those. The secrets of high
level security (HLS), keys, and token secrets are in no capture: they never go over a line in clear. The store of a rig
holds keys because it is the devices' memory (mode 0600), ``smets1 keys`` shows them because it is asked to, and the
token of the control API is in its own file only.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from emulator.device import Device
from emulator.logical_device import client_signing_key, signing_keys
from emulator.meter import Meter
from emulator.time import Clock
from protocols.dlms import axdr
from protocols.dlms.enums import Mechanism
from rigs.building import build
from rigs.capture import Capture
from rigs.client import ClientError
from rigs.config import ConfigError, parse_rig, rig_of
from rigs.control.client import ControlClient, ControlError
from rigs.control.desk import DeskError
from rigs.control.server import ControlServer, parse_address
from rigs.driver import ClockMode
from rigs.known_keys import KnownKeys
from rigs.running import RunningDevice, RunningRig
from rigs.status import Log, Status
from rigs.trace import Trace

from .spellings import spellings

GIVEN = {
    "management.encryption": "6f1d2c3b4a5968778695a4b3c2d1e0f7",
    "management.authentication": "text:AuthKeyOfTheFile",
    "lls.secret": "text:PasswordOfFile",
    "token.secret": "9a8b7c6d5e4f30211203f4e5d6c7b8a9",
}
WRONG = b"WrongPasswordXYZ"
PREPAID = {"prepayment": {"balance_pence": 500}, "load": {"kind": "constant", "value": 0}}
PREMISES: dict[str, Any] = {
    "name": "home",
    "hub": {"ports": {"wan": "pty:wan", "wan-tcp": "tcp:0"}},
    "electricity": {
        "profile": "electricity-bench",
        "keys": GIVEN,
        "ports": {"optical": "pty:optical", "local-tcp": "tcp:0"},
        **PREPAID,
    },
    "gas": PREPAID,
}
TCP = {"hub": "wan-tcp", "electricity": "local-tcp", "gas": "hub/wan-tcp"}
WITHOUT_SECRET = (Mechanism.NONE, Mechanism.HLS_GMAC, Mechanism.HLS_ECDSA)


def secrets_of(device: Device, *mechanisms: Mechanism) -> set[bytes]:
    """The secrets of the device's associations of these mechanisms."""
    specs = enumerate(device.firmware.model.associations)
    return {device.security(index).secret for index, spec in specs if Mechanism(spec.mechanism) in mechanisms}


def hidden_in(device: Device) -> set[bytes]:
    """All that a device has to keep to itself, but for the passwords of LLS."""
    hidden = secrets_of(device, *(set(Mechanism) - {Mechanism.LLS}))
    for index, spec in enumerate(device.firmware.model.associations):
        state = device.security(index)
        hidden |= {state.encryption, state.authentication, state.broadcast, state.master}
        if spec.mechanism == Mechanism.HLS_ECDSA:
            for key in (signing_keys(device.ring, spec)[0], client_signing_key(device.ring, spec)):
                hidden.add(key.private_numbers().private_value.to_bytes(key.key_size // 8, "big"))
    if isinstance(device, Meter) and device.account is not None:
        hidden.add(device.token_secret(device.account.settings.tokens))
    return hidden


def issue(meter: Device, counter: int, pence: int) -> str:
    assert isinstance(meter, Meter) and meter.account is not None
    tokens = meter.account.settings.tokens
    scheme = tokens.scheme(meter.token_secret(tokens), meter.token_originator(tokens), meter.identity.eui64)
    return scheme.issue(counter, pence)


class Watched:
    """A rig, everything that listens to it, and what they have written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rig = RunningRig(
            rig_of({"seed": 5, "premises": [PREMISES]}),
            folder=folder,
            mode=ClockMode.STEPPED,
            line={"baud": False},
            storage=folder / "rig.db",
        )
        rig = self.rig.rig
        self.log = Log(Status(rig))
        rig.explain = self.log.explained
        self.traced: list[str] = []
        self.octets: list[str] = []
        self.said: list[str] = []
        """Log lines, answers of the API, texts of errors."""
        keys = KnownKeys(rig.premises)
        self.capture = Capture(folder / "rig.pcapng")
        self.capture.reveal = keys
        rig.taps += [
            self.capture,
            Trace(self.traced.append, reveal=keys),
            Trace(self.octets.append, hexadecimal=True, reveal=keys),
        ]
        self.rig.start()
        self.server = ControlServer(rig, parse_address("0"), folder)
        self.rig.runner.run(self.server.start())
        self.api = ControlClient(folder)

    def close(self) -> None:
        self.rig.runner.run(self.server.stop())
        self.rig.stop()
        self.capture.close()

    def devices(self) -> Iterator[RunningDevice]:
        home = self.rig.premises["home"]
        yield from (home.hub, home.electricity, home.gas)

    def note(self, act: Callable[[], object]) -> None:
        """Do it; what comes of it, or the text of the error, is kept, and what the log says about it."""
        try:
            self.said.append(repr(act()))
        except (ClientError, ControlError, DeskError, KeyError) as error:
            self.said += [str(error), repr(error), str(error.__cause__)]
        self.said += self.rig.runner.call(self.log.lines)


def associate(watched: Watched, device: RunningDevice, name: str, **changes: object) -> None:
    """Open an association and ask what nobody is told: its secret, and its keys' state."""
    port = None if name == "management" else TCP[device.kind]  # that one over the serial line
    with device.client(name, port=port, timeout=5.0, **changes) as client:
        for class_id, logical_name, attribute in ((15, "0-0:40.0.0", 7), (64, "0-0:43.0.0", 2)):
            with suppress(ClientError):
                watched.said.append(repr(client.get(class_id, logical_name, attribute)))


def top_up(watched: Watched, device: RunningDevice) -> None:
    """Good tokens and bad ones, by every way there is."""
    good = [issue(device.device, number, 100 + number) for number in range(1, 5)]
    bad = [good[0], f"{(int(good[1][0]) + 1) % 10}{good[1][1:]}", "1" * 19, "0" * 20, good[3][::-1]]
    path = ("devices", "home", device.kind)

    def by_dlms(digits: str) -> object:
        with device.client("management", timeout=5.0) as client:
            return client.action(115, "0-0:19.40.0", 1, axdr.octets(digits.encode()))

    def by_api(digits: str, way: str) -> object:
        return watched.api.post(*path, "token", digits=digits, way=way)

    watched.note(lambda: by_dlms(good[0]))
    watched.note(lambda: by_api(good[1], "keypad"))
    watched.note(lambda: by_api(good[2], "display"))
    watched.note(lambda: device.press(f"{good[3]}#"))
    for digits in bad:
        watched.note(lambda digits=digits: by_dlms(digits))
        watched.note(lambda digits=digits: by_api(digits, "keypad"))
        watched.note(lambda digits=digits: device.press(f"c{digits}#"))
    for keys in (">" * 9, "e", "s", "c", "no keys"):
        watched.note(lambda keys=keys: watched.api.post(*path, "keys", keys=keys))
    for verb in ("button", "emergency", "keys", "nothing"):
        watched.note(lambda verb=verb: watched.api.post(*path, verb))
    watched.note(lambda: watched.api.get(*path))


def test_what_a_rig_writes_holds_no_secret(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    passwords: set[bytes] = set()
    hidden: set[bytes] = set()
    mechanisms: set[Mechanism] = set()
    try:
        for device in watched.devices():
            hidden |= hidden_in(device.device)
            passwords |= secrets_of(device.device, Mechanism.LLS)
            for spec in device.device.firmware.model.associations:
                mechanisms.add(Mechanism(spec.mechanism))
                watched.note(lambda device=device, name=spec.name: associate(watched, device, name))
                if spec.mechanism not in WITHOUT_SECRET:
                    watched.note(lambda device=device, name=spec.name: associate(watched, device, name, secret=WRONG))
            watched.note(lambda device=device: device.client("nobody"))
            if device.kind != "hub":
                top_up(watched, device)
        for path in ("devices", "openapi.json", "clock", "devices/home/attic", "devices/elsewhere/gas"):
            watched.note(lambda path=path: watched.api.get(*path.split("/")))
        place = watched.server.place
        login = place.token.encode()
        balances = [device.balance for device in watched.devices() if device.kind != "hub"]
    finally:
        watched.close()
    assert mechanisms == set(Mechanism) and balances == [500_000 + 410_000] * 2, "all of it was done"
    capture = (tmp_path / "rig.pcapng").read_bytes()
    written = {
        "trace": "\n".join(watched.traced).encode(),
        "trace in hexadecimal": "\n".join(watched.octets).encode(),
        "log, answers and errors": "\n".join(watched.said).encode(),
    }
    assert b"AARQ" in written["trace"] and b"RX 7ea0" in written["trace in hexadecimal"]
    assert b"accepted" in written["log, answers and errors"] and b"refused" in written["log, answers and errors"]
    _nothing_of(hidden | {login}, {**written, "capture": capture})
    _nothing_of(passwords | {WRONG}, written)
    assert all(password in capture for password in passwords), "an LLS password is on the line"
    assert all(secret not in passwords for secret in hidden)
    assert stat.S_IMODE((tmp_path / "rig.db").stat().st_mode) == 0o600
    assert any(secret.hex().encode() in (tmp_path / "rig.db").read_bytes() for secret in hidden), "the search finds"


def _nothing_of(hidden: set[bytes], places: dict[str, bytes]) -> None:
    assert all(len(secret) >= 12 for secret in hidden)
    for form in spellings(hidden):
        for where, octets in places.items():
            assert form not in octets, f"{form!r} is in the {where}"


KEY = "5f2d9c3b4a59687786d5a4b3c2e1f0a7"
DIGITS = "31415926535897932384626433832795"
TEXT = "AVerySecretText!"


@pytest.mark.parametrize(
    "keys",
    [
        f'keys = "{KEY}"',
        f'keys = ["{KEY}"]',
        f'keys = {{ "management.encryption" = "{KEY}q" }}',
        f'keys = {{ "management.encryption" = "{KEY[1:]}" }}',
        f'keys = {{ "management.encryption" = {DIGITS} }}',
        f'keys = {{ "management.encryption" = ["{KEY}"] }}',
        f'keys = {{ management.encryption = "{KEY}" }}',
        f'keys = {{ "management.secret" = "{TEXT}" }}',
        f'keys = {{ "management.secret" = text:{TEXT} }}',
        f'keys = {{ "management.secret" = "text:{TEXT} }}',
        f'keys = {{ "token.secret" = "{KEY}{KEY}" }}',
        f'keys = {{ "token.secret" = "text:{TEXT}{TEXT}" }}',
        f'keys = {{ "token.originator" = "{KEY}" }}',
        f'keys = {{ "nobody.secret" = "text:{TEXT}" }}\nprofile = "no-such-profile"',
        f'keys = {{ "master" = "{KEY}" }}\nload = {{ kind = "constant" }}',
        f'key = {{ "master" = "{KEY}" }}',
        f'keys = {{ "master" = "{KEY}", "master" = "{DIGITS}" }}',
    ],
)
def test_a_bad_rig_file_is_told_without_its_keys(keys: str) -> None:
    text = f"[[premises]]\n[premises.electricity]\nprepayment = {{ balance_pence = 5 }}\n{keys}\n"
    if "profile" not in keys:
        text += 'profile = "electricity-bench"\n'
    try:
        file = parse_rig(text, Path("bad.toml"))
        build(file, file.specs[0], Clock(0))
        pytest.fail("nothing is wrong with it")
    except ConfigError as error:
        said = f"{error}\n{error!r}\n{error.__cause__}\n{error.__context__ if not error.__suppress_context__ else ''}"
    assert "bad.toml" in said
    for form in spellings([bytes.fromhex(KEY), KEY.encode(), DIGITS.encode(), TEXT.encode()]):
        assert form not in said.encode(), said
