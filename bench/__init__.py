"""Figures of the emulator beside an independent peer and beside what the machine itself can do: ``python -m bench``."""
