"""Commands of real clients that read a port: what ``smets1 up`` prints, ready to be copied."""

from __future__ import annotations

from pathlib import Path

from rigs.ports import Port, PortKind


def commands(port: Port) -> list[str]:
    """Commands for a port, ours first; none where the far end of a cable is somewhere else."""
    optical = port.name.endswith("/optical")
    address = port.address
    match port.spec.kind:
        case PortKind.PTY:
            path = Path(address).absolute()
            if optical:
                return [f"smets1 read optical:{address} list", f'pydlms read "optical://{path}" {_WHAT}']
            return [f"smets1 read pty:{address} list", f'pydlms read "serial://{path}?baud=9600" {_WHAT}']
        case PortKind.TCP:
            return [f"smets1 read tcp:{address} list", f"pydlms read tcp://{address} {_WHAT}"]
        case PortKind.UDP:
            return [f"pydlms read udp://{address} {_WHAT}"]
        case PortKind.TCP_HDLC:
            return [f"smets1 read tcp+hdlc:{address} list", f"pydlms read tcp+hdlc://{address} {_WHAT}"]
        case PortKind.RFC2217:
            return [f"smets1 read rfc2217:{address} list"]
        case PortKind.SERIAL:
            return []


_WHAT = "--obis 0.0.42.0.0.255 --class 1"
"""The logical device name, which every meter shows to the public client."""
