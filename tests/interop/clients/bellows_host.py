"""A Zigbee host of zigpy on an EZSP radio processor: does what it is told, line by line, and says what came of it.

Arguments: a JSON object with ``path`` of the port, and optionally ``database``, ``form`` (to form a network where there
is none), ``smart_energy`` (hand messages of profile 0x0109 on, by the hook that zigpy has for that), ``patience`` (how
often a frame is sent before ASH gives up). Each line of standard input is a JSON list: a verb and its arguments.
Each line of standard output is an answer, ``{"result": ...}`` or ``{"error": "..."}``; the first is that of the start.
"""

import asyncio
import contextlib
import json
import logging
import sys
import time

import bellows.ash
import zigpy.device
import zigpy.types as t
from bellows.zigbee.application import ControllerApplication
from zigpy.util import convert_install_code

SMART_ENERGY, HOME_AUTOMATION = 0x0109, 0x0104


def hand_on(device: zigpy.device.Device, packet: t.ZigbeePacket) -> None:
    """What zigpy lets a device do with messages of a profile that it does not know."""
    if packet.profile_id == SMART_ENERGY:
        device.packet_received(packet.replace(profile_id=HOME_AUTOMATION))


class Events:
    """What a listener of the application and of clusters is told, in order."""

    def __init__(self) -> None:
        self.seen: list[list[object]] = []
        self.more = asyncio.Event()

    def add(self, *event: object) -> None:
        self.seen.append(list(event))
        self.more.set()

    def device_joined(self, device: zigpy.device.Device) -> None:
        self.add("joined", str(device.ieee), int(device.nwk))

    def device_initialized(self, device: zigpy.device.Device) -> None:
        self.add("initialised", str(device.ieee), device.manufacturer, device.model)

    def device_init_failure(self, device: zigpy.device.Device) -> None:
        self.add("not initialised", str(device.ieee))

    def device_left(self, device: zigpy.device.Device) -> None:
        self.add("left", str(device.ieee))

    def connection_lost(self, error: Exception) -> None:
        self.add("lost", repr(error))

    def attribute_updated(self, attribute: int, value: object, timestamp: object) -> None:
        self.add("attribute", int(attribute), value if isinstance(value, int) else str(value))

    async def wait(self, wanted: list[object], count: int, seconds: float) -> list[list[object]]:
        """Events that begin so, as soon as there are so many."""
        async with asyncio.timeout(seconds):
            while len(found := [event for event in self.seen if event[: len(wanted)] == wanted]) < count:
                self.more.clear()
                await self.more.wait()
        return found


