"""Files of keys as ``smets1 keys --json`` writes them, of a running device."""

from __future__ import annotations

import json
from pathlib import Path

from rigs.hints import AUTHENTICATION, counter_text, secret_text
from rigs.running import RunningDevice


def key_file(running: RunningDevice, folder: Path, *names: str) -> Path:
    """The keys of the associations ``names``, of all without one."""
    wanted = names or tuple(running.device.firmware.model.by_name)
    associations = []
    for name in wanted:
        keys = running.keys(name)
        associations.append(
            {
                "name": keys.association,
                "client": keys.client,
                "auth": AUTHENTICATION[keys.mechanism],
                "context": "ciphered" if keys.ciphered else "plain",
                "suite": keys.suite if keys.uses_keys else None,
                "counter_object": counter_text(keys.counter_object) if keys.counter_object and keys.uses_keys else None,
                "secret": secret_text(keys.secret) if keys.uses_secret else None,
                "encryption": keys.encryption.hex() if keys.uses_keys else None,
                "authentication": keys.authentication.hex() if keys.uses_keys else None,
            }
        )
    path = folder / "keys.json"
    path.write_text(json.dumps([{"device": "home", "associations": associations}]), encoding="utf-8")
    return path
