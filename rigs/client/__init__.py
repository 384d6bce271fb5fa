"""A DLMS client on real ports: the wrapper on TCP and UDP, HDLC on TCP, serial lines and RFC 2217, optical sign-on."""

from rigs.client.client import DlmsClient
from rigs.client.optical import read_out
from rigs.client.options import ClientError, ClientOptions, ClientPort, parse_client_port

__all__ = ["ClientError", "ClientOptions", "ClientPort", "DlmsClient", "parse_client_port", "read_out"]
