"""What the system says about a file, an address or a device, for a line that a person reads."""

from __future__ import annotations


def reason(error: OSError) -> str:
    """Why it failed, in lower case and without the name of what failed: ``no such file or directory``."""
    return (error.strerror or str(error)).lower()
