"""The host of ``bellows_host.py`` on a ZNP radio processor: zigpy-znp, as it is, with no hook for profile 0x0109."""

import asyncio
import json
import logging
import sys

import bellows_host
from zigpy_znp.zigbee.application import ControllerApplication

if __name__ == "__main__":
    bellows_host.ControllerApplication = ControllerApplication
    spec = json.loads(sys.argv[1]) | {"smart_energy": False}
    logging.basicConfig(level=spec.get("log", "WARNING"), stream=sys.stderr)
    asyncio.run(bellows_host.main(spec))
