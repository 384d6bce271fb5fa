"""Tokens of the Standard Transfer Specification (IEC 62055-41): their ciphers, keys, contents, and the scheme."""
