"""A claim on a path: who has it tells a socket in Linux's abstract namespace, named after the path.

The system takes it away with its process, however that ends: so what a rig that was killed has left is known as such.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from pathlib import Path

from rigs.ports.spec import PortError, PortSpec, describe_os_error


def claimed(spec: PortSpec, path: Path) -> socket.socket:
    """Claim ``path`` for the port ``spec`` until the socket is closed; raises PortError where another rig has it."""
    port = str(spec)
    try:
        folder = path.parent.stat()
    except (FileNotFoundError, NotADirectoryError):
        missing = f"there is no folder {path.parent}"
        raise PortError(port, missing, "create it or choose another path") from None
    except OSError as error:
        raise describe_os_error(spec, error) from None
    place = f"{folder.st_dev}/{folder.st_ino}/{path.name}"
    try:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    except OSError as error:
        raise describe_os_error(spec, error) from None
    try:
        claim.bind(b"\0smets1-hil/" + hashlib.sha256(os.fsencode(place)).hexdigest().encode())
    except OSError as error:
        claim.close()
        if error.errno == errno.EADDRINUSE:
            raise PortError(port, "another rig has this port", "stop it or choose another path") from None
        raise describe_os_error(spec, error) from None
    return claim
