"""The ports of the bench panel while a rig runs."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, cast

from rigs.panel.bench import Bench
from rigs.panel.modbus import STACKS
from rigs.ports import Attachment, LineOptions, Port, PortError, make_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.ports import Stack
    from rigs.panel.settings import PanelConfig
    from rigs.rig import Rig

LINE = LineOptions(baud=False)
"""The panel is an instrument: its line is not one of those that are emulated."""


class Panel:
    """The bench panel of one rig. ``ports`` are open ports by the name of what they carry: ``tcp`` and ``rtu``."""

    def __init__(self, rig: Rig, config: PanelConfig) -> None:
        self._rig = rig
        self.bench = Bench(rig)
        self.ports: dict[str, Port] = {}
        for name, spec in config.ports().items():
            # It has all that a line asks of a stack, and nothing of a device.
            make = cast("Callable[[], Stack]", partial(STACKS[name], self.bench, config))
            tell = None if rig.explain is None else partial(rig.explain, f"panel/{name}")
            attachment = Attachment(f"panel/{name}", make, LINE, explain=tell)
            port = self.ports[name] = make_port(spec, attachment, rig.driver, rig.folder)
            port.failed = self._failed

    async def open(self) -> None:
        """Make it reachable; raises :class:`rigs.ports.PortError`, with what was opened still open."""
        for port in self.ports.values():
            await port.open()

    def close(self) -> None:
        """Take it away. Closing twice does no harm."""
        for port in self.ports.values():
            with suppress(OSError):
                port.close()

    def _failed(self, error: PortError) -> None:
        """An adaptor was pulled out: the devices go on without the panel."""
        if self._rig.warn is not None:
            self._rig.warn(f"bench panel: {error}")
