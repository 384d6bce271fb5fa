"""Between a head-end and a meter: records what they say, damages it by seed, and plays either side back.

:class:`Proxy` stands between a port that a head-end opens and one that leads to a meter, real or emulated.
:class:`MeterReplay` answers a head-end from a recording, :class:`HeadEndReplay` says to a meter what the head-end said.
"""

from emulator.faults.damage import Damage
from rigs.proxy.damage import damage_of, parse_delay, parse_wrong
from rigs.proxy.proxy import Proxy, ProxyOptions
from rigs.proxy.recording import Recorder, Recording
from rigs.proxy.replay import HeadEndReplay, MeterReplay

__all__ = [
    "Damage",
    "HeadEndReplay",
    "MeterReplay",
    "Proxy",
    "ProxyOptions",
    "Recorder",
    "Recording",
    "damage_of",
    "parse_delay",
    "parse_wrong",
]
