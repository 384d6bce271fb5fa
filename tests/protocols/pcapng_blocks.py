"""Reads pcapng files by the text of the draft, apart from the module that writes them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field


@dataclass
class Block:
    kind: int
    body: bytes
    options: dict[int, list[bytes]] = field(default_factory=dict)


@dataclass
class Packet:
    interface: int
    time: int
    length: int
    octets: bytes
    options: dict[int, list[bytes]]
    tags: dict[int, bytes]
    payload: bytes


FIXED = {0x0A0D0D0A: 16, 1: 8, 6: 20}


def blocks(data: bytes) -> list[Block]:
    found: list[Block] = []
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0 and length >= 12
        assert struct.unpack_from("<I", data, at + length - 4)[0] == length
        body = data[at + 8 : at + length - 4]
        assert len(body) == length - 12
        start = FIXED[kind]
        if kind == 6:
            start += (struct.unpack_from("<I", body, 12)[0] + 3) // 4 * 4
        found.append(Block(kind, body, options(body[start:])))
        at += length
    return found


def options(data: bytes) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(data):
        code, length = struct.unpack_from("<HH", data, at)
        at += 4
        if code == 0:
            assert length == 0 and at == len(data)
            return found
        found.setdefault(code, []).append(data[at : at + length])
        assert not any(data[at + length : at + (length + 3) // 4 * 4])
        at += (length + 3) // 4 * 4
    assert not data, "options without their end"
    return found


def packet(block: Block) -> Packet:
    interface, high, low, captured, length = struct.unpack_from("<IIIII", block.body)
    octets = block.body[20 : 20 + captured]
    tags, at = {}, 0
    while True:
        tag, size = struct.unpack_from(">HH", octets, at)
        at += 4
        if tag == 0:
            break
        tags[tag] = octets[at : at + size]
        at += size
    return Packet(interface, high << 32 | low, length, octets, block.options, tags, octets[at:])


def packets(data: bytes) -> list[Packet]:
    return [packet(block) for block in blocks(data) if block.kind == 6]
