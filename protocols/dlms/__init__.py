"""DLMS/COSEM: A-XDR, APDUs, ACSE, security, and both sides of an application association."""
