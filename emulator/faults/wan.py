"""Faults of the WAN, between the SMETS1 CSP and the hub.

They act on all WAN lines of the hub, the TCP and UDP ports and the serial line, and on connections that are made while
they last. A serial line has no connection that could be closed: there, what would close one is silence.
"""

from __future__ import annotations

from typing import Final

from emulator.faults import mobile_network
from emulator.faults.damage import DISTRIBUTIONS
from emulator.faults.fault import Culprit, Fault, Layer
from emulator.faults.han import HUB
from emulator.faults.mobile_network import PER_MILLE, WEAK
from emulator.faults.parameters import Number, Word

UNASKED: Final = "what the hub sends unasked"
_PORTS = "what the WAN does to connections"
_RESEND = Number(
    "resend", "On TCP, how long until a lost packet is sent again; twice as long each time", "ms", 1, 60_000, 1000
)

FAULTS: Final = (
    Fault(
        "wan-down",
        Layer.WAN,
        "The hub's modem is not registered: nothing passes",
        HUB,
        mobile_network.down,
        Culprit.WAN,
        "the hub and all behind it run; nothing gets to them or from them",
        ("requests get no answer; open connections stay open and are silent", "devices of the HAN notice nothing"),
        "what is sent from then on passes, on the same connections; what was lost stays lost",
    ),
    Fault(
        "wan-one-way",
        Layer.WAN,
        "One direction of the WAN is dead",
        HUB,
        mobile_network.one_way,
        Culprit.WAN,
        "from-hub: the hub does what it is told, and its answers are lost; to-hub: it hears nothing",
        ("requests get no answer", "from-hub: what was ordered was done; the hub counts frames received and sent"),
        "both directions work; what was lost stays lost",
        (Word("way", "Which direction", ("from-hub", "to-hub")),),
    ),
    Fault(
        "wan-half-open",
        Layer.WAN,
        "The network has forgotten the TCP connections that are open, and told nobody",
        HUB,
        mobile_network.half_open,
        Culprit.WAN,
        "both ends believe in connections that lead nowhere",
        ("connections that were open are silent for good", "a new connection works"),
        "the connections are closed; new ones work as before",
        holds=_PORTS,
    ),
    Fault(
        "wan-unreachable",
        Layer.WAN,
        "The address of the hub leads nowhere",
        HUB,
        mobile_network.unreachable,
        Culprit.WAN,
        "the network turns away what is for the hub's address",
        ("connections are closed, and new ones too, before a word", "datagrams get no answer"),
        "the address leads to the hub; the head-end connects anew",
        holds=_PORTS,
    ),
    Fault(
        "wan-resets",
        Layer.WAN,
        "TCP connections are closed at random",
        HUB,
        mobile_network.resets,
        Culprit.WAN,
        "something on the way closes connections",
        ("connections are closed in the middle of an exchange", "associations are gone with them; a retry may work"),
        "connections stay",
        (Number("per_mille", "Chance that a message closes its connection", "per mille", 1, PER_MILLE, 200),),
    ),
    Fault(
        "wan-idle-timeout",
        Layer.WAN,
        "The network drops TCP connections that are idle, sooner than anybody expects",
        HUB,
        mobile_network.idle_timeout,
        Culprit.WAN,
        "the translation of addresses on the way has too short a memory",
        (
            "a connection works while it is busy, and not after a pause",
            "silent: no answer; closed: an end of the octets",
        ),
        "connections that were forgotten are closed; others and new ones stay",
        (
            Number("seconds", "How long a connection may be idle", "s", 1, 86_400, 60),
            Word("how", "What is seen of it", ("silent", "closed")),
        ),
        holds=_PORTS,
    ),
    Fault(
        "wan-latency",
        Layer.WAN,
        "Messages take long, each way",
        HUB,
        mobile_network.latency,
        Culprit.WAN,
        "the network is slow; nothing is lost",
        ("answers come late", "a client that waits for less takes the hub for silent, and hears stale answers"),
        "messages pass at once; those on the way come in their time",
        (
            Word("distribution", "How the time is drawn", DISTRIBUTIONS),
            Number("mean", "Mean", "ms", 0, 60_000, 800),
            Number("spread", "Half the width (uniform), or the standard deviation (normal)", "ms", 0, 60_000, 200),
        ),
    ),
    Fault(
        "wan-bandwidth",
        Layer.WAN,
        "The WAN carries few bits a second",
        HUB,
        mobile_network.bandwidth,
        Culprit.WAN,
        "the network is narrow; nothing is lost",
        ("short answers come soon, long ones late",),
        "messages pass at once; those on the way come in their time",
        (Number("rate", "How many, in each direction", "bit/s", 50, 10_000_000, 9600),),
    ),
    Fault(
        "wan-loss",
        Layer.WAN,
        "Packets are lost on the WAN",
        HUB,
        mobile_network.loss,
        Culprit.WAN,
        "the network loses packets",
        ("UDP and the serial line: requests or answers are missing", "TCP: some answers come late"),
        "nothing is lost any more",
        (Number("per_mille", "How many", "per mille", 1, PER_MILLE, 100), _RESEND),
    ),
    Fault(
        "wan-weak-signal",
        Layer.WAN,
        f"The hub's modem hears its network weakly; below {WEAK} dBm packets are lost",
        HUB,
        mobile_network.weak_signal,
        Culprit.WAN,
        "where the hub is the network is weak: its place or its aerial",
        ("the hub's reading of the signal strength is low", "packets are lost the more, the weaker it is"),
        "the signal is as strong as before",
        (Number("decibels", "How much weaker", "dB", 1, 60, 20), _RESEND),
        holds="signal strength of the WAN",
    ),
    Fault(
        "wan-lost-pushes",
        Layer.WAN,
        "What the hub and the meters behind it send unasked is lost on the WAN",
        HUB,
        mobile_network.lost_pushes,
        Culprit.WAN,
        "alerts and alarms are sent and do not arrive",
        ("no alert comes; requests are answered", "the hub's counter of frames sent goes up all the same"),
        "alerts arrive; those that were lost are not sent again",
        (Number("per_mille", "How many", "per mille", 1, PER_MILLE, PER_MILLE),),
        holds=UNASKED,
    ),
)
"""Faults of the WAN."""
