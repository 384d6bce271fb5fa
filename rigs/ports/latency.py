"""How long devices take over their answers, counted by length of time: the work of the emulator, nothing else.

What a line model adds on purpose (turnaround, pacing) comes on top of it and is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import accumulate

SHORTEST, LONGEST = 13, 31
"""Answers of less than ``1 << SHORTEST`` ns (8 us) are told together, and those of ``1 << LONGEST`` ns (2 s) or more.

In between the bounds are powers of two, which are found without a search.
"""

Receive = Callable[[bytes, int], bytes]


class Latency:
    """Counts of answers by how long they took."""

    __slots__ = ("counts", "total_ns")

    def __init__(self) -> None:
        self.counts = [0] * 64
        """Answers by how many bits the time that they took has, ns: below ``1 << bits``."""
        self.total_ns = 0
        """Time of all answers together."""

    def timed(self, receive: Receive) -> Receive:
        """``receive`` of a stack, with the time of each call that gives an answer counted."""
        machine, counts = time.perf_counter_ns, self.counts

        def timed(data: bytes, now: int) -> bytes:
            begun = machine()
            answer = receive(data, now)
            if answer:
                taken = machine() - begun
                counts[taken.bit_length()] += 1
                self.total_ns += taken
            return answer

        return timed

    def buckets(self) -> list[tuple[int | None, int]]:
        """Upper bounds in ns, None for no bound, and how many answers took no longer."""
        sums = list(accumulate(self.counts))
        bounds = range(SHORTEST, LONGEST + 1)
        return [*((1 << bits, sums[bits]) for bits in bounds), (None, sums[-1])]
