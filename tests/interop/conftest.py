"""The independent peers, each in an environment of its own and run as a program; see `.ci/peers`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from emulator.logical_device import client_signing_key, signing_keys
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.client import Attribute

if TYPE_CHECKING:
    from rigs.running import RunningDevice, RunningRig
    from tests.interop.zigbee_hosts import ZigbeeHost

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).parent / "clients"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client script reports: ``results``, one a step, ``errors``, and further ``facts`` of the session."""

    results: list[Any]
    errors: list[str]
    facts: dict[str, Any]
    said: str


class Peers:
    """Where the peers are. A missing one fails the test that asks for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def program(self, *parts: str) -> str:
        """Path of a peer's program below the folder of peers, such as ``("pydlms", "bin", "pydlms")``."""
        path = self.folder.joinpath(*parts)
        if not path.exists():
            pytest.fail(f"{path} is missing: make the peers with .ci/peers, or name their folder in SMETS1_PEERS")
        return str(path)

    def python(self, name: str) -> str:
        """The interpreter of a peer's environment."""
        return self.program(name, "bin", "python")

    def run(self, *command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command of a peer to its end."""
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    def client(self, peer: str, script: str, spec: dict[str, object], timeout: float = 110.0) -> Outcome:
        """Run one of ``clients/`` with the interpreter of ``peer``."""
        done = self.run(self.python(peer), str(CLIENTS / script), json.dumps(spec), timeout=timeout)
        lines = done.stdout.strip().splitlines()
        if not lines:
            pytest.fail(f"{script} said nothing on its standard output:\n{done.stderr}")
        facts = json.loads(lines[-1])
        return Outcome(facts.pop("results"), facts.pop("errors"), facts, done.stderr)

    @cached_property
    def knows_dlms(self) -> bool:
        """Whether the dissector is one of Wireshark 4.6 or newer; an older one checks a capture's structure only."""
        return any("dlms" in line.split("\t") for line in self.tshark("-G", "protocols"))

    def tshark(self, *arguments: str) -> list[str]:
        """Lines that the dissector writes about a capture."""
        done = self.run(self.program("bin", "tshark"), *arguments)
        if done.returncode:
            pytest.fail(f"tshark {' '.join(arguments)}: {done.stderr}")
        return done.stdout.splitlines()


@pytest.fixture(scope="session")
def peers() -> Peers:
    """The peers' environments, in the folder that SMETS1_PEERS names, or `.peers`."""
    return Peers(Path(os.environ.get("SMETS1_PEERS", ROOT / ".peers")))


@pytest.fixture(scope="module")
def peer(peers: Peers) -> Iterator[ZigbeeHost]:
    """A head-end that lasts for a module: pydlms, told what to do step by step."""
    from tests.interop.head_end import head_end  # which takes Meter from here

    with head_end(peers) as running:
        yield running


MECHANISMS = ("none", "lls", "hls", "md5", "sha1", "gmac", "sha256", "ecdsa")
"""What the client scripts call the authentication mechanisms 0 to 7."""


class Meter:
    """One running device and what a client must be told to read it."""

    def __init__(self, running: RunningDevice) -> None:
        self.running = running

    def port(self, name: str) -> str:
        """The address of a port: a path, or ``host:port``."""
        return self.running.ports[name]

    def client(self, association: str) -> dict[str, Any]:
        """Client SAP, mechanism, secret, keys and the counter that the meter has accepted last."""
        keys = self.running.keys(association)
        model = self.running.device.firmware.model
        index = model.by_name[association]
        counters = self.running.call(lambda: self.running.device.security(index).counters)
        spec: dict[str, Any] = {
            "client": keys.client,
            "mechanism": MECHANISMS[keys.mechanism],
            "encryption": keys.encryption.hex(),
            "authentication": keys.authentication.hex(),
            "master": keys.master.hex(),
            "ciphered": 3 in model.associations[index].contexts,
            "suite": model.associations[index].suite,
            "invocation_counter": counters.received,
        }
        if MECHANISMS[keys.mechanism] not in ("none", "gmac", "ecdsa"):
            spec["password"] = keys.secret.hex()
        if MECHANISMS[keys.mechanism] == "ecdsa":
            device, wanted = self.running.device, model.associations[index]
            signing = client_signing_key(device.ring, wanted)
            private = signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            meter_key = signing_keys(device.ring, wanted)[0].public_key()
            public = meter_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            spec |= {"signing_key": private.decode(), "server_key": public.decode()}
        return spec

    def value(self, interface_class: int, name: str, attribute: int) -> Any:
        """What the meter itself says an attribute is, decoded."""
        descriptor = Attribute(interface_class, obis.parse(name), attribute).encode()
        device = self.running.device

        def read() -> bytes:
            device.settle()
            return device.internal.read(descriptor)

        return axdr.decode_all(self.running.call(read)).value

    @property
    def identity(self) -> str:
        """The logical device name as clients write octets."""
        return self.value(1, "0-0:42.0.0.255", 2).hex()


@pytest.fixture
def meter_of() -> Callable[..., Meter]:
    """A device of a running rig's only premises: its electricity meter unless another kind is named."""

    def find(running: RunningRig, kind: str = "electricity") -> Meter:
        (premises,) = running.premises.values()
        return Meter(getattr(premises, kind))

    return find


@pytest.fixture
def meters(smets1_rig: Callable[..., RunningRig]) -> Callable[..., Meter]:
    """Runs an electricity meter of a profile: optical port on a terminal (or where told), wrapper on TCP and UDP."""

    def run(profile: str = "electricity-bench", optical: str = "pty:optical", **options: Any) -> Meter:
        ports = {"optical": optical, "local-tcp": "tcp:0", "local-udp": "udp:0"}
        dwelling = {"name": "home", "hub": None, "gas": None, "electricity": {"profile": profile, "ports": ports}}
        return Meter(smets1_rig({"premises": [dwelling]}, **options).premises["home"].electricity)

    return run
