"""What a device tells those who ask: its objects, rights and values as each client sees them, limits and times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from statistics import median
from typing import NamedTuple

from emulator.time import MILLISECOND
from emulator.uart import character_time
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.client import Attribute, NoAnswer, Refused
from protocols.dlms.enums import Conformance
from protocols.errors import DecodeError
from protocols.hdlc import Parameters
from protocols.iec62056_21 import Identification
from rigs.client import ClientError, ClientOptions, DlmsClient
from rigs.client.client import respite
from rigs.learning.clients import LearningClient
from rigs.reader import OBJECT_LIST, Listed, listed_objects

MAX_OBJECTS = 4096
"""Objects of one client's list that are read; a longer list is refused."""
MAX_VALUE = 16_384
"""Octets of a value that is kept; a longer one is not static."""
LONGEST = Parameters(2030, 2030, 7, 7)
"""What is proposed to a device on HDLC: what it agrees to are its own limits."""
SAP_ASSIGNMENT = Attribute(17, obis.parse("0-0:41.0.0"), 2)
PROFILE_CLASS, ASSOCIATION_CLASS = 7, 15
FAREWELL = 3.0
"""Seconds that an answer is waited for which some devices do not give."""
_NAME_REQUEST = b"\xc0\x01\xc1\x00\x01" + obis.parse("0-0:42.0.0") + b"\x02\x00"
_EMPTY_TITLE = bytes.fromhex("A4020400")
"""responding-AP-title of an AARE without any octets."""
_PROPOSED = 0
for _bit in Conformance:
    _PROPOSED |= _bit


class Key(NamedTuple):
    """An object by class and logical name."""

    class_id: int
    logical_name: bytes

    def attribute(self, index: int) -> Attribute:
        """One of its attributes."""
        return Attribute(self.class_id, self.logical_name, index)


@dataclass(frozen=True, slots=True)
class View:
    """What one client sees. ``max_pdu`` is the longest APDU the device takes from it, octets (0: any).

    ``longest`` is the longest that it sent where it had more to say than it put into one, None where it had not.
    """

    client: LearningClient
    conformance: Conformance
    max_pdu: int
    longest: int | None
    objects: dict[Key, Listed]


@dataclass(slots=True)
class Survey:
    """What a device has told.

    ``values`` are the attributes that some client could read, but the rows of profiles and object lists. ``hdlc`` are
    the link's limits as the device has them and ``turnaround`` its time before an answer in ms, None where there is no
    HDLC; ``identification`` is that of the sign-on. ``ignores_release``, ``silent_before_association`` and
    ``empty_title`` (of its AARE) are ways of makes, None while they have not been tried. ``mediums`` are the first
    digits of logical names at the other server SAPs that the device assigns. ``notes`` tell in a sentence each what
    could not be had.
    """

    port: str
    server: int
    views: list[View] = field(default_factory=list[View])
    values: dict[Attribute, Data] = field(default_factory=dict[Attribute, Data])
    hdlc: Parameters | None = None
    turnaround: float | None = None
    identification: Identification | None = None
    ignores_release: bool | None = None
    silent_before_association: bool | None = None
    empty_title: bool | None = None
    mediums: dict[int, set[int]] = field(default_factory=dict[int, set[int]])
    notes: list[str] = field(default_factory=list[str])

    @property
    def objects(self) -> dict[Key, list[Listed]]:
        """Every object, in the order of the longest list, with what each client that sees it is told of it."""
        found: dict[Key, list[Listed]] = {}
        for view in sorted(self.views, key=lambda view: -len(view.objects)):
            for key, listed in view.objects.items():
                found.setdefault(key, []).append(listed)
        return found


async def survey(port: str, clients: Sequence[LearningClient], told: Callable[[str], None]) -> Survey:
    """Read a device as each of ``clients``; ``told`` hears what is being done.

    A client that is refused is noted; ClientError when none is let in or the device falls silent, PortError for the
    port.
    """
    found = Survey(port, clients[0].options.server)
    waits: list[tuple[int, int]] = []
    refused: ClientError | None = None
    for client in clients:
        told(f"client {client.options.client} ({client.name})")
        try:
            found.views.append(await _view(port, client, found, waits))
        except ClientError as error:
            if isinstance(error.__cause__, NoAnswer):
                raise
            refused = error
            found.notes.append(
                f"client {client.options.client} ({client.name}) was not let in: {error.__cause__ or error}"
            )
    if not found.views:
        assert refused is not None
        raise refused
    found.silent_before_association = await _silent(port, clients[0])
    if found.hdlc is not None and waits:
        found.turnaround = turnaround(waits, clients[0].options.baud)
    await _look_behind(port, clients[0], found, told)
    return found


async def _silent(port: str, client: LearningClient) -> bool:
    """Whether a request outside of any association gets no answer."""
    async with _session(port, client.options.client_options(), associate=False) as meter:
        return await meter.probe(_NAME_REQUEST, FAREWELL) is None


