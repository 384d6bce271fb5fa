"""High level security on the server's side: challenge, passes 3 and 4 (Green Book 9.2.7.4, Blue Book class 15)."""

from __future__ import annotations

from protocols import obis
from protocols.dlms import axdr, hls, requests
from protocols.dlms.enums import ApduTag, DataAccessResult, Tag
from protocols.dlms.objects import Offer
from protocols.dlms.refusals import not_associated
from protocols.dlms.requests import ActionNormal
from protocols.errors import DecodeError

REPLY_TO_HLS = b"\x00\x0f" + obis.parse("0-0:40.0.0.255") + b"\x01"
"""Method descriptor of reply_to_HLS_authentication of the current association."""


class Handshake:
    """Authentication of one client that has sent the challenge ``received`` and may have the title ``title``."""

    __slots__ = ("_offer", "_received", "_title", "challenge")

    def __init__(self, offer: Offer, title: bytes, received: bytes) -> None:
        self._offer = offer
        self._title = title
        self._received = received
        self.challenge = offer.challenge()
        """Ours to the client, for the AARE."""

    def answer(self, reply: bytes) -> bytes | None:
        """Our answer to the client's challenge (pass 4), None when its ``reply`` to ours (pass 3) is wrong.

        Raises LocalProtocolError when a key is missing or the invocation counter is used up.
        """
        offer = self._offer
        security, mechanism, secret = offer.security, offer.mechanism, offer.secret()
        titles = (b"" if security is None else security.system_title, self._title)
        received, sent = self._received, self.challenge
        if received == sent or not hls.verify(
            mechanism, reply, secret=secret, received=received, sent=sent, context=security, titles=titles
        ):
            return None
        return hls.respond(mechanism, secret=secret, received=received, sent=sent, context=security, titles=titles)


def read_reply(plain: bytes) -> tuple[int, bytes]:
    """Pass 3: the invoke-id-and-priority of the ACTION and the reply in it; raises NotServedError for anything else."""
    try:
        request = requests.decode(plain)
        if isinstance(request, ActionNormal) and request.descriptor == REPLY_TO_HLS and request.parameters is not None:
            reply = _octet_string(request.parameters)
            if reply is not None:
                return request.invoke, reply
    except DecodeError as error:
        raise not_associated(f"while authentication is pending: {error}") from None
    raise not_associated("a service while authentication is pending")


def passed(invoke: int, answer: bytes) -> bytes:
    """The response to a right pass 3, with our ``answer`` in it."""
    return bytes((ApduTag.ACTION_RESPONSE, 1, invoke, DataAccessResult.SUCCESS, 1, 0)) + axdr.octets(answer)


def failed(invoke: int) -> bytes:
    """The response to a wrong pass 3."""
    return bytes((ApduTag.ACTION_RESPONSE, 1, invoke, DataAccessResult.READ_WRITE_DENIED, 0))


def _octet_string(data: bytes) -> bytes | None:
    value = axdr.decode_all(data)
    return value.value if value.tag == Tag.OCTET_STRING and isinstance(value.value, bytes) else None
