from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocols.dlms.enums import ApduTag
from protocols.dlms.initiate import InitiateRequest
from protocols.dlms.security import Envelope
from rigs.capture import Capture
from rigs.config import rig_of
from rigs.driver import ClockMode
from rigs.known_keys import KnownKeys
from rigs.running import RunningRig
from rigs.trace import Trace

TABLES: Any = {
    "premises": [
        {
            "hub": {"ports": {"wan-tcp": "tcp:0"}},
            "electricity": {"ports": {"local-tcp": "tcp:0"}},
        }
    ]
}


@pytest.mark.parametrize("envelope", [Envelope.GLO, Envelope.GENERAL_GLO])
@pytest.mark.parametrize("port", ["local-tcp", "hub/wan-tcp"])
def test_ciphered_messages_are_traced_in_clear_and_no_key_is_shown(
    tmp_path: Path, envelope: Envelope, port: str
) -> None:
    said: list[str] = []
    rig = RunningRig(rig_of(TABLES), folder=tmp_path, mode=ClockMode.STEPPED)
    rig.rig.taps.append(Trace(said.append, reveal=KnownKeys(rig.rig.premises)))
    with rig:
        meter = rig.premises["home"].electricity
        client = meter.client("management", port=port, envelope=envelope)
        with client:
            client.get(1, "0-0:96.1.0")
            serial = meter.device.identity.serial
        keys = meter.keys("management")
    assert any("GET Data 0-0:96.1.0.255 value" in line for line in said), said
    assert any("GET response" in line and serial in line for line in said), said
    shown = "\n".join(said).lower()
    assert keys.encryption.hex() not in shown
    assert keys.authentication.hex() not in shown


@pytest.mark.parametrize("envelope", [Envelope.GLO, Envelope.GENERAL_GLO])
def test_dedicated_keys_are_learned_and_not_shown(tmp_path: Path, envelope: Envelope) -> None:
    said: list[str] = []
    dedicated: list[bytes] = []
    rig = RunningRig(rig_of(TABLES), folder=tmp_path, mode=ClockMode.STEPPED)
    keys = KnownKeys(rig.rig.premises)

    def reveal(name: str, apdu: bytes) -> bytes | None:
        plain = keys(name, apdu)
        if plain is not None and plain[0] == ApduTag.INITIATE_REQUEST:
            dedicated.append(InitiateRequest.decode(plain).dedicated_key or b"")
        return plain

    capture = Capture(tmp_path / "c.pcapng")
    capture.reveal = KnownKeys(rig.rig.premises)
    rig.rig.taps += [Trace(said.append, reveal=reveal), capture]
    with capture, rig:
        meter = rig.premises["home"].electricity
        settings = {"port": "local-tcp", "envelope": envelope, "dedicated": True}
        with meter.client("management", **settings) as one, meter.client("extended", **settings) as other:
            for client in (one, other, one):
                client.get(1, "0-0:96.1.0")
    form = "ded-get-request" if envelope is Envelope.GLO else "general-ded-ciphering"
    assert len([line for line in said if form in line and "GET Data 0-0:96.1.0.255 value" in line]) == 3, said
    written = (tmp_path / "c.pcapng").read_bytes()
    assert written.count(b"\x00\x01\x00\x00\x60\x01\x00\xff\x02\x00") == 3  # the requests in clear
    assert len(set(dedicated)) == 2
    for key in dedicated:
        assert len(key) == 16
        assert key.hex() not in "\n".join(said).lower()
        assert key not in written


def test_what_it_has_no_key_for_stays_closed(tmp_path: Path) -> None:
    with RunningRig(rig_of(TABLES), folder=tmp_path, mode=ClockMode.STEPPED) as rig:
        reveal = KnownKeys(rig.rig.premises)
        for apdu in (
            b"",
            b"\xc0\x01\xc1",
            bytes.fromhex("c80230aa"),
            b"\xc8\x1e\x30" + bytes(29),
            b"\xdb\x08" + bytes(9),
        ):
            assert rig.runner.call(lambda apdu=apdu: reveal("home/hub/wan-tcp", apdu)) is None
