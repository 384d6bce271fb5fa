"""The errors that codecs and state machines of this package raise.

Every function that reads octets from outside raises a :class:`ProtocolError` and nothing else, whatever the octets.
Servers turn them into the answers of the standard; clients see them as the other side's fault, except
:class:`LocalProtocolError`, which is ours.
"""

from __future__ import annotations

from enum import Enum


class ProtocolError(Exception):
    """Octets that do not follow their standard.

    ``offset`` is where in the given octets the trouble starts (None when it has no single place) and ``expected``
    what would have been right there.
    """

    def __init__(self, message: str, offset: int | None = None, expected: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.expected = expected

    def __str__(self) -> str:
        where = "" if self.offset is None else f" at octet {self.offset}"
        wanted = "" if self.expected is None else f"; expected {self.expected}"
        return f"{self.message}{where}{wanted}"


class FrameError(ProtocolError):
    """A frame of the link layer (HDLC, wrapper, IEC 62056-21) that cannot be taken."""


class DecodeError(ProtocolError):
    """A-XDR, BER or another encoding that cannot be read."""


class SecurityFault(Enum):
    """Why a protected message was refused."""

    DECIPHERING = "deciphering"
    COUNTER = "invocation counter"
    TITLE = "system title"
    POLICY = "security policy"
    KEY = "key"


class SecurityError(ProtocolError):
    """A protected message that fails its checks.

    ``last_counter`` is the highest invocation counter accepted so far, for SecurityFault.COUNTER.
    """

    def __init__(self, fault: SecurityFault, message: str, last_counter: int | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.last_counter = last_counter


class LocalProtocolError(ProtocolError):
    """Our own side asked for something that the state or the negotiated limits do not allow."""
