"""What a capture of :mod:`rigs.capture` tells, after the rig has ended, of why there was no answer, or an odd one.

Any pcapng file of this machine's octet order is read; one without such comments has nothing to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from protocols import pcapng
from protocols.sniffer import Sniffer
from rigs.apdu_text import ApduText
from rigs.capture import WHY, CaptureError
from rigs.explanations import NO_ANSWER
from rigs.in_force import MARK
from rigs.system_errors import reason
from rigs.trace import message_text

LONGEST_BLOCK = 1 << 24
"""Octets of a block; a longer one is not of a capture of ours."""
MOST_INTERFACES = 1 << 20
_HEAD = 12  # octets of a block around its body


@dataclass(slots=True)
class _Interface:
    """A port of the rig, or the air of a HAN."""

    name: str
    air: bool
    texts: ApduText
    open: list[dict[str, object]]  # entries that wait for what was answered


def explanations(path: Path) -> list[dict[str, object]]:
    """The explanations in a capture, in order, as the control API lists those of a running rig; CaptureError."""
    try:
        with path.open("rb") as file:
            return _explanations(path, file)
    except OSError as error:
        raise CaptureError(f"{path}: cannot read the capture: {reason(error)}") from None


def _explanations(path: Path, file: BinaryIO) -> list[dict[str, object]]:
    interfaces: list[_Interface] = []
    entries: list[dict[str, object]] = []
    for kind, body in blocks(path, file):
        if kind == pcapng.INTERFACE_BLOCK and len(interfaces) < MOST_INTERFACES:
            name, link_type = pcapng.read_interface(body)
            interfaces.append(_Interface(name, link_type == pcapng.IEEE802154_TAP, ApduText(), []))
        elif kind == pcapng.PACKET_BLOCK:
            seen = pcapng.read_packet(body)
            if seen is None or seen.interface >= len(interfaces):
                raise CaptureError(f"{path}: a packet of no interface; is the file damaged?")
            entries += _of_packet(interfaces[seen.interface], seen, len(entries))
    return entries


def _of_packet(interface: _Interface, seen: pcapng.Packet, made: int) -> list[dict[str, object]]:
    faults = [text.removeprefix(MARK) for text in seen.comments if text.startswith(MARK)]
    if interface.air:
        said = [("HAN", text) for text in seen.comments if not text.startswith(("tshark ", MARK))]
        text = ""
    else:
        said = [_parted(text) for text in seen.comments if text.startswith(WHY)]
        text = "" if seen.inbound is None else _text(interface.texts, seen)
        if seen.inbound is not None:
            for entry in interface.open:
                entry["answer"] = NO_ANSWER if seen.inbound else text
            interface.open.clear()
    entries: list[dict[str, object]] = [
        {
            "number": made + index,
            "time": seen.time,
            "port": interface.name,
            "layer": layer,
            "why": why,
            "came": text,
            "answer": NO_ANSWER if text else "",
            "times": 1,
            "faults": faults,
        }
        for index, (layer, why) in enumerate(said, 1)
    ]
    if text:
        interface.open += entries
    return entries


def _parted(comment: str) -> tuple[str, str]:
    layer, _, why = comment.removeprefix(WHY).partition(": ")
    return layer, why


def _text(texts: ApduText, seen: pcapng.Packet) -> str:
    """A packet of a line in one line."""
    octets, info = pcapng.read_exported(seen.octets)
    if info:
        return info
    wrapped = octets[:2] == b"\x00\x01"
    sniffer = Sniffer(wrapped=wrapped, datagrams=wrapped)
    inbound = bool(seen.inbound)
    return " / ".join(message_text(message, texts) for message in sniffer.see(inbound, octets) + sniffer.flush())


def blocks(path: Path, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Kind and body of the whole blocks of a capture, an open file called ``path``; raises CaptureError."""
    first = True
    while len(head := file.read(8)) == 8:
        kind, length = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:], "little")
        if (first and kind != pcapng.SECTION_BLOCK) or length % 4 or not _HEAD <= length <= LONGEST_BLOCK:
            raise CaptureError(f"{path}: not a pcapng capture, or damaged; `smets1 up --capture FILE` writes one")
        first = False
        body = file.read(length - _HEAD)
        if len(file.read(4)) < 4:
            return  # the last block was being written
        yield kind, body
    if first:
        raise CaptureError(f"{path}: not a pcapng capture; `smets1 up --capture FILE` writes one")
