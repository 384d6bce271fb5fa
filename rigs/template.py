"""The rig file that ``smets1 init`` writes: the built-in rig, with a word on everything that can be set."""

from __future__ import annotations

TEMPLATE = """\
# A rig: premises with smart meters, on ports. Everything here may be left out; what is set below is the default
# unless a line starts with "#". Start it with: smets1 up rig.toml

seed = 1                        # all chance comes from it: same file, same seed, same input, same octets

[clock]
mode = "real"                   # real | accelerated | stepped
# rate = 60                     # accelerated: seconds of the rig's clock in one second of the world
# start = 2026-01-01T00:00:00Z  # first instant of the rig's clock; left out: now

[line]                          # what of a real line is modelled on serial ports
baud = true                     # a client set to another rate hears garbage
pacing = false                  # octets take the time they take
turnaround = false              # the device waits before it answers
echo = false                    # the client hears its own octets, as through many optical heads
software_parity = false         # even parity in bit 7 during sign-on, on transports that cannot carry parity

# [panel]                       # the bench panel: Modbus registers for switches, contacts, gauges, displays
# tcp = "tcp:5020"              # smets1 panel rig.toml lists them
# rtu = "pty:./panel"           # or serial:..., rfc2217:..., tcp+hdlc:...; on an adaptor baud and framing hold
# baud = 19200
# framing = "8N1"

# [relay_board]                 # a real Modbus relay board, whose relays follow the power of devices here
# port = "tcp:192.0.2.7:502"    # or serial:/dev/ttyUSB0, serial:usb:NUMBER with baud and framing
# unit = 1
# coils = { "home/electricity" = 0 }

# [[faults]]                    # a fault from the start on: smets1 fault list, smets1 fault show NAME
# fault = "radio-off"
# device = "home/gas"
# parameters = {}
# after = "10m"                 # or at = a date and time; left out: at once
# lasts = "5m"                  # each time; left out: until it is ended
# every = "1h"                  # again and again; or when = "frame 5", "read 1-0:1.8.0": smets1 fault conditions
# between = "17:00-19:00"       # at these times of day only
# times = 3
# probability = 0.5             # of each beginning

[[premises]]
name = "home"
count = 1                       # more: {n} in a port is 0, 1, ...; {4059+n} counts up; {premises} is home-0, ...

[premises.hub]
# profile = "..."               # make, model and firmware: smets1 profiles list
# serial = "..."                # number on the plate; left out: from the seed
# keys = { "management.encryption" = "000102030405060708090A0B0C0D0E0F", master = "text:sixteen octets.." }
#   A port is one of
#     pty:./path                pseudo terminal behind a link       serial:/dev/ttyUSB0, serial:usb:A50285BI
#     tcp:[host:]port           COSEM wrapper                       tcp+hdlc:[host:]port   octets of a line
#     udp:[host:]port           COSEM wrapper                       rfc2217:[host:]port    a line and its settings
#   The network is the loopback interface unless a host is given.
[premises.hub.ports]
wan = "pty:./{premises}-hub"
wan-tcp = "tcp:4059"

[premises.electricity]
# point = "1200000000001"       # MPAN
[premises.electricity.ports]
optical = "pty:./{premises}-electricity"
[premises.electricity.load]
kind = "household"              # household | constant (value: W) | csv (file)
# value = 500
# file = "load.csv"
scale = 1.0

[premises.gas]                  # behind the hub: no port of its own
# point = "1000000001"          # MPRN
[premises.gas.load]
kind = "household"              # constant: cubic metres an hour

[premises.display]              # on the hub's HAN: shows what meters report, takes tokens, arms the supply (PPMID)
# profile = "display-ihd"       # one that only shows
# eui64 = "025350310000000A"    # left out: from the seed

# [[premises.faults]]           # the same for these premises: of each, of every nth, or of a share of them
# fault = "antenna-off"
# device = "electricity"
# share = 0.1                   # or nth = 10
"""
