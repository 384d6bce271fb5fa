"""Who is told why a device gave no answer, or an odd one: a sentence, and the layer that dropped or refused it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum


class Layer(Enum):
    """Where something was dropped or refused, from the outside in; the value is a word for people."""

    PORT = "port"
    LINE = "line"
    DEVICE = "device"
    SIGN_ON = "sign-on"
    LINK = "link"
    SECURITY = "security"
    APPLICATION = "application"
    HAN = "HAN"


@dataclass(frozen=True, slots=True)
class Teller:
    """Takes the sentences of one layer; the stacks of :mod:`emulator.ports` hand each layer one of its own."""

    tell: Callable[[Layer, str], None]
    layer: Layer = Layer.APPLICATION

    def __call__(self, text: str) -> None:
        """Something was dropped or refused, and why."""
        self.tell(self.layer, text)

    def at(self, layer: Layer) -> Teller:
        """The same for another layer."""
        return replace(self, layer=layer)


def at(layer: Layer, explain: Callable[[str], None] | None) -> Callable[[str], None] | None:
    """``explain`` for the sentences of ``layer``; one that knows no layers stays as it is."""
    return explain.at(layer) if isinstance(explain, Teller) else explain
