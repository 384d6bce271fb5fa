"""Image transfer (class 18)."""

from __future__ import annotations

from typing import Any

from emulator.cosem.binding import part_getter, part_method, part_setter, view_getter
from emulator.cosem.model import Attribute, InterfaceClass, Method
from emulator.cosem.view import View
from emulator.image_transfer import ImageTransfer
from protocols.dlms import axdr


def _set_enabled(_view: View, transfer: ImageTransfer, value: Any) -> None:
    transfer.enabled = bool(value)


def _initiate(_view: View, transfer: ImageTransfer, value: Any) -> None:
    identifier, size = value
    transfer.initiate(identifier, size)


def _block(_view: View, transfer: ImageTransfer, value: Any) -> None:
    number, block = value
    transfer.transfer(number, block)


def _verify(_view: View, transfer: ImageTransfer, _value: Any) -> None:
    transfer.verify()


def _activate(_view: View, transfer: ImageTransfer, _value: Any) -> None:
    transfer.activate()


def _transferred(_view: View, transfer: ImageTransfer) -> bytes:
    return axdr.bits(transfer.transferred)


CLASSES = (
    InterfaceClass(
        18,
        0,
        "Image transfer",
        (
            Attribute(
                2, "image_block_size", "u32", part_getter(ImageTransfer, "u32", lambda part: part.settings.block_size)
            ),
            Attribute(3, "image_transferred_blocks_status", "bits", view_getter(ImageTransfer, _transferred)),
            Attribute(
                4,
                "image_first_not_transferred_block_number",
                "u32",
                part_getter(ImageTransfer, "u32", lambda part: part.first_missing),
            ),
            Attribute(
                5,
                "image_transfer_enabled",
                "bool",
                part_getter(ImageTransfer, "bool", lambda part: part.enabled),
                part_setter(ImageTransfer, "bool", _set_enabled),
            ),
            Attribute(6, "image_transfer_status", "enum", part_getter(ImageTransfer, "enum", lambda part: part.status)),
            Attribute(
                7,
                "image_to_activate_info",
                "arr st{u32,oct,oct}",
                part_getter(ImageTransfer, "arr st{u32,oct,oct}", lambda part: part.to_activate),
            ),
        ),
        (
            Method(1, "image_transfer_initiate", "st{oct,u32}", part_method(ImageTransfer, "st{oct,u32}", _initiate)),
            Method(2, "image_block_transfer", "st{u32,oct}", part_method(ImageTransfer, "st{u32,oct}", _block)),
            Method(3, "image_verify", "i8", part_method(ImageTransfer, "i8", _verify)),
            Method(4, "image_activate", "i8", part_method(ImageTransfer, "i8", _activate)),
        ),
    ),
)
