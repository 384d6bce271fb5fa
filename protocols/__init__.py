"""Sans-I/O codecs and link state machines: octets in, events out, and back."""
