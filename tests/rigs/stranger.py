"""Somebody near a HAN who has its keys and a radio, and says what he should not."""

from __future__ import annotations

from emulator.hub import Hub
from protocols.zigbee import aps, mac, nwk
from protocols.zigbee.aps import ApsFrame
from protocols.zigbee.mac import MacFrame
from protocols.zigbee.nwk import NwkFrame
from protocols.zigbee.security import Auxiliary, KeyId

METERING = 0x0702
READ = b"\x00\x07\x00\x00\x00"


def resealed(octets: bytes) -> bytes:
    """A frame that was changed, with the check sequence that it has now."""
    return octets[: -mac.FCS] + mac.check_sequence(octets[: -mac.FCS])


class Stranger:
    """Makes frames that look as if the hub had sent them to its electricity meter, each right but for what is asked."""

    def __init__(self, hub: Hub) -> None:
        self.han = hub.han
        self.meter = next(member for member in hub.han.members if member.device.firmware.kind == "electricity")

    def frame(self, octets: bytes, *, pan: int | None = None) -> bytes:
        """A MAC data frame."""
        place = self.han.pan_id if pan is None else pan
        ends = (place, self.meter.node.address, place, 0)
        return mac.encode(MacFrame(mac.FrameType.DATA, 7, octets, *ends))

    def network(
        self,
        payload: bytes,
        kind: nwk.FrameType = nwk.FrameType.DATA,
        *,
        counter: int | None = None,
        sequence: int | None = None,
        key: bytes | None = None,
        pan: int | None = None,
    ) -> bytes:
        """A network frame, by default with the key and the counter that come next."""
        auxiliary = Auxiliary(
            KeyId.NETWORK,
            self.han.node.counter if counter is None else counter,
            self.han.node.eui64,
            self.han.key_sequence if sequence is None else sequence,
        )
        frame = NwkFrame(kind, self.meter.node.address, 0, 30, 200, payload)
        return self.frame(nwk.encode(frame, key or self.han.network_key, auxiliary), pan=pan)

    def unprotected(self) -> bytes:
        """A network frame without protection."""
        return self.frame(nwk.encode(NwkFrame(nwk.FrameType.DATA, self.meter.node.address, 0, 30, 200, b"\0\0")))

    def message(self, payload: bytes = READ, link_key: bytes | None = None) -> bytes:
        """An APS data frame, protected where a link key is given."""
        frame = ApsFrame(
            aps.FrameType.DATA,
            9,
            payload,
            destination_endpoint=1,
            cluster=METERING,
            profile=0x0109,
            source_endpoint=1,
        )
        if link_key is None:
            return aps.encode(frame)
        counter = self.han.node.link_counter
        return aps.encode(frame, link_key, Auxiliary(KeyId.LINK, counter, self.han.node.eui64))
