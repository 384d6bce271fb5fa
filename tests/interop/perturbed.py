"""A line between a host and a radio processor that errs."""

from __future__ import annotations

import os
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from select import select

FLAG = 0x7E


class Perturbed:
    """What was done to the frames that went by, in both directions together."""

    def __init__(self) -> None:
        self.frames = 0
        self.spoilt = 0


@contextmanager
def perturbed(path: str, share: float, seed: int, *, to_processor: bool = True) -> Iterator[tuple[str, Perturbed]]:
    """A terminal that leads to the one at ``path``; of the frames in each direction, ``share`` have a wrong octet.

    Those on their way to the processor are left alone unless ``to_processor``.
    """
    device = os.open(path, os.O_RDWR | os.O_NOCTTY)
    master, slave = os.openpty()
    for end in (device, master, slave):
        tty.setraw(end)
    settings = termios.tcgetattr(device)
    settings[4] = settings[5] = termios.B115200  # the line hears what is sent at another rate as it would sound
    termios.tcsetattr(device, termios.TCSANOW, settings)
    done = threading.Event()
    seen = Perturbed()
    chance = Random(seed)

    def spoil(share: float) -> Callable[[bytes], bytes]:
        frame = bytearray()

        def pieces(data: bytes) -> bytes:
            out = bytearray()
            for octet in data:
                frame.append(octet)
                if octet == FLAG:
                    seen.frames += 1
                    if len(frame) > 3 and chance.random() < share:
                        seen.spoilt += 1
                        at = chance.randrange(len(frame) - 1)
                        frame[at] = 0x55 if frame[at] != 0x55 else 0x2A
                    out.extend(frame)
                    frame.clear()
            return bytes(out)

        return pieces

    def carry() -> None:
        ways = {device: (master, spoil(share)), master: (device, spoil(share if to_processor else 0))}
        while not done.is_set():
            for end in select(list(ways), [], [], 0.05)[0]:
                target, pieces = ways[end]
                os.write(target, pieces(os.read(end, 4096)))

    thread = threading.Thread(target=carry, name="perturbed line", daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave), seen
    finally:
        done.set()
        thread.join()
        for end in (device, master, slave):
            os.close(end)
