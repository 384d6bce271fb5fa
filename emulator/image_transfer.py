"""Image transfer (class 18): taking a new firmware in blocks, verifying it, activating it with a reboot.

What the profile accepts as an image is simple and complete: ``header``, the new version's text and a zero octet, any
content, and at the end the SHA-256 of all before it. Sizes and times come from the profile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from emulator.events import EventName
from emulator.firmware import ImageSettings
from emulator.nvm import Image, Saved
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

DIGEST_OCTETS = 32


class ImageStatus(IntEnum):
    """image_transfer_status (Blue Book, class 18)."""

    NOT_INITIATED = 0
    INITIATED = 1
    VERIFICATION_INITIATED = 2
    VERIFICATION_SUCCESSFUL = 3
    VERIFICATION_FAILED = 4
    ACTIVATION_INITIATED = 5
    ACTIVATION_SUCCESSFUL = 6
    ACTIVATION_FAILED = 7


def build_image(settings: ImageSettings, version: str, content: bytes) -> bytes:
    """An image that a device with these settings verifies and activates as ``version``."""
    body = settings.header + version.encode("ascii") + b"\0" + content
    return body + hashlib.sha256(body).digest()


@dataclass(slots=True)
class ImageTroubles:
    """What goes wrong with the images of one device, laid on it by faults.

    What comes for one of ``bad_blocks`` is taken and not stored as it came; where the memory was ``erased`` the device
    notices, and the block is missing again. A firmware that ``distrusts`` verifies nothing. ``activating`` is called
    when an activation begins; one that ``stalls`` does not end (``stalled``: one has), one that ``falls_back`` ends
    with the old firmware.
    """

    bad_blocks: frozenset[int] = frozenset()
    erased: bool = False
    distrusts: bool = False
    stalls: bool = False
    stalled: bool = False
    falls_back: bool = False
    activating: Callable[[], None] | None = None


class ImageTransfer:
    """The image transfer of one device.

    ``started`` is called when verification or activation begins, with its duration and what to do at its end, so that
    the device can put it on its clock; ``activated`` with the new version when an image takes over, with None when the
    old firmware starts again; ``report`` with what is to be logged (``image_initiated``, ``image_verified``,
    ``image_refused``, ``firmware_activated``, ``activation_failed``).
    """

    __slots__ = (
        "_activated",
        "_missing",
        "_report",
        "_started",
        "enabled",
        "identifier",
        "image",
        "settings",
        "size",
        "status",
        "troubles",
    )

    def __init__(
        self,
        settings: ImageSettings,
        started: Callable[[int, Callable[[], None]], None],
        activated: Callable[[str | None], None],
        report: Callable[[EventName], None],
    ) -> None:
        self.settings = settings
        self._started = started
        self._activated = activated
        self._report = report
        self.enabled = True
        self.status = ImageStatus.NOT_INITIATED
        self.identifier = b""
        self.size = 0
        self.image = bytearray()
        self._missing: set[int] = set()
        self.troubles: ImageTroubles | None = None
        """What goes wrong with images."""

    def kept(self) -> Image:
        """What outlives the loss of RAM: whether it is enabled, and of an image that was activated what it was.

        An image on its way lies in RAM here and has to be sent again.
        """
        over = self.status in _OVER
        return {
            "enabled": self.enabled,
            "status": (self.status if over else ImageStatus.NOT_INITIATED).value,
            "identifier": self.identifier.hex() if over else "",
            "size": self.size if over else 0,
            "signature": self.image[-DIGEST_OCTETS:].hex() if over else "",
        }

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`kept` said."""
        self.enabled = saved.flag("enabled")
        self.status = ImageStatus(saved.number("status"))
        self.identifier, self.size = saved.octets("identifier"), saved.number("size")
        if not 0 <= self.size <= self.settings.max_size:
            raise ValueError(f"image: {self.size} octets; this firmware takes {self.settings.max_size}")
        self.image = bytearray(saved.octets("signature"))
        self._missing = set()

    @property
    def blocks(self) -> int:
        """How many blocks the image has."""
        return -(-self.size // self.settings.block_size)

    @property
    def first_missing(self) -> int:
        """Number of the first block not yet taken; the count of blocks when none is missing."""
        return min(self._missing, default=self.blocks)

    @property
    def transferred(self) -> str:
        """One character a block, ``1`` for taken."""
        return "".join("0" if number in self._missing else "1" for number in range(self.blocks))

    @property
    def to_activate(self) -> list[list[object]]:
        """image_to_activate_info: size, identification and signature of a verified image."""
        if self.status < ImageStatus.VERIFICATION_SUCCESSFUL or self.status is ImageStatus.VERIFICATION_FAILED:
            return []
        return [[self.size, self.identifier, bytes(self.image[-DIGEST_OCTETS:])]]

    def initiate(self, identifier: bytes, size: int) -> None:
        """Start over for an image of ``size`` octets; raises AccessRefused when this firmware cannot take it."""
        if not self.enabled:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        fits = DIGEST_OCTETS < size <= self.settings.max_size
        if not fits or not identifier.startswith(self.settings.identifier_prefix):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        self.identifier, self.size = identifier, size
        self.image = bytearray(size)
        self._missing = set(range(self.blocks))
        self.status = ImageStatus.INITIATED
        self._report("image_initiated")

    def transfer(self, number: int, block: bytes) -> None:
        """Take one block; a block taken twice replaces the first."""
        if self.status is not ImageStatus.INITIATED:
            raise AccessRefused(DataAccessResult.TEMPORARY_FAILURE)
        if number >= self.blocks:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        start = number * self.settings.block_size
        if len(block) != min(self.settings.block_size, self.size - start):
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        self.image[start : start + len(block)] = block
        self._missing.discard(number)
        if self.troubles is not None and number in self.troubles.bad_blocks:
            self._spoil(start, len(block), self.troubles.erased)
            if self.troubles.erased:
                self._missing.add(number)

    def _spoil(self, start: int, length: int, erased: bool) -> None:
        """Flash that does not keep what it was given: erased, all bits are 1; else one bit in each octet is wrong."""
        stored = self.image[start : start + length]
        self.image[start : start + length] = b"\xff" * length if erased else bytes(octet ^ 1 for octet in stored)

    def verify(self) -> None:
        """Begin or poll verification: temporary-failure while it runs, success or other-reason once it has ended."""
        match self.status:
            case ImageStatus.VERIFICATION_SUCCESSFUL:
                return
            case ImageStatus.VERIFICATION_FAILED:
                raise AccessRefused(DataAccessResult.OTHER_REASON)
            case ImageStatus.INITIATED if not self._missing:
                self.status = ImageStatus.VERIFICATION_INITIATED
                self._started(self.settings.verification_time, self._end_verification)
                raise AccessRefused(DataAccessResult.TEMPORARY_FAILURE)
            case _:
                raise AccessRefused(DataAccessResult.TEMPORARY_FAILURE)

    def activate(self) -> None:
        """Begin activation: temporary-failure while it runs; the device reboots at its end."""
        match self.status:
            case ImageStatus.ACTIVATION_SUCCESSFUL:
                return
            case ImageStatus.VERIFICATION_SUCCESSFUL:
                self.status = ImageStatus.ACTIVATION_INITIATED
                if self.troubles is not None and self.troubles.activating is not None:
                    self.troubles.activating()
                self._started(self.settings.activation_time, self._end_activation)
                raise AccessRefused(DataAccessResult.TEMPORARY_FAILURE)
            case ImageStatus.ACTIVATION_INITIATED:
                raise AccessRefused(DataAccessResult.TEMPORARY_FAILURE)
            case _:
                raise AccessRefused(DataAccessResult.OTHER_REASON)

    def _end_verification(self) -> None:
        if self.status is not ImageStatus.VERIFICATION_INITIATED:
            return
        distrusted = self.troubles is not None and self.troubles.distrusts
        genuine = not distrusted and self._version() is not None
        self.status = ImageStatus.VERIFICATION_SUCCESSFUL if genuine else ImageStatus.VERIFICATION_FAILED
        self._report("image_verified" if genuine else "image_refused")

    def _end_activation(self) -> None:
        if self.status is not ImageStatus.ACTIVATION_INITIATED:
            return
        troubles = self.troubles
        if troubles is not None and troubles.stalls:
            troubles.stalled = True
            return
        version = self._version()
        if version is None or (troubles is not None and troubles.falls_back):
            self.broken_off()
            self._activated(None)
            self.tell_failure()
            return
        self.status = ImageStatus.ACTIVATION_SUCCESSFUL
        self._activated(version)
        self._report("firmware_activated")

    def broken_off(self) -> bool:
        """An activation that is under way comes to nothing; False where none is."""
        if self.status is not ImageStatus.ACTIVATION_INITIATED:
            return False
        self.status = ImageStatus.ACTIVATION_FAILED
        return True

    def tell_failure(self) -> None:
        """The old firmware has started again, and logs why."""
        self._report("activation_failed")

    def go_on(self) -> None:
        """An activation that has stalled goes on to its end."""
        self._end_activation()

    def _version(self) -> str | None:
        """Version text of the stored image, None when the image is not one for this firmware."""
        body, digest = bytes(self.image[:-DIGEST_OCTETS]), bytes(self.image[-DIGEST_OCTETS:])
        header = self.settings.header
        if hashlib.sha256(body).digest() != digest or not body.startswith(header):
            return None
        text, zero, _content = body[len(header) :].partition(b"\0")
        if not zero or not text.isascii() or not text.decode("ascii").isprintable():
            return None
        return text.decode("ascii")


_OVER = frozenset((ImageStatus.ACTIVATION_SUCCESSFUL, ImageStatus.ACTIVATION_FAILED))
"""Where an image's way has ended."""
