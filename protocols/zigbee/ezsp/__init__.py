"""EZSP, version 13: what a host says to a Silicon Labs radio processor over :mod:`protocols.zigbee.ash`."""
