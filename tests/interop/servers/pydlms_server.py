"""A pydlms meter simulator, run in that package's own environment: `pydlms_server.py '{"clients": [[16, 0, ""]]}'`.

The one argument is JSON: ``clients`` a list of SAP, mechanism and secret; ``key`` and ``auth_key`` in hexadecimal make
all of them ciphered, except those in ``plain``, in security suite ``suite``; ``signing_key`` and ``client_key`` are PEM
for ECDSA; ``hdlc`` with ``hdlc_window``; ``gbt_window`` offers general block transfer; ``lose_ours`` and
``lose_theirs`` are numbers of its own and of the client's blocks that get lost once; ``push`` is an APDU sent before
the first answer. Prints the TCP port, then serves until its standard input ends.
"""

import json
import sys

from pydlms.apdu.xdlms import Conformance
from pydlms.cosem.data import DlmsData
from pydlms.security.context import SecurityContext
from pydlms.security.general import GeneralAad
from pydlms.security.hls import Mechanism
from pydlms.simulator import ClientProfile, example_meter, serve

spec = json.loads(sys.argv[1])
conformance = Conformance.default_ln() | Conformance.GENERAL_PROTECTION | Conformance.ACCESS
if "gbt_window" in spec:
    conformance |= Conformance.GENERAL_BLOCK_TRANSFER
meter = example_meter(conformance=conformance, max_pdu=spec.get("max_pdu", 1024))
if "key" in spec:
    meter.encryption_key, meter.authentication_key = bytes.fromhex(spec["key"]), bytes.fromhex(spec["auth_key"])
    meter.security = SecurityContext(
        meter.encryption_key,
        meter.authentication_key,
        client_system_title=meter.system_title,
        suite=spec.get("suite", 0),
        general_aad=GeneralAad.WITH_HEADER,  # as the Green Book has it; the default is Gurux's form
    )
    meter.last_client_ic = 0
client_key = None
if "signing_key" in spec:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    meter.signing_key = load_pem_private_key(spec["signing_key"].encode(), None)
    client_key = load_pem_public_key(spec["client_key"].encode())
meter.gbt_window = spec.get("gbt_window", 1)
meter.drop_gbt_blocks |= set(spec.get("lose_ours", []))
meter.drop_gbt_requests |= set(spec.get("lose_theirs", []))
meter.clients.clear()
for sap, mechanism, secret in spec["clients"]:
    meter.clients[sap] = ClientProfile(
        Mechanism(mechanism),
        secret=secret.encode() or None,
        ciphered="key" in spec and sap not in spec.get("plain", []),
        client_public_key=client_key,
    )
meter.add_object(1, "0.0.96.99.1.255", {2: DlmsData.octet_string(b"written to")})
meter.add_method(9000, "0.0.96.99.2.255", 1, lambda _meter, parameters: parameters)
if "push" in spec:
    meter.push_before_response(bytes.fromhex(spec["push"]))
server = serve(meter, hdlc=spec.get("hdlc", False), hdlc_window=spec.get("hdlc_window", 1))
print(server.server_address[1], flush=True)
sys.stdin.read()
