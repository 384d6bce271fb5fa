"""What a fault does to the objects of a device as clients meet them: refuses, values of another kind, slowness."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from emulator.faults.answers import ANSWERS, CLIENT, Hits, together, words
from emulator.faults.fault import End, Site
from emulator.faults.parameters import LogicalName, Number, Word
from emulator.gate import Blow, Hazard, unharmed
from emulator.lines import Lines
from emulator.taps import Access, Attempt, tap
from emulator.telling import Layer
from emulator.time import MILLISECOND
from protocols.dlms import axdr
from protocols.dlms.enums import DataAccessResult, Tag
from protocols.dlms.objects import AccessRefused

if TYPE_CHECKING:
    from protocols.sniffer import Message

_OBJECT: Final = LogicalName("object", "Which object")
_ACCESSES: Final = {"any": tuple(Access), **{access.value: (access,) for access in Access}}
_RESULTS: Final = words(
    (
        DataAccessResult.TEMPORARY_FAILURE,
        DataAccessResult.HARDWARE_FAULT,
        DataAccessResult.READ_WRITE_DENIED,
        DataAccessResult.OBJECT_UNDEFINED,
        DataAccessResult.OBJECT_CLASS_INCONSISTENT,
        DataAccessResult.OBJECT_UNAVAILABLE,
        DataAccessResult.TYPE_UNMATCHED,
        DataAccessResult.SCOPE_OF_ACCESS_VIOLATED,
        DataAccessResult.OTHER_REASON,
    )
)
_RETYPED: Final[dict[str, Callable[[bytes], bytes]]] = {
    "octet-string": axdr.octets,
    "visible-string": lambda data: axdr.visible(data.hex()),
    "null-data": lambda _data: axdr.NULL,
    "structure": axdr.structure,
}
_COUNTED: Final = frozenset(
    (Tag.ARRAY, Tag.STRUCTURE, Tag.BIT_STRING, Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)
)
"""Types whose encoding begins with a number of elements, bits or octets."""

REFUSED: Final = (
    _OBJECT,
    Word("result", "The data-access-result or action-result that is answered", tuple(_RESULTS)),
    Word("access", "Which accesses are refused", tuple(_ACCESSES)),
    CLIENT,
    ANSWERS,
)
RETYPED: Final = (_OBJECT, Word("type", "What the value comes as", tuple(_RETYPED)), CLIENT, ANSWERS)
LENGTHENED: Final = (
    _OBJECT,
    Number("more", "How many more elements, bits or octets the value says that it has", "elements", 1, 1000, 1),
    CLIENT,
    ANSWERS,
)
SLOWED: Final = (_OBJECT, Number("delay", "How much later its answers come", "ms", 1, 600_000, 3000), CLIENT)


def refuse(site: Site) -> End:
    """Accesses to an object are not carried out and refused; parameters :data:`REFUSED`."""
    hits, result = Hits(site), DataAccessResult(_RESULTS[site.word("result")])
    accesses = _ACCESSES[site.word("access")]

    def tapped(attempt: Attempt, go: Callable[[], bytes | None]) -> bytes | None:
        if attempt.access not in accesses or not _meant(site, hits, attempt):
            return go()
        hits.hit(attempt.association, f"the object answers {site.word('result')}")
        raise AccessRefused(result)

    return tap(site.device, objects=tapped)


def retype(site: Site) -> End:
    """What is read of an object comes as another type; parameters :data:`RETYPED`."""
    return _change(site, _RETYPED[site.word("type")], f"the value comes as {site.word('type')}")


def lengthen(site: Site) -> End:
    """What is read of an object says that it is longer than it is; parameters :data:`LENGTHENED`."""
    more = site.number("more")

    def lengthened(data: bytes) -> bytes | None:
        if data[0] not in _COUNTED:
            return None
        count, start = axdr.read_length(data, 1)
        return data[:1] + axdr.length(count + more) + data[start:]

    return _change(site, lengthened, f"the value says that it is longer, by {more}, than it is")


def slow(site: Site) -> End:
    """Answers that have to do with an object come later, on the time of the line; parameters :data:`SLOWED`."""
    hits, delay = Hits(site), site.number("delay") * MILLISECOND
    slowed = False

    def tapped(attempt: Attempt, go: Callable[[], bytes | None]) -> bytes | None:
        nonlocal slowed
        slowed |= _meant(site, hits, attempt)
        return go()

    def met() -> bool:
        nonlocal slowed
        was, slowed = slowed, False
        return was

    # What the device says leaves by its own lines, and by those of the hub it is reached by.
    ends = [
        Lines.of(device).endanger(lambda _stack: _Late(f"fault {site.id}", delay, met))
        for device in (site.device, site.device.uplink)
        if device is not None
    ]
    return together([*ends, tap(site.device, objects=tapped)])


class _Late(Hazard):
    """Holds back what leaves a line after a slow object was met."""

    __slots__ = ("_delay", "_met")

    layer: ClassVar[Layer] = Layer.APPLICATION

    def __init__(self, owner: str, delay: int, met: Callable[[], bool]) -> None:
        super().__init__(owner)
        self._delay = delay
        self._met = met

    def hit(self, message: Message, now: int) -> Blow:
        if message.inbound or not self._met():
            return unharmed(message)
        return Blow(self._delay, (message.octets,), f"{self._delay // MILLISECOND} ms late: an object is slow")


def _change(site: Site, change: Callable[[bytes], bytes | None], what: str) -> End:
    """Values that are read of an object are what ``change`` makes of them; it returns None to leave one as it is."""
    hits = Hits(site)

    def tapped(attempt: Attempt, go: Callable[[], bytes | None]) -> bytes | None:
        data = go()
        if attempt.access is not Access.GET or data is None or not _meant(site, hits, attempt):
            return data
        changed = change(data)
        if changed is None:
            return data
        hits.hit(attempt.association, what)
        return changed

    return tap(site.device, objects=tapped)


def _meant(site: Site, hits: Hits, attempt: Attempt) -> bool:
    wanted = site.octets("object")
    return (not wanted or attempt.logical_name == wanted) and hits.meant(attempt.association)
