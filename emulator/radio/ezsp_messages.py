"""Messages of the host to devices, and of devices to the host."""

from __future__ import annotations

from emulator.han.message import ALL_DEVICES, RECEIVERS_ON, ROUTERS, Message
from emulator.radio.coordinator import Received, Sent
from emulator.radio.ezsp_processor import Handlers, Processor
from emulator.radio.ezsp_tables import UNUSED, Tables
from protocols.zigbee.declared import Values
from protocols.zigbee.ezsp import messaging as ezsp
from protocols.zigbee.ezsp.enums import CONTENTS_IN_CALLBACK, Aps, Config, Counter, Incoming, Outgoing, Policy, Status
from protocols.zigbee.ezsp.messaging import MAX_CONTENTS, ApsFrame, Unicast
from protocols.zigbee.zdo import RESPONSE, Cluster

FIRST_BROADCAST = 0xFFF8
_BROADCASTS = (ALL_DEVICES, RECEIVERS_ON, ROUTERS)
_MOST_PARTS = 0xFF
_HOST_SEES_QUESTIONS = 0x03
"""Of the ZDO flags: it is given questions of the device profile too, which the processor answers in any case."""


class Messages:
    """Answers the commands that send, and turns what arrives into callbacks."""

    def __init__(self, processor: Processor, tables: Tables) -> None:
        self._processor = processor
        self._coordinator = processor.coordinator
        self._tables = tables
        self._sequence = processor.chance.randrange(0x100)
        self._tag = 0
        self._pending: dict[int, Unicast] = {}
        """Messages on their way, with the sequence number they were given."""

    def handlers(self) -> Handlers:
        """By command; sendUnicast has :meth:`unicast`."""
        return {
            ezsp.MAXIMUM_PAYLOAD: self._maximum,
            ezsp.SEND_BROADCAST: self._broadcast,
            ezsp.PROXY_BROADCAST: self._broadcast,
            ezsp.SEND_MULTICAST: self._multicast,
            ezsp.SEND_REPLY: self._reply,
            ezsp.MANY_TO_ONE: self._many_to_one,
            ezsp.SEND_RAW: self._raw,
        }

    def _maximum(self, values: Values) -> Values:
        return {"octets": MAX_CONTENTS}

    # --- from the host

    def unicast(self, parameters: bytes) -> bytes:
        """sendUnicast, which runs for every request of a host: its parameters in, those of its answer out.

        DecodeError where they are not those of the command.
        """
        request = ezsp.read_unicast(parameters)
        address = self._destination(request)
        status = self._refusal(request.contents)
        if address is None:
            status = status or Status.INVALID_BINDING_INDEX
        elif address >= FIRST_BROADCAST:
            status = status or Status.BAD_ARGUMENT
        elif len(self._pending) >= self._processor.configuration[Config.APS_UNICAST_MESSAGE_COUNT]:
            status = status or Status.MAX_MESSAGE_LIMIT_REACHED
        if status or address is None:
            return bytes((status, 0))
        sequence = self._next_sequence()
        aps = request.aps._replace(sequence=sequence)
        self._tag = self._tag + 1
        self._pending[self._tag] = request._replace(aps=aps)
        self._coordinator.send(address, _message(aps, request.contents), self._tag)
        return bytes((Status.SUCCESS, sequence))

    def _destination(self, request: Unicast) -> int | None:
        match request.kind:
            case Outgoing.DIRECT:
                return request.destination
            case Outgoing.VIA_ADDRESS_TABLE:
                eui64, address = self._tables.addresses.get(request.destination, (b"", UNUSED))
                known = self._coordinator.address_of(eui64) if eui64 else None
                return known if known is not None else address
            case Outgoing.VIA_BINDING:
                binding = self._tables.binding(request.destination)
                return None if binding is None else self._coordinator.address_of(binding["partner"])
            case _:
                return None

    def _refusal(self, contents: bytes) -> Status:
        """Why a message cannot be sent at all, SUCCESS where it can."""
        if not self._processor.up:
            return Status.NETWORK_DOWN
        return Status.MESSAGE_TOO_LONG if len(contents) > MAX_CONTENTS else Status.SUCCESS

    def _next_sequence(self) -> int:
        self._sequence = self._sequence + 1 & 0xFF
        return self._sequence

    def _broadcast(self, values: Values) -> Values:
        status = self._refusal(values["contents"])
        if not status and values["destination"] not in _BROADCASTS:
            status = Status.BAD_ARGUMENT
        if status:
            return {"status": status, "sequence": 0}
        aps = _aps(values["aps"], self._next_sequence())
        self._coordinator.send(values["destination"], _message(aps, values["contents"])._replace(acknowledge=False))
        self._gone(Outgoing.BROADCAST, values["destination"], aps, values)
        return {"status": Status.SUCCESS, "sequence": aps.sequence}

    def _multicast(self, values: Values) -> Values:
        """To the members of a group, of which there are none: Smart Energy devices have no groups."""
        status = self._refusal(values["contents"])
        if status:
            return {"status": status, "sequence": 0}
        aps = _aps(values["aps"], self._next_sequence())
        self._gone(Outgoing.MULTICAST, aps.group, aps, values)
        return {"status": Status.SUCCESS, "sequence": aps.sequence}

    def _gone(self, kind: Outgoing, destination: int, aps: ApsFrame, values: Values) -> None:
        for counter in (Counter.APS_TX_BROADCAST, Counter.MAC_TX_BROADCAST):
            self._processor.count(counter)
        self._confirm(Unicast(kind, destination, aps, values["tag"], values["contents"]), Status.SUCCESS)

    def _reply(self, values: Values) -> Values:
        """Acknowledgements of parts of a message, which the network has acknowledged itself."""
        return {"status": self._refusal(values["contents"])}

    def _many_to_one(self, values: Values) -> Values:
        return {"status": Status.SUCCESS if self._processor.up else Status.NETWORK_DOWN}

    def _raw(self, values: Values) -> Values:
        """Frames between networks (touchlink) do not exist here."""
        return {"status": Status.INVALID_CALL}

    # --- to the host

    def sent(self, event: Sent) -> None:
        """A message was delivered, or could not be."""
        pending = self._pending.pop(event.tag, None)
        if pending is None:
            return
        processor = self._processor
        if event.delivered:
            processor.count(Counter.APS_TX_UNICAST_SUCCESS)
            processor.count(Counter.MAC_TX_UNICAST_SUCCESS)
        else:
            processor.count(Counter.APS_TX_UNICAST_FAILED)
            processor.count(Counter.MAC_TX_UNICAST_FAILED)
        self._confirm(pending, Status.SUCCESS if event.delivered else Status.DELIVERY_FAILED)

    def _confirm(self, pending: Unicast, status: Status) -> None:
        kind, destination, aps, tag, contents = pending
        if self._processor.policies[Policy.MESSAGE_CONTENTS_IN_CALLBACK] != CONTENTS_IN_CALLBACK:
            contents = b""
        parameters = ezsp.message_sent(kind, destination, aps, tag, status, contents)
        self._processor.tell_octets(ezsp.MESSAGE_SENT.id, parameters)

    def received(self, event: Received) -> None:
        """A message for the host. One that a frame cannot carry comes in parts, which the host puts together."""
        arrival = event.arrival
        message, contents = arrival.message, arrival.message.payload
        asks = not message.profile and not message.cluster & RESPONSE and message.cluster != Cluster.DEVICE_ANNOUNCE
        if asks and not self._processor.configuration[Config.APPLICATION_ZDO_FLAGS] & _HOST_SEES_QUESTIONS:
            return
        self._processor.count(Counter.APS_RX_BROADCAST if arrival.broadcast else Counter.APS_RX_UNICAST)
        kind = Incoming.BROADCAST if arrival.broadcast else Incoming.UNICAST
        options = Aps.ROUTE_DISCOVERY | (Aps.ENCRYPTION if message.secured else 0)
        options |= Aps.RETRY if message.acknowledge and not arrival.broadcast else 0
        aps = ApsFrame(
            message.profile,
            message.cluster,
            message.source_endpoint,
            message.destination_endpoint,
            int(options),
            0,
            self._next_sequence(),
        )
        parts = [contents[at : at + MAX_CONTENTS] for at in range(0, len(contents), MAX_CONTENTS)] or [b""]
        for index, part in enumerate(parts[:_MOST_PARTS]):
            if len(parts) > 1:  # the group field has the number of parts and which one this is
                aps = aps._replace(options=options | Aps.FRAGMENT, group=len(parts) << 8 & 0xFF00 | index)
            rssi = min(max(arrival.rssi, -128), 127)
            parameters = ezsp.incoming_message(kind, aps, arrival.lqi, rssi, arrival.source, part)
            self._processor.tell_octets(ezsp.INCOMING_MESSAGE.id, parameters)


def _aps(values: Values, sequence: int) -> ApsFrame:
    return ApsFrame(
        values["profile"],
        values["cluster"],
        values["source_endpoint"],
        values["destination_endpoint"],
        values["options"],
        values["group"],
        sequence,
    )


def _message(aps: ApsFrame, contents: bytes) -> Message:
    return Message(
        aps.profile,
        aps.cluster,
        aps.source_endpoint,
        aps.destination_endpoint,
        contents,
        secured=bool(aps.options & Aps.ENCRYPTION),
        acknowledge=bool(aps.options & Aps.RETRY),
    )
