"""COSEM APDUs as one line of text for people: service, attribute or method by name, value, result.

An answer does not say what it answers, so an :class:`ApduText` listens to one line and remembers what was asked last.
Secrets are never part of the text: neither passwords of associations, nor values of attributes and parameters of
methods that set passwords and keys.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocols import obis
from protocols.dlms import axdr, requests
from protocols.dlms.access import AccessRequest, AccessResponse, Kind
from protocols.dlms.acse import (
    Aare,
    Aarq,
    AssociationResult,
    DiagnosticSource,
    ProviderDiagnostic,
    Release,
    UserDiagnostic,
)
from protocols.dlms.client.errors import name_of_result
from protocols.dlms.client.exchange import data_result
from protocols.dlms.client.reading import Reader
from protocols.dlms.enums import ApduTag, ContextName, Mechanism, ServiceError, StateError
from protocols.dlms.gbt import Block
from protocols.dlms.initiate import InitiateRequest, InitiateResponse
from protocols.dlms.notification import DataNotification, EventNotification
from protocols.dlms.security import PROTECTED_TAGS, Protection
from protocols.errors import ProtocolError
from rigs.cosem_text import attribute_name, class_name, method_name, value_text
from rigs.opener import Opener

MAX_VALUE = 160
"""Characters of a value that are shown."""
MAX_TARGETS = 4
"""Attributes of one request that are named."""

_PASSWORD_MECHANISMS = (Mechanism.LLS, Mechanism.HLS)  # these may send the password as it is
_CONTINUED = (requests.GetNext, requests.SetBlock, requests.ActionBlock, requests.ActionNext)
_SECRET_ATTRIBUTES = {(15, 7), (19, 7), (19, 8), (19, 9)}
_SECRET_METHODS = {(15, 2), (64, 2)}
_TITLED = frozenset({ApduTag.GENERAL_GLO_CIPHERING, ApduTag.GENERAL_DED_CIPHERING})


class ApduText:
    """The APDUs of one line, told one after the other. ``opener`` opens ciphered ones."""

    __slots__ = ("_asked", "_hide", "_opener", "secrets")

    def __init__(self, opener: Opener | None = None) -> None:
        self._opener = opener
        self._asked: list[str] = []
        self._hide = False
        self.secrets: list[bytes] = []
        """Octets of the APDU told last that nobody may see."""

    @property
    def hiding(self) -> bool:
        """Whether what was asked last is a secret."""
        return self._hide

    def tell(self, apdu: bytes, inbound: bool) -> str:
        """The APDU as text; one that cannot be read says why. ``inbound`` is whether it goes towards the device."""
        self.secrets = []
        return self._told(apdu, inbound)

    def _told(self, apdu: bytes, inbound: bool) -> str:
        if not apdu:
            return "empty APDU"
        try:
            return self._tell(apdu, inbound)
        except (ProtocolError, IndexError, ValueError) as error:
            return f"{_name(ApduTag, apdu[0])}, malformed: {error}"

    def _tell(self, apdu: bytes, inbound: bool) -> str:
        tag = apdu[0]
        if tag in PROTECTED_TAGS:
            return self._ciphered(apdu, inbound)
        match tag:
            case ApduTag.AARQ:
                if self._opener is not None:
                    self._opener.note(apdu)
                return self._aarq(Aarq.decode(apdu))
            case ApduTag.AARE:
                if self._opener is not None:
                    self._opener.note(apdu)
                return self._aare(Aare.decode(apdu))
            case ApduTag.RLRQ | ApduTag.RLRE:
                release = Release.decode(apdu)
                reason = "" if release.reason is None else f" reason {release.reason}"
                return f"{'RLRE' if release.response else 'RLRQ'}{reason}"
            case ApduTag.INITIATE_REQUEST:
                return _initiate_request(InitiateRequest.decode(apdu))
            case ApduTag.INITIATE_RESPONSE:
                return _initiate_response(InitiateResponse.decode(apdu))
            case ApduTag.GET_REQUEST | ApduTag.SET_REQUEST | ApduTag.ACTION_REQUEST:
                return self._request(requests.decode(apdu))
            case ApduTag.GET_RESPONSE | ApduTag.SET_RESPONSE | ApduTag.ACTION_RESPONSE:
                return self._response(tag, Reader(apdu, 1))
            case ApduTag.ACCESS_REQUEST:
                return self._access_request(AccessRequest.decode(apdu))
            case ApduTag.ACCESS_RESPONSE:
                response = AccessResponse.decode(apdu)
                both = zip(response.results, response.values, strict=True)
                return f"ACCESS response: {_few(self._outcome(result, data) for (_, result), data in both)}"
            case ApduTag.EXCEPTION_RESPONSE:
                counter = f", last counter {int.from_bytes(apdu[3:7], 'big')}" if len(apdu) >= 7 else ""
                return f"exception: {_name(StateError, apdu[1])}, {_name(ServiceError, apdu[2])}{counter}"
            case ApduTag.CONFIRMED_SERVICE_ERROR:
                return f"confirmed-service-error: service {apdu[1]}, kind {apdu[2]}, value {apdu[3]}"
            case ApduTag.DATA_NOTIFICATION:
                notification = DataNotification.decode(apdu)
                return f"data-notification: {data_text(notification.data)}"
            case ApduTag.EVENT_NOTIFICATION:
                event = EventNotification.decode(apdu)
                return f"event-notification: {attribute_text(event.descriptor)} = {data_text(event.data)}"
            case ApduTag.GENERAL_BLOCK_TRANSFER:
                block = Block.decode(apdu)
                marks = f"{', streaming' if block.streaming else ''}{', last' if block.last else ''}"
                return (
                    f"general-block-transfer: block {block.number}, acknowledges {block.acknowledged}, window"
                    f" {block.window}{marks}, {len(block.data)} octets"
                )
            case _:
                return f"{_name(ApduTag, tag)}, {len(apdu)} octets"

    # -- protection -------------------------------------------------------------------------------------------------

    def _ciphered(self, apdu: bytes, inbound: bool) -> str:
        name = _name(ApduTag, apdu[0])
        opened = self._opener.open(apdu, inbound) if self._opener is not None else None
        if opened is not None:
            return f"{name}{_protection(apdu)} [{self._tell(opened, inbound)}]"
        return f"{name}{_protection(apdu)}, {len(apdu)} octets"

    # -- association ------------------------------------------------------------------------------------------------

    def _aarq(self, aarq: Aarq) -> str:
        parts = [_name(ContextName, aarq.context)]
        if aarq.mechanism:
            parts.append(_name(Mechanism, aarq.mechanism))
        if aarq.title:
            parts.append(f"title {aarq.title.hex().upper()}")
        if aarq.authentication and (aarq.mechanism or 0) in _PASSWORD_MECHANISMS:
            self.secrets.append(aarq.authentication)
        parts.append(self._told(aarq.user_information, True))
        return f"AARQ {', '.join(parts)}"

    def _aare(self, aare: Aare) -> str:
        kind = UserDiagnostic if aare.source is DiagnosticSource.USER else ProviderDiagnostic
        parts = [_name(AssociationResult, aare.result)]
        if aare.diagnostic:
            parts.append(_name(kind, aare.diagnostic))
        if aare.title:
            parts.append(f"title {aare.title.hex().upper()}")
        if aare.user_information:
            parts.append(self._told(aare.user_information, False))
        return f"AARE {', '.join(parts)}"

    # -- services ---------------------------------------------------------------------------------------------------

    def _request(self, request: requests.Request) -> str:
        if not isinstance(request, _CONTINUED):
            self._hide = False
        match request:
            case requests.GetNormal(_, target):
                return f"GET {self._ask([self._target(target)])}"
            case requests.GetList(_, targets):
                return f"GET {self._ask([self._target(target) for target in targets])}"
            case requests.SetNormal(_, target, data):
                return f"SET {self._ask([self._target(target)])} = {self._given(data)}"
            case requests.SetList(_, targets, values):
                asked = self._ask([self._target(target) for target in targets])
                return f"SET {asked} = {_few(self._given(value) for value in values)}"
            case requests.SetFirst(_, targets, _, last, number, raw):
                asked = self._ask([self._target(target) for target in targets])
                return f"SET {asked}, {self._block(number, last, raw)}"
            case requests.ActionNormal(_, descriptor, parameters):
                return f"ACTION {self._ask([self._method(descriptor)])} {self._parameters(parameters)}"
            case requests.ActionList(_, descriptors, values):
                asked = self._ask([self._method(descriptor) for descriptor in descriptors])
                return f"ACTION {asked} {_few(self._parameters(value) for value in values)}"
            case requests.ActionFirst(_, descriptors, _, last, number, raw):
                asked = self._ask([self._method(descriptor) for descriptor in descriptors])
                return f"ACTION {asked}, {self._block(number, last, raw)}"
            case requests.SetBlock(_, last, number, raw):
                return f"SET {self._block(number, last, raw)}"
            case requests.ActionBlock(_, last, number, raw):
                return f"ACTION {self._block(number, last, raw)}"
            case requests.GetNext(_, number):
                return f"GET the block after {number}"
            case requests.ActionNext(_, number):
                return f"ACTION: the block after {number}"

    def _response(self, tag: int, reader: Reader) -> str:
        service = {ApduTag.GET_RESPONSE: "GET", ApduTag.SET_RESPONSE: "SET"}.get(ApduTag(tag), "ACTION")
        choice = reader.octet()
        reader.octet()
        about = f"{service} response{self._of()}"
        match service, choice:
            case "GET", 1:
                return f"{about}: {self._read_result(reader)}"
            case ("GET", 2) | ("ACTION", 2):
                last, number = reader.octet(), reader.u32()
                if service == "GET" and reader.octet():
                    return f"{about}: {name_of_result(reader.octet())}"
                return f"{about}: {self._block(number, bool(last), reader.sized())}"
            case "GET", 3:
                return f"{about}: {_few(self._read_result(reader) for _ in range(reader.count()))}"
            case ("SET", 1) | ("SET", 3):
                return f"{about}: {name_of_result(reader.octet())}"
            case ("SET", 2) | ("ACTION", 4):
                return f"{about}: block {reader.u32()} taken"
            case ("SET", 4) | ("SET", 5):
                return f"{about}: {_few(name_of_result(reader.octet()) for _ in range(reader.count()))}"
            case "ACTION", 1:
                return f"{about}: {self._action_result(reader)}"
            case "ACTION", 3:
                return f"{about}: {_few(self._action_result(reader) for _ in range(reader.count()))}"
            case _:
                return f"{about}: choice {choice}"

    def _access_request(self, request: AccessRequest) -> str:
        self._hide = False
        told: list[str] = []
        for item in request.items:
            place = item.descriptor
            if item.kind is Kind.ACTION:
                told.append(f"ACTION {self._method(place)} {self._parameters(item.data)}")
            elif item.kind in (Kind.SET, Kind.SET_SELECTED):
                told.append(f"SET {self._target(requests.Target(place, item.selection))} = {self._given(item.data)}")
            else:
                told.append(f"GET {self._target(requests.Target(place, item.selection))}")
        self._asked = []
        return f"ACCESS {_few(told)}"

    # -- parts ------------------------------------------------------------------------------------------------------

    def _ask(self, targets: list[str]) -> str:
        self._asked = targets
        return _few(targets)

    def _of(self) -> str:
        return f" {_few(self._asked)}" if self._asked else ""

    def _target(self, target: requests.Target) -> str:
        descriptor = target.descriptor
        self._hide |= (int.from_bytes(descriptor[:2], "big"), descriptor[8]) in _SECRET_ATTRIBUTES
        if target.selection is None:
            return attribute_text(descriptor)
        return f"{attribute_text(descriptor)} by {_selection(target.selection)}"

    def _method(self, descriptor: bytes) -> str:
        self._hide |= (int.from_bytes(descriptor[:2], "big"), descriptor[8]) in _SECRET_METHODS
        return method_text(descriptor)

    def _given(self, data: bytes) -> str:
        if self._hide and len(data) > 2:
            self.secrets.append(data[1:])
        return "(not shown)" if self._hide else data_text(data)

    def _parameters(self, data: bytes | None) -> str:
        return "()" if data is None else f"({self._given(data)})"

    def _block(self, number: int, last: bool, raw: bytes) -> str:
        if self._hide and raw:
            self.secrets.append(raw)
        return f"block {number}{' (last)' if last else ''}, {len(raw)} octets"

    def _outcome(self, result: int, data: bytes | None) -> str:
        if result:
            return name_of_result(result)
        return "success" if data is None or data == axdr.NULL else self._given(data)

    def _read_result(self, reader: Reader) -> str:
        outcome = data_result(reader)
        return self._outcome(outcome.result, outcome.data)

    def _action_result(self, reader: Reader) -> str:
        result = reader.octet()
        returned = f", {self._read_result(reader)}" if reader.octet() else ""
        return f"{name_of_result(result)}{returned}"


def attribute_text(descriptor: bytes) -> str:
    """``Register 1-0:1.8.0.255 value`` of the nine octets of an attribute descriptor."""
    class_id, index = int.from_bytes(descriptor[:2], "big"), descriptor[8]
    return f"{class_name(class_id)} {obis.text(descriptor[2:8])} {attribute_name(class_id, index)}"


def method_text(descriptor: bytes) -> str:
    """``Clock 0-0:1.0.0.255 adjust_to_quarter`` of the nine octets of a method descriptor."""
    class_id, index = int.from_bytes(descriptor[:2], "big"), descriptor[8]
    return f"{class_name(class_id)} {obis.text(descriptor[2:8])} {method_name(class_id, index)}"


def data_text(data: bytes) -> str:
    """Encoded Data for people, cut to :data:`MAX_VALUE` characters; raises DecodeError."""
    text = value_text(axdr.decode_all(data))
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}.. ({len(data)} octets)"


def _selection(selection: bytes) -> str:
    name = {1: "range", 2: "entry"}.get(selection[0], f"selector {selection[0]}")
    return f"{name} {data_text(selection[1:])}"


def _few(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f"; and {len(every) - MAX_TARGETS} more" if len(every) > MAX_TARGETS else ""
    return "; ".join(every[:MAX_TARGETS]) + more


def _name(kind: type, number: int) -> str:
    try:
        return str(kind(number).name).lower().replace("_", "-")
    except ValueError:
        return f"{kind.__name__} {number}"


def _protection(apdu: bytes) -> str:
    """What the security header in the open says."""
    if apdu[0] == ApduTag.GENERAL_CIPHERING:
        return ""
    reader = Reader(apdu, 1)
    title = f" of {reader.sized().hex().upper()}" if apdu[0] in _TITLED else ""
    reader.count()
    control, counter = reader.octet(), reader.u32()
    how = [name for bit, name in _PROTECTIONS.items() if control & bit] or ["not protected"]
    return f"{title} ({' and '.join(how)}, suite {control & 15}, counter {counter})"


_PROTECTIONS = {
    Protection.AUTHENTICATED: "authenticated",
    Protection.ENCRYPTED: "encrypted",
    Protection.BROADCAST: "broadcast key",
    Protection.COMPRESSED: "compressed",
}


def _initiate_request(request: InitiateRequest) -> str:
    key = ", dedicated key" if request.dedicated_key else ""
    return f"conformance {request.conformance:06X}, PDU {request.max_pdu}{key}"


def _initiate_response(response: InitiateResponse) -> str:
    return f"conformance {response.conformance:06X}, PDU {response.max_pdu}"
