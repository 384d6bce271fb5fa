"""Opens the ciphered APDUs of one line for those who show them."""

from __future__ import annotations

from collections.abc import Callable

from protocols.dlms import axdr
from protocols.dlms.acse import Aare, Aarq
from protocols.dlms.enums import ApduTag
from protocols.dlms.security import PROTECTED_TAGS
from protocols.errors import ProtocolError

PortReveal = Callable[[str, bytes], bytes | None]
"""An APDU that was ciphered on the named port in clear, None where the keys are not known."""


class Opener:
    """Asks a :data:`PortReveal`, and tells it the senders' system titles, which it learns from AARQ and AARE."""

    __slots__ = ("_port", "_reveal", "_titles")

    def __init__(self, port: str, reveal: PortReveal) -> None:
        self._port = port
        self._reveal = reveal
        self._titles = {True: b"", False: b""}  # of who speaks towards the device, and of the device

    def note(self, apdu: bytes) -> None:
        """An APDU that is not ciphered went over the line."""
        try:
            if apdu[0] == ApduTag.AARQ:
                aarq = Aarq.decode(apdu)
                self._titles = {True: aarq.title or b"", False: b""}
                if aarq.user_information[:1] and aarq.user_information[0] in PROTECTED_TAGS:
                    self.open(aarq.user_information, True)  # there may be a dedicated key in it
            elif apdu[0] == ApduTag.AARE:
                self._titles[False] = Aare.decode(apdu).title or b""
        except ProtocolError:
            pass  # whoever shows the APDU says what is wrong with it

    def open(self, apdu: bytes, inbound: bool) -> bytes | None:
        """A ciphered APDU in clear; ``inbound`` is whether it went towards the device."""
        title = self._titles[inbound]
        name = ApduTag(apdu[0]).name
        if title and name.startswith(("GLO_", "DED_")):
            # The general envelope says the same and who the sender is, which the keys' holder may not know yet.
            general = ApduTag.GENERAL_GLO_CIPHERING if name.startswith("GLO_") else ApduTag.GENERAL_DED_CIPHERING
            opened = self._reveal(self._port, bytes((general,)) + axdr.sized(title) + apdu[1:])
            if opened is not None:
                return opened
        return self._reveal(self._port, apdu)
