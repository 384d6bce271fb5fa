"""A DLMS/COSEM client without I/O: associations, GET, SET, ACTION and ACCESS with all that goes with them."""

from protocols.dlms.client.access import act_item, read_item, write_item
from protocols.dlms.client.client import Client, ClientState, Negotiated, Notification
from protocols.dlms.client.errors import (
    AssociationRejected,
    AuthenticationFailed,
    ConfirmedServiceError,
    ExceptionAnswer,
    NoAnswer,
    Refused,
    UnexpectedAnswer,
    name_of_result,
)
from protocols.dlms.client.exchange import Exchange, Outcome
from protocols.dlms.client.references import CLOCK_TIME, Attribute, Column, Method, by_entry, by_range
from protocols.dlms.client.settings import PROPOSED, ClientSecurity, ClientSettings, client_counters

__all__ = [
    "CLOCK_TIME",
    "PROPOSED",
    "AssociationRejected",
    "Attribute",
    "AuthenticationFailed",
    "Client",
    "ClientSecurity",
    "ClientSettings",
    "ClientState",
    "Column",
    "ConfirmedServiceError",
    "ExceptionAnswer",
    "Exchange",
    "Method",
    "Negotiated",
    "NoAnswer",
    "Notification",
    "Outcome",
    "Refused",
    "UnexpectedAnswer",
    "act_item",
    "by_entry",
    "by_range",
    "client_counters",
    "name_of_result",
    "read_item",
    "write_item",
]
