"""HDLC of DLMS/COSEM (IEC 62056-46): frames, and the machines of the server and client stations."""

from protocols.hdlc.frame import Frame, decode, decode_address, encode, encode_address
from protocols.hdlc.link import Link, Upper
from protocols.hdlc.parameters import Parameters
from protocols.hdlc.primary import Connected, Disconnected, Event, Notified, PrimaryStation, Received
from protocols.hdlc.reader import FrameReader
from protocols.hdlc.secondary import SecondaryStation

__all__ = [
    "Connected",
    "Disconnected",
    "Event",
    "Frame",
    "FrameReader",
    "Link",
    "Notified",
    "Parameters",
    "PrimaryStation",
    "Received",
    "SecondaryStation",
    "Upper",
    "decode",
    "decode_address",
    "encode",
    "encode_address",
]
