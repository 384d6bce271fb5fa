"""Faults: what can be wrong on purpose, injected into running devices, with the truth of who is to blame."""
