"""Key establishment between a device that has joined and the trust centre (CBKE, Smart Energy annex C).

Both sides run :class:`protocols.zigbee.cbke.Exchange`; what they say are commands of the Key Establishment cluster,
over the air like everything else. Certificates are issued by one authority for each seed, whose key no real device
trusts. A device's certificate is that of its EUI-64, unless somebody gave it another.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from emulator.han.message import Message
from emulator.time import stream
from protocols.zigbee import cbke
from protocols.zigbee.cbke import Authority, ConfirmKey, Credentials, EphemeralData, Exchange, Initiate, Role, Terminate
from protocols.zigbee.zcl.clusters import KEY_ESTABLISHMENT, encode_command
from protocols.zigbee.zcl.header import Direction, cluster_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.han.member import Member
    from emulator.han.network import Network
    from emulator.han.node import Node

ISSUER: Final = b"SMETSHIL"
PROFILE: Final = 0x0109
_ENDPOINT: Final = 1


@lru_cache(maxsize=64)
def authority(seed: int) -> Authority:
    """The authority that all devices of a seed trust."""
    return Authority.of_chance(ISSUER, stream(seed, "rig", "certificate authority"))


@lru_cache(maxsize=4096)
def credentials(seed: int, owner: str, eui64: bytes) -> Credentials:
    """Certificate and private key of a device, by its name and EUI-64."""
    return authority(seed).issue(eui64, stream(seed, owner, f"certificate {eui64.hex()}"))


def establish(network: Network, member: Member, way: Sequence[Node]) -> tuple[bytes | None, str]:
    """Run one exchange, begun by the device: the new link key and no words, or None and why there is none."""
    hub = network.hub
    seed, theirs = hub.seed, member.device.identity
    trusted = authority(seed)
    held = member.credentials or credentials(seed, theirs.device_id, theirs.eui64)
    chance = stream(seed, theirs.device_id, f"key establishment {hub.clock.now}")
    common: dict[str, Any] = {"authority_public": trusted.public, "issuer": trusted.issuer, "chance": chance}
    own = credentials(seed, hub.identity.device_id, hub.identity.eui64)
    sides = (
        Exchange(Role.INITIATOR, held, peer=hub.identity.eui64, **common),
        Exchange(Role.RESPONDER, own, peer=theirs.eui64, **common),
    )
    ways = way, way[::-1]
    turn = 0
    message: cbke.Message | None = sides[0].start()
    while message is not None:
        if not network.carrier.carry(ways[turn], _frame(message, turn, ways[turn][0]), ways[turn][0].next_aps()):
            return None, "a frame of the key establishment was lost"
        if isinstance(message, Terminate):
            return None, sides[turn].reason
        turn = 1 - turn
        message = sides[turn].receive(message)
    return sides[0].link_key, ""


def _frame(message: cbke.Message, turn: int, sender: Node) -> Message:
    """A message as the cluster's command: requests go to the server, what the responder says to the client."""
    direction = Direction.TO_CLIENT if turn else Direction.TO_SERVER
    match message:
        case Initiate(suite, ephemeral_time, confirm_time, certificate):
            command, values = 0, _initiate(suite, ephemeral_time, confirm_time, certificate)
        case EphemeralData(point):
            command, values = 1, {"ephemeral": point}
        case ConfirmKey(mac):
            command, values = 2, {"mac": mac}
        case Terminate(status, wait, suite):
            command, values = 3, {"status": status, "wait": wait, "suite": suite}
    payload = encode_command(KEY_ESTABLISHMENT.id, direction, command, values)
    frame = cluster_frame(sender.aps_sequence, command, payload, direction, answer=False)
    return Message(PROFILE, KEY_ESTABLISHMENT.id, _ENDPOINT, _ENDPOINT, frame.encode())


def _initiate(suite: int, ephemeral_time: int, confirm_time: int, certificate: bytes) -> dict[str, Any]:
    return {
        "suite": suite,
        "ephemeral_time": ephemeral_time,
        "confirm_time": confirm_time,
        "certificate": certificate,
    }
