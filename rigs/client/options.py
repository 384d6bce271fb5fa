"""Where a client goes and how it behaves there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from protocols.dlms.client import ClientSettings
from protocols.hdlc import Parameters
from rigs.ports.spec import PortError, PortKind, PortSpec, parse_port

OPTICAL = "optical:"
_LINES = (PortKind.PTY, PortKind.SERIAL, PortKind.TCP_HDLC, PortKind.RFC2217, PortKind.UNIX_HDLC)
_WRITTEN = re.compile(r"[A-Za-z0-9+]*:")


class ClientError(Exception):
    """A request that did not end well. The text is one line; ``__cause__`` is the ProtocolError behind it, if any."""


@dataclass(frozen=True, slots=True)
class ClientPort:
    """A port as a client sees it. ``optical``: the meter wants the sign-on of IEC 62056-21 before HDLC."""

    spec: PortSpec
    optical: bool = False

    def __str__(self) -> str:
        return f"{OPTICAL}{self.spec}" if self.optical else str(self.spec)


def parse_client_port(text: str) -> ClientPort:
    """The port that ``text`` names: as a rig's ports are written, or a path to a serial device or a rig's link.

    ``optical:`` before either asks for the sign-on; what follows it is a path unless it starts as a port does. Raises
    PortError.
    """
    optical = text.startswith(OPTICAL)
    rest = text.removeprefix(OPTICAL)
    if rest[:1] in ("/", ".", "~") or (optical and rest and not _WRITTEN.match(rest)):
        spec = PortSpec(PortKind.SERIAL if rest.startswith("/dev/") else PortKind.PTY, path=rest)
    else:
        spec = parse_port(rest)
    if optical and spec.kind not in _LINES:
        raise PortError(text, "sign-on needs a serial line", "write optical:./path or optical:serial:/dev/...")
    if spec.port == 0 and spec.host:
        raise PortError(text, "port number 0 is no place to connect to", "write the number that the rig shows")
    return ClientPort(spec, optical)


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Addresses, times and the application layer's settings.

    ``client`` is the client SAP, ``server`` that of the logical device. On HDLC ``physical`` is the lower address and
    ``address_octets`` 1, 2 or 4 (None: as few as hold both), ``hdlc`` what is proposed, ``baud`` the rate of a line
    without sign-on. ``timeout`` is how long an answer may take, in seconds, ``retries`` how often HDLC asks again
    within it. ``meter_address`` is that of the sign-on. ``frame_counter`` is the logical name of an object that holds
    the last invocation counter taken from us; client ``counter_client`` reads it before the association is opened.
    """

    client: int = 16
    server: int = 1
    settings: ClientSettings = field(default_factory=ClientSettings)
    timeout: float = 10.0
    physical: int | None = None
    address_octets: int | None = None
    hdlc: Parameters = field(default_factory=Parameters)
    retries: int = 2
    baud: int = 9600
    max_baud: int = 19200
    meter_address: str = ""
    frame_counter: bytes | None = None
    counter_client: int = 16
