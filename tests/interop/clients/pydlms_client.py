"""Drives the pydlms client; run by the interpreter of the peer's own environment.

    python pydlms_client.py '{"transport": "tcp", "where": "127.0.0.1:4059", "client": 16, "do": [["view"]]}'

``transport`` is tcp, tcp+hdlc, udp, serial, optical (sign-on in mode E) or readout (data readout in mode C: results are
addresses and values). ``abandon`` leaves without a word. The last line written is a JSON object with ``results``, one
a step, and ``errors``. Values go in and out as [type, value] pairs of COSEM data, octets as hexadecimal. The result of
``["refused", step]`` is the result code of a step that must fail.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from datetime import datetime

from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydlms import DlmsClient, SecurityContext
from pydlms.apdu.xdlms import Conformance, date_time_value, entry_descriptor, range_descriptor
from pydlms.client import AccessAction, AccessGet, AccessOutcome, AccessSet
from pydlms.cosem.data import DlmsData
from pydlms.cosem.enums import DataType
from pydlms.exceptions import ServiceError
from pydlms.hdlc.connection import HdlcParameters
from pydlms.image import transfer_image
from pydlms.security.hls import Mechanism
from pydlms.security.suites import SecurityPolicy
from pydlms.transports.serial import read_mode_c

MECHANISMS = {"none": 0, "lls": 1, "hls": 2, "md5": 3, "sha1": 4, "gmac": 5, "sha256": 6, "ecdsa": 7}


def opened(spec: dict) -> DlmsClient:
    """A client as the specification says, connected and associated."""
    security = None
    if spec.get("ciphered") or spec.get("mechanism") == "gmac":
        security = SecurityContext(
            encryption_key=bytes.fromhex(spec["encryption"]),
            authentication_key=bytes.fromhex(spec["authentication"]),
            client_system_title=bytes.fromhex(spec.get("title", "5059440000000001")),
            suite=spec.get("suite", 0),
            invocation_counter=spec.get("invocation_counter", 0) + 1,
            master_key=bytes.fromhex(spec["master"]) if "master" in spec else None,
            # Its default leaves the header of general-ciphering out of what is authenticated.
            **({"general_aad": spec["general_aad"]} if "general_aad" in spec else {}),
            **({"policy": SecurityPolicy[spec["policy"]]} if "policy" in spec else {}),
        )
    options: dict = {
        "client_sap": spec.get("client", 16),
        "server_logical": spec.get("server", 1),
        "timeout": spec.get("timeout", 10.0),
        "mechanism": Mechanism(MECHANISMS[spec.get("mechanism", "none")]),
        "password": bytes.fromhex(spec["password"]) if "password" in spec else None,
        "security": security,
        "ciphered_context": bool(spec.get("ciphered")),
        "protection": spec.get("protection", "glo"),
        "use_dedicated_key": spec.get("dedicated", False),
        "propose_gbt": "gbt_window" in spec,
        "gbt_window": spec.get("gbt_window", 1),
        "propose_access": spec.get("access", False),
        "max_receive_pdu_size": spec.get("max_pdu", 0xFFFF),
        "discover_invocation_counter": spec.get("discover", False),
        "invocation_counter_retry": spec.get("counter_retry", False),
        "require_verified_release": bool(spec.get("ciphered")),
    }
    if "signing_key" in spec:
        options["signing_key"] = load_pem_private_key(spec["signing_key"].encode(), None)
        options["server_public_key"] = load_pem_public_key(spec["server_key"].encode())
    if security is None:
        options["client_system_title"] = bytes.fromhex(spec.get("title", "5059440000000001"))
    where = spec["where"]
    if spec["transport"] in ("tcp+hdlc", "serial", "optical"):
        frame, window = spec.get("frame", 128), spec.get("window", 1)
        options["hdlc_parameters"] = HdlcParameters(
            max_info_tx=frame, max_info_rx=frame, window_tx=window, window_rx=window
        )
        if "physical" in spec:
            options |= {"server_physical": spec["physical"], "address_size": spec.get("address_octets")}
    match spec["transport"]:
        case "tcp" | "tcp+hdlc" | "udp":
            host, port = where.rsplit(":", 1)
            if spec["transport"] == "udp":
                client = DlmsClient.udp(host, int(port), **options)
            else:
                client = DlmsClient.tcp(host, int(port), hdlc=spec["transport"] == "tcp+hdlc", **options)
        case "serial":
            client = DlmsClient.serial(where, spec.get("baud", 9600), **options)
        case "optical":
            client = DlmsClient.optical(where, **options)
        case other:
            raise ValueError(f"no transport {other}")
    client.connect()
    return client


def data_of(given: list) -> DlmsData:
    """COSEM data of a [type, value] pair."""
    tag, value = DataType[given[0].upper()], given[1]
    match value:
        case str() if tag is DataType.OCTET_STRING:
            value = bytes.fromhex(value)
        case str() if tag is DataType.BIT_STRING:
            value = [bit == "1" for bit in value]
        case list():
            value = [data_of(item) for item in value]
        case _:
            pass
    return DlmsData(tag, value)


def plain(data: object) -> object:
    """What JSON can carry of COSEM data or of a result code."""
    match data:
        case DlmsData():
            return plain(data.value)
        case bytes() | bytearray():
            return bytes(data).hex()
        case list() | tuple():
            return [plain(item) for item in data]
        case AccessOutcome():
            return [int(data.result), plain(data.data)]
        case bool() | int() | float() | str() | None:
            return data
        case _:
            return str(data)


def operation(given: list) -> AccessGet | AccessSet | AccessAction:
    """One operation of an ACCESS request."""
    match given:
        case ["get", interface_class, name, attribute]:
            return AccessGet(name, interface_class, attribute)
        case ["set", interface_class, name, attribute, value]:
            return AccessSet(name, interface_class, attribute, data_of(value))
        case ["action", interface_class, name, method, value]:
            return AccessAction(name, interface_class, method, data_of(value))
        case _:
            raise ValueError(f"no operation {given}")


def read_view(client: DlmsClient, errors: list[str]) -> dict[str, int]:
    """Everything the association view says may be read, profiles by their first entries."""
    view = client.get_association_view()
    count = 0
    for entry in view:
        if entry.rights is None:
            errors.append(f"{entry}: access rights not understood")
            continue
        for attribute in (item.attribute_id for item in entry.rights.attributes if item.readable):
            try:
                rows = entry_descriptor(1, 3) if entry.class_id == 7 and attribute == 2 else None
                client.get(entry.logical_name, entry.class_id, attribute, rows)
                count += 1
            except Exception as error:
                errors.append(f"{entry} attribute {attribute}: {error!r}")
    return {"objects": len(view), "attributes": count}


def step(client: DlmsClient, what: list, errors: list[str]) -> object:
    match what:
        case ["get", interface_class, name, attribute]:
            return plain(client.get(name, interface_class, attribute))
        case ["list", items]:
            return [plain(item) for item in client.get_many([(name, cls, index) for cls, name, index in items])]
        case ["set", interface_class, name, attribute, value]:
            client.set(name, interface_class, attribute, data_of(value))
            return True
        case ["setlist", items]:
            written = [(name, cls, index, data_of(value)) for cls, name, index, value in items]
            return [int(result) for result in client.set_many(written)]
        case ["action", interface_class, name, method, value]:
            return plain(client.action(name, interface_class, method, data_of(value)))
        case ["actionlist", items]:
            called = [(name, cls, index, data_of(value)) for cls, name, index, value in items]
            return [plain(result) for result in client.action_many(called)]
        case ["entries", name, first, last]:
            return plain(client.read_profile(name, entry_descriptor(first, last)).rows)
        case ["range", name, begin, end]:
            span = date_time_value(datetime.fromisoformat(begin)), date_time_value(datetime.fromisoformat(end))
            return plain(client.read_profile(name, range_descriptor(*span)).rows)
        case ["profile", name]:
            return plain(client.read_profile(name).rows)
        case ["access", operations]:
            return plain(client.access([operation(given) for given in operations]))
        case ["view"]:
            return [[entry.class_id, entry.version, str(entry.logical_name)] for entry in client.get_association_view()]
        case ["refused", refused]:
            try:
                return [False, step(client, refused, errors)]
            except ServiceError as error:
                return int(error.result)
        case ["readall"]:
            return read_view(client, errors)
        case ["keys", keys, setup]:
            client.transfer_keys({int(key): bytes.fromhex(value) for key, value in keys.items()}, setup)
            return True
        case ["image", image, identifier]:
            done = transfer_image(client, bytes.fromhex(image), identifier.encode(), poll=0.05, timeout=20)
            return str(done)
        case ["conformance"]:
            return int(client.conformance)
        case ["push", *seconds]:
            return plain(client.read_push(timeout=seconds[0] if seconds else 10.0).notification.body)
        case _:
            raise ValueError(f"no step {what}")


def main() -> None:
    spec = json.loads(sys.argv[1])
    results: list[object] = []
    errors: list[str] = []
    outcome: dict[str, object] = {"results": results, "errors": errors}
    try:
        if spec["transport"] == "readout":
            results.extend([item.address, item.value] for item in read_mode_c(spec["where"]).data_sets)
            return
        client = opened(spec)
        outcome["conformance"] = int(client.conformance)
        outcome["gbt"] = bool(client.conformance & Conformance.GENERAL_BLOCK_TRANSFER)
        for what in spec.get("do", []):
            results.append(step(client, what, errors))
        if not spec.get("abandon"):
            client.close()
    except Exception as error:
        traceback.print_exc()
        errors.append(repr(error))
    finally:
        print(json.dumps(outcome), flush=True)
    if spec.get("abandon"):
        os._exit(0)


if __name__ == "__main__":
    main()
