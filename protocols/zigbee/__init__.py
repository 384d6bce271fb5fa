"""Zigbee as Smart Energy uses it: octets on the air and what protects them.

EUI-64s are 8 octets with the most significant first, as they are printed; what puts them on the air turns them round.
"""
