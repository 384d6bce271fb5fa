"""Tokens: verification and issue with the key held, on one core, and what a meter's memory of used ones takes."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator

from bench.figures import Figure, middle, rounds, spread
from emulator.prepayment.history import LONGEST, TokenHistory
from protocols.tokens.symmetric import SymmetricTokens

TOKENS = 50_000
RATE = 60_000
OCTETS = 1024


def measures() -> tuple[Callable[[], float], Callable[[], float]]:
    """Processor time of one verification and of one issue, ns, over tokens that all differ in counter and amount."""
    scheme = SymmetricTokens(bytes(range(16)), bytes.fromhex("90B3D51F30010000"), bytes.fromhex("00DB1234567890A0"))
    asked = [(counter, 100 + counter % 8000) for counter in range(TOKENS)]
    tokens = [scheme.issue(counter, pence) for counter, pence in asked]

    def verify() -> float:
        read = scheme.read
        begin = time.process_time_ns()
        for counter, digits in enumerate(tokens):
            read(digits, counter - 1)
        return (time.process_time_ns() - begin) / TOKENS

    def issue() -> float:
        make = scheme.issue
        begin = time.process_time_ns()
        for counter, pence in asked:
            make(counter, pence)
        return (time.process_time_ns() - begin) / TOKENS

    return verify, issue


def history() -> int:
    """Octets of the longest history with every bit set, its numbers counted."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = TokenHistory(LONGEST)
    for counter in range(1 << 20, (1 << 20) + LONGEST):
        held.add(counter)
    octets = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return octets


def figures(count: int) -> Iterator[Figure]:
    """Rows of the table, ``count`` rounds each."""
    results = rounds(count, *measures())
    for work, result in zip(("UTRN verifications", "UTRN issues"), results, strict=True):
        rate = [1e9 / each for each in result]
        text = f"{spread(rate, 1e-3, ',.0f')} k/s"
        yield Figure(f"{work}, key held, one core", f">= {RATE:,}/s", "", text, middle(rate) >= RATE)
    octets = history()
    work = f"history of used tokens, {LONGEST:,} counters"
    yield Figure(work, f"<= {OCTETS:,} octets", "", f"{octets:,} octets", octets <= OCTETS)