async def _view(port: str, client: LearningClient, found: Survey, waits: list[tuple[int, int]]) -> View:
    options = replace(client.options.client_options(), hdlc=LONGEST)
    everything = replace(options.settings, conformance=_PROPOSED, block_window=1)
    async with _session(port, replace(options, settings=everything)) as meter:
        agreed = meter.negotiated
        found.empty_title = bool(found.empty_title) or _EMPTY_TITLE in meter.aare
        await _leave(meter, found)
    assert agreed is not None
    async with _session(port, options) as meter:
        blocks: list[int] = []
        encoded = await meter.get(OBJECT_LIST, progress=lambda _octets, count: blocks.append(count))
        longest = meter.longest if max(blocks, default=0) > 1 else None
        listed = listed_objects(port, encoded)
        if len(listed) > MAX_OBJECTS:
            raise ClientError(f"{port}: an object list of {len(listed)} objects; at most {MAX_OBJECTS} are learnt")
        for item in listed:
            await _read(meter, item, found)
        link = meter.hdlc
        if link is not None:
            ours = link.station.parameters
            found.hdlc = Parameters(
                ours.max_info_receive, ours.max_info_transmit, ours.window_receive, ours.window_transmit
            )
            waits.extend(link.waits)
        found.identification = meter.identification or found.identification
        await _leave(meter, found)
    objects = {Key(item.class_id, item.logical_name): item for item in listed}
    return View(client, agreed.conformance, agreed.max_send_pdu, longest, objects)


@asynccontextmanager
async def _session(port: str, options: ClientOptions, *, associate: bool = True) -> AsyncIterator[DlmsClient]:
    """One session of many at the port."""
    async with DlmsClient.open(port, options, associate=associate) as meter:
        yield meter
    await respite(meter.port)


async def _leave(meter: DlmsClient, found: Survey) -> None:
    """Release the association, unless the device has left that unanswered before."""
    if not found.ignores_release:
        try:
            async with asyncio.timeout(FAREWELL):
                await meter.release()
            found.ignores_release = False
        except (TimeoutError, ClientError) as error:
            if isinstance(error, ClientError) and not isinstance(error.__cause__, NoAnswer):
                raise
            found.ignores_release = True
    meter.machine.lost(NoAnswer("left"))  # the link goes without a word


async def _read(meter: DlmsClient, item: Listed, found: Survey) -> None:
    """Attributes of an object that nobody could read before."""
    key = Key(item.class_id, item.logical_name)
    for index in item.readable:
        attribute = key.attribute(index)
        rows = index == 2 and item.class_id in (PROFILE_CLASS, ASSOCIATION_CLASS)
        if index == 1 or rows or attribute in found.values:
            continue
        try:
            encoded = await meter.get(attribute)
            data = axdr.decode_all(encoded)
        except ClientError as error:
            if not isinstance(error.__cause__, Refused):
                raise
            found.notes.append(f"{attribute}: {error.__cause__}")
        except DecodeError as error:
            found.notes.append(f"{attribute}: {error}")
        else:
            if len(encoded) <= MAX_VALUE:
                found.values[attribute] = data
            else:
                found.notes.append(f"{attribute}: {len(encoded)} octets, of which none are kept")


async def _look_behind(port: str, client: LearningClient, found: Survey, told: Callable[[str], None]) -> None:
    """What the other logical devices are of, so far as the first client may see."""
    assigned = found.values.get(SAP_ASSIGNMENT)
    if assigned is None:
        return
    saps = {int(item.elements[0].value) for item in assigned.elements if isinstance(item.elements[0].value, int)}
    for sap in sorted(saps - {found.server}):
        told(f"logical device {sap}")
        options = replace(client.options, server=sap).client_options()
        try:
            async with _session(port, options) as meter:
                listed = listed_objects(port, await meter.get(OBJECT_LIST))
                await _leave(meter, found)
        except ClientError as error:
            found.notes.append(f"logical device {sap}: {error.__cause__ or error}")
        else:
            found.mediums[sap] = {item.logical_name[0] for item in listed}


def turnaround(waits: Sequence[tuple[int, int]], baud: int) -> float:
    """A device's time before an answer, ms, of how long its answers were waited for (ns) and octets sent before.

    Where longer requests took as much longer as their octets take on a line of ``baud``, that time is the line's, and
    so is that of the answer's first octet.
    """
    each = character_time(baud, "8N1")
    shortest, longest = (pick(octets for _, octets in waits) for pick in (min, max))
    fastest = {length: min(wait for wait, octets in waits if octets == length) for length in (shortest, longest)}
    paced = longest > shortest and fastest[longest] - fastest[shortest] > (longest - shortest) * each / 2
    return round(median(wait - (octets + 1) * each * paced for wait, octets in waits) / MILLISECOND, 1)
