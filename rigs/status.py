"""What a running rig looks like to a person: its ports, who is there, what went by, why it is silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rigs.control.overview import clients_of
from rigs.driver import SECOND, ClockMode
from rigs.ports import Port

if TYPE_CHECKING:
    from rich.console import Console

    from rigs.rig import Rig

_FRAME = 7  # lines of the table that are no rows, and one left for the cursor
_TRAFFIC = ("octets in", "octets out", "frames received", "frames sent", "echoed")


class Row(NamedTuple):
    """One port now.

    ``client`` names the client SAPs that are associated and the logical devices they talk to; ``refused`` counts what
    was discarded or refused, by what it was; ``said`` holds the last two sentences about why.
    """

    name: str
    address: str
    client: str
    octets_in: int
    octets_out: int
    frames_in: int
    frames_out: int
    refused: dict[str, int]
    said: str


class Status:
    """Follows a rig. Give :meth:`explained` to the rig as its ``explain``."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._said: dict[str, tuple[str, ...]] = {}  # by port, the one that spoke last at the end
        self._activity: dict[str, int] = {}
        self._latest: list[str] = []

    def explained(self, name: str, text: str) -> None:
        """A port has discarded or refused something, and why."""
        # Two sentences: what a wrong rate makes of a frame is soon followed by what HDLC makes of that.
        before = [sentence for sentence in self._said.pop(name, ()) if sentence != text]
        self._said[name] = (*before[-1:], text)

    def rows(self) -> list[Row]:
        """Every port, in the order of the rig file."""
        return [self._row(name, port) for name, port in self.rig.ports.items()]

    def view(self, screen: Console) -> Group:
        """The ports as a table, and why they are silent in whole sentences below it, as large as ``screen``.

        Where not all fits, the ports at which something happened last go before others, and the latest sentences.
        """
        rows = self.rows()
        notes = self._notes({row.name: row for row in rows}, screen)
        room = max(3, screen.height - _FRAME - sum(lines for _, lines in notes))
        self._note_activity(rows)
        left_out = len(rows) - room
        if left_out > 0:
            recent = self._latest[-room:]
            shown = {*recent, *[row.name for row in rows if row.name not in self._latest][: room - len(recent)]}
            rows = [row for row in rows if row.name in shown]
        table = Table(title=self.headline(), title_justify="left")
        table.add_column("Port", no_wrap=True)
        table.add_column("Client", overflow="fold")
        table.add_column("Octets in/out", justify="right", no_wrap=True)
        table.add_column("Frames in/out", justify="right", no_wrap=True)
        for row in rows:
            table.add_row(
                Text(row.name),
                Text(row.client),
                f"{row.octets_in}/{row.octets_out}",
                f"{row.frames_in}/{row.frames_out}",
            )
        if left_out > 0:
            table.caption = f"and {left_out} more ports"
        return Group(table, *[Text(note, overflow="fold") for note, _ in notes])

    def _notes(self, rows: dict[str, Row], screen: Console) -> list[tuple[str, int]]:
        """A sentence for each port that has refused something, the latest first, and the lines it takes.

        Together they take a third of the screen at most, if there is more than one.
        """
        room = screen.height // 3
        notes: list[tuple[str, int]] = []
        for name in reversed(self._said):
            counted = counts(rows[name].refused) if name in rows else ""  # a HAN is no port
            note = f"{name}: {'; '.join(self._said[name])}{f' [{counted}]' if counted else ''}"
            lines = len(Text(note).wrap(screen, screen.width))
            room -= lines
            if room < 0 and notes:
                break
            notes.append((note, lines))
        return notes

    def headline(self) -> str:
        """The rig's time and how its clock runs."""
        driver = self.rig.driver
        driver.now()
        now = datetime.fromtimestamp(self.rig.clock.now // SECOND, UTC)
        match driver.mode:
            case ClockMode.REAL:
                pace = "real time"
            case ClockMode.ACCELERATED:
                pace = f"{driver.rate:g} times real time"
            case ClockMode.STEPPED:
                pace = "stands still"
        return f"{now:%Y-%m-%d %H:%M:%S} UTC, {pace}"

    def _row(self, name: str, port: Port) -> Row:
        counted = port.statistics()
        refused = {what: count for what, count in counted.items() if what not in _TRAFFIC and count}
        return Row(
            name,
            port.address,
            _clients(port),
            counted["octets in"],
            counted["octets out"],
            counted["frames received"],
            counted["frames sent"],
            refused,
            "; ".join(self._said.get(name, ())),
        )

    def _note_activity(self, rows: Iterable[Row]) -> None:
        for row in rows:
            moved = row.octets_in + row.octets_out
            if moved != self._activity.get(row.name, 0):
                self._activity[row.name] = moved
                if row.name in self._latest:
                    self._latest.remove(row.name)
                self._latest.append(row.name)


class Log:
    """The same as lines that are printed when something has changed, for output that is no terminal."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._clients: dict[str, str] = {}
        self._fresh: Counter[tuple[str, str]] = Counter()

    def explained(self, name: str, text: str) -> None:
        """As :meth:`Status.explained`; the sentence comes with the next :meth:`lines`, once."""
        self._status.explained(name, text)
        if len(self._fresh) < 100 or (name, text) in self._fresh:
            self._fresh[name, text] += 1

    def lines(self) -> list[str]:
        """What has happened since the last call."""
        said = [f"{name}: {text}{'' if n == 1 else f' ({n} times)'}" for (name, text), n in self._fresh.items()]
        self._fresh.clear()
        return [*said, *(f"{name}: {text}" for name, text in self.clients())]

    def clients(self) -> list[tuple[str, str]]:
        """Ports whose clients have come or gone since the last call, and who is there now."""
        found: list[tuple[str, str]] = []
        for name, port in self._status.rig.ports.items():
            client = _clients(port)
            if client != self._clients.get(name, ""):
                self._clients[name] = client
                found.append((name, client or "the client has gone"))
        return found


def counts(counted: dict[str, int]) -> str:
    """``bad FCS 2, overrun 1``."""
    return ", ".join(f"{what} {count}" for what, count in counted.items())


def _clients(port: Port) -> str:
    open_now = clients_of(port)
    if open_now:
        return ", ".join(open_now)
    if port.present:
        return "connected" if port.present == 1 else f"{port.present} connected"
    return ""