class Host:
    def __init__(self, spec: dict) -> None:
        self.spec = spec
        self.events = Events()
        self.app: ControllerApplication | None = None

    async def start(self) -> dict:
        config = {
            "device": {"path": self.spec["path"], "baudrate": 115200, "flow_control": None},
            "database_path": self.spec.get("database"),
            "backup_enabled": False,
            "topology_scan_enabled": False,
            "ota": {"enabled": False, "providers": []},
            "use_thread": False,
        }
        begin = time.perf_counter()
        self.app = await ControllerApplication.new(config, start_radio=False)
        self.app.add_listener(self.events)
        await self.app.startup(auto_form=self.spec.get("form", False))
        if hasattr(self.app, "_ezsp"):
            self.app._ezsp.add_callback(self.told)
        return self.about() | {"seconds": time.perf_counter() - begin}

    def told(self, name: str, fields: list) -> None:
        """A callback of the processor: who came and went, with which status and decision."""
        if name == "trustCenterJoinHandler":
            self.events.add("came", str(fields[1]), int(fields[2]), int(fields[3]))
        elif name == "childJoinHandler":
            self.events.add("child", str(fields[3]))

    def about(self) -> dict:
        network, node = self.app.state.network_info, self.app.state.node_info
        return {
            "pan": int(network.pan_id),
            "extended_pan": str(network.extended_pan_id),
            "channel": int(network.channel),
            "key": network.network_key.key.serialize().hex(),
            "counter": int(network.network_key.tx_counter),
            "eui": str(node.ieee),
            "board": [node.manufacturer, node.model, node.version],
            "devices": sorted(str(ieee) for ieee in self.app.devices),
        }

    def device(self, eui: str) -> zigpy.device.Device:
        return self.app.get_device(ieee=t.EUI64.convert(eui))

    def cluster(self, eui: str, cluster: int):
        endpoints = [each for number, each in self.device(eui).endpoints.items() if number]
        for each in endpoints:
            if cluster in each.in_clusters:
                return each.in_clusters[cluster]
        raise LookupError(f"{eui} has no cluster {cluster:#06x}")

    # --- verbs

    async def permit(self, seconds: int) -> None:
        await self.app.permit(seconds)

    async def install_code(self, eui: str, code: str, seconds: int) -> None:
        await self.app.permit_with_link_key(
            t.EUI64.convert(eui), convert_install_code(bytes.fromhex(code)), time_s=seconds
        )

    async def wait(self, wanted: list | str, count: int = 1, seconds: float = 20) -> list:
        """Events of a kind, or that begin so."""
        return await self.events.wait([wanted] if isinstance(wanted, str) else wanted, count, seconds)

    async def seen(self) -> list:
        return self.events.seen

    async def read(self, eui: str, cluster: int, attributes: list[int]) -> dict:
        good, bad = await self.cluster(eui, cluster).read_attributes(attributes)
        return {
            "read": {str(key): value if isinstance(value, int) else str(value) for key, value in good.items()},
            "failed": {str(key): str(value) for key, value in bad.items()},
        }

    async def reads(self, eui: str, cluster: int, attribute: int, count: int) -> float:
        """Reads one after the other; how many a second."""
        target = self.cluster(eui, cluster)
        begin = time.perf_counter()
        for _ in range(count):
            good, _ = await target.read_attributes([attribute])
            if attribute not in good:
                raise RuntimeError("a read failed")
        return count / (time.perf_counter() - begin)

    async def reads_in_turn(self, eui: str, wanted: list[list[int]], count: int, together: int = 1) -> float:
        """Reads of clusters' attributes in turn, so many of them under way at once; how many a second.

        zigpy takes an answer for a duplicate that it has had octet for octet within 10 s, and numbers requests by an
        octet: whoever reads one value faster than 25 times a second waits for what it has thrown away.
        """
        targets = [(self.cluster(eui, cluster), attribute) for cluster, attribute in wanted]
        numbers = iter(range(count))

        async def read() -> None:
            for number in numbers:
                target, attribute = targets[number % len(targets)]
                good, _ = await target.read_attributes([attribute])
                if attribute not in good:
                    raise RuntimeError(f"a read of {attribute:#06x} failed")

        begin = time.perf_counter()
        await asyncio.gather(*(read() for _ in range(together)))
        return count / (time.perf_counter() - begin)

    async def report(self, eui: str, cluster: int, attribute: int, least: int, most: int, change: int) -> list:
        target = self.cluster(eui, cluster)
        target.on_event(
            "attribute_report", lambda event: self.events.attribute_updated(event.attribute_id, event.value, None)
        )
        await target.bind()
        result = await target.configure_reporting(attribute, least, most, change)
        return [str(each) for each in result] if isinstance(result, list) else [str(result)]

    async def remove(self, eui: str) -> None:
        await self.app.remove(t.EUI64.convert(eui))

    async def load(self) -> dict:
        await self.app.load_network_info(load_devices=True)
        network = self.app.state.network_info
        return {
            "keys": {str(key.partner_ieee): key.key.serialize().hex() for key in network.key_table},
            "children": [str(child) for child in network.children],
        }

    async def scan(self, duration: int) -> dict:
        levels = await self.app.energy_scan(t.Channels.ALL_CHANNELS, duration, 1)
        return {str(channel): float(level) for channel, level in levels.items()}

    async def counters(self) -> dict:
        counters = await self.app._ezsp.read_counters()
        return {name.name: int(value) for name, value in counters.items() if value}

    async def start_again(self) -> dict:
        """Let go of the port, whatever state it is in, and start anew."""
        with contextlib.suppress(Exception):
            await self.app.shutdown()
        return await self.start()

    async def stop(self) -> None:
        await self.app.shutdown()


async def main(spec: dict) -> None:
    if spec.get("smart_energy", True):
        zigpy.device.Device.custom_profile_packet_received = hand_on
    if "patience" in spec:
        bellows.ash.ACK_TIMEOUTS = spec["patience"]
    host = Host(spec)
    loop = asyncio.get_running_loop()
    request: list = ["start"]
    while True:
        try:
            answer = {"result": await getattr(host, request[0])(*request[1:])}
        except Exception as error:  # whatever it is, the test is told
            logging.exception("%s", request)
            answer = {"error": repr(error)}
        print(json.dumps(answer, default=str), flush=True)
        if request[0] == "stop":
            return
        line = await loop.run_in_executor(None, sys.stdin.readline)
        request = json.loads(line) if line.strip() else ["stop"]


if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    logging.basicConfig(level=spec.get("log", "WARNING"), stream=sys.stderr)
    asyncio.run(main(spec))
