"""Keywords for Robot Framework: the verbs of the control API.

    *** Settings ***
    Library    rigs.robot.Smets1    folder=${OUTPUT DIR}

    *** Test Cases ***
    A power cut
        Start Rig    rig.toml
        Power Off    home/electricity    seconds=90
        Advance Clock    2 minutes
        ${power} =    Power    home/electricity
        Should Be Equal    ${power}[power]    on
        Stop Rig

Without ``Start Rig`` the rig that runs in ``folder`` is meant (``smets1 up``). Answers are those of the API: tables
that Robot reads as ``${power}[boots]``. Amounts are in millipence (1e-5 GBP), instants in ns of UTC. What was not done
fails with the one line that the API says.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rigs.control.client import ControlClient, ControlError
from rigs.control.server import ControlServer, parse_address
from rigs.driver import ClockMode
from rigs.running import RunningRig

MOST_EVENTS = 1000
_LOOK_PERIOD_S = 0.05


class Smets1:
    """One rig, started here or elsewhere. Devices are ``PREMISES/KIND``, or ``KIND`` where there is only one of it."""

    ROBOT_LIBRARY_SCOPE = "SUITE"

    def __init__(self, folder: str = ".") -> None:
        """``folder`` is where the rig runs: its links and its ``smets1-control.json`` are there."""
        self._folder = Path(folder)
        self._running: RunningRig | None = None
        self._server: ControlServer | None = None

    # -- the rig ------------------------------------------------------------------------------------------------------

    def start_rig(self, file: str = "", rate: float | None = None) -> None:
        """Run a rig file, or the built-in rig, until `Stop Rig`; its clock is stepped unless a ``rate`` is given."""
        from rigs.config import load_rig

        if self._running is not None:
            raise ControlError("a rig runs already: Stop Rig first")
        mode = ClockMode.STEPPED if rate is None else None
        running = RunningRig(load_rig(Path(file) if file else None), folder=self._folder, mode=mode, rate=rate)
        running.start()
        server = ControlServer(running.rig, parse_address("0"), self._folder)
        try:
            running.runner.run(server.start())
        except BaseException:
            running.stop()
            raise
        self._running, self._server = running, server

    def stop_rig(self) -> None:
        """End the rig that `Start Rig` started; nothing to do where there is none."""
        running, server = self._running, self._server
        self._running = self._server = None
        if running is not None:
            try:
                if server is not None:
                    running.runner.run(server.stop())
            finally:
                running.stop()

    def status(self, device: str = "") -> dict[str, Any]:
        """The rig, or one of its devices, with all ports and what was counted there."""
        return self._at(device, "status") if device else self._client.get("status")

    def metrics(self) -> str:
        """What was counted, in Prometheus's text format."""
        return self._client.text("metrics")

    def ports(self) -> list[dict[str, Any]]:
        """The ports of the rig, 1,000 at most: who is there, and what was counted."""
        return self._client.get("ports")

    def port_address(self, port: str) -> str:
        """Where a client reaches a port, such as ``home/hub/wan-tcp``: a path, or ``host:port``."""
        device, _, name = port.rpartition("/")
        for found in self._at(device, "status")["ports"]:
            if found["name"] == port:
                return found["address"]
        raise ControlError(f"{port}: {device} has no port {name}")

    # -- devices ------------------------------------------------------------------------------------------------------

    def device(self, device: str) -> dict[str, Any]:
        """A device as a person finds it: display, supply, mode, balance, alarms, power."""
        return self._at(device)

    def display(self, device: str) -> str:
        """What the display of a device shows, empty while it is off."""
        return self._at(device)["display"] or ""

    def press_keys(self, device: str, keys: str) -> str:
        """Press keys; what the display shows after the last one."""
        return self._do(device, "keys", keys=keys)["display"]

    def top_up(self, device: str, digits: str, way: str = "keypad") -> dict[str, Any]:
        """Enter a token, by ``keypad`` or ``display``; what became of it."""
        return self._do(device, "token", digits=digits, way=way)

    def press_supply_button(self, device: str) -> str:
        """Press the supply button: ``on``, ``armed`` or ``off`` after it."""
        return self._do(device, "button")["supply"]

    def activate_emergency_credit(self, device: str) -> bool:
        """Press the key of emergency credit; whether it is activated after it."""
        return self._do(device, "emergency")["activated"]

    def open_tap(self, device: str, litres_per_hour: int) -> None:
        """Leave an appliance behind a gas meter open; 0 closes it."""
        self._do(device, "tap", litres_per_hour=litres_per_hour)

    def power(self, device: str) -> dict[str, Any]:
        """The power of a device: on, starting or off, its starts and its battery."""
        return self._at(device, "power")

    def power_off(self, target: str, seconds: float | None = None) -> Any:
        """Cut the power of a device, or of all of a premises on the mains, for ``seconds`` of the rig where given."""
        return self._switch(target, False, seconds)

    def power_on(self, target: str) -> Any:
        """Give the power back."""
        return self._switch(target, True, None)

    def replace_battery(self, device: str) -> dict[str, Any]:
        """Put a new battery into a gas meter."""
        return self._do(device, "battery")

    def load(self, device: str) -> dict[str, Any]:
        """What is drawn through a meter."""
        return self._at(device, "load")

    def draw_constant_load(self, device: str, value: float) -> dict[str, Any]:
        """Draw the same from now on: W, below 0 for what is exported; m3/h of a gas meter."""
        return self._do(device, "load", kind="constant", value=value)

    def draw_household_load(self, device: str, scale: float = 1.0) -> dict[str, Any]:
        """Draw what a dwelling does, ``scale`` times as large as the seed's."""
        return self._do(device, "load", kind="household", scale=scale)

    def draw_csv_load(self, device: str, csv: str) -> dict[str, Any]:
        """Draw what the lines of ``time,rate`` of a text say."""
        return self._do(device, "load", kind="csv", csv=csv)

    # -- HAN ----------------------------------------------------------------------------------------------------------

    def han(self, premises: str = "home") -> dict[str, Any]:
        """A hub's device log, and the devices within range."""
        return self._client.get("premises", premises, "han")

    def join(self, device: str) -> str | None:
        """Let a device look for its network: why it is not on it, None when it is."""
        return self._do(device, "join")["refused"]

    def replace_gas_meter(self, premises: str = "home") -> dict[str, Any]:
        """Put a new gas meter in the old one's place."""
        return self._client.post("premises", premises, "replace-gas")

    # -- faults -------------------------------------------------------------------------------------------------------

    def fault_catalogue(self) -> list[dict[str, Any]]:
        """The faults there are to inject."""
        return self._client.get("faults", "catalogue")

    def faults(self) -> list[dict[str, Any]]:
        """The injections there are."""
        return self._client.get("faults")

    def fault_conditions(self) -> list[dict[str, Any]]:
        """The conditions that a fault can wait for: ``when`` of `Start Fault`."""
        return self._client.get("faults", "conditions")

    def start_fault(
        self,
        fault: str,
        device: str,
        seconds: float | None = None,
        after_seconds: float | None = None,
        when: str | None = None,
        every_seconds: float | None = None,
        between: str | None = None,
        times: int | None = None,
        probability: float | None = None,
        values: dict[str, str | int] | None = None,
        **parameters: str,
    ) -> str:
        """Inject a fault, at once or ``after_seconds``, for ``seconds`` where given; the id of the injection.

        ``when`` is a condition to wait for, such as ``frame 5``; ``every_seconds`` has it begin anew, ``between``
        (``17:00-19:00``) at some times of day only; ``times`` and ``probability`` say how often. Parameters of the
        fault that are called as one of these go into a dictionary, ``values``.
        """
        given_values = {**(values or {}), **parameters}
        content: dict[str, object] = {"fault": fault, "device": self._name(device), "parameters": given_values}
        given = {
            "seconds": seconds,
            "after_seconds": after_seconds,
            "when": when,
            "every_seconds": every_seconds,
            "between": between,
            "times": times,
            "probability": probability,
        }
        content |= {name: value for name, value in given.items() if value is not None}
        return self._client.post("faults", **content)["id"]

    def fault(self, id: str) -> dict[str, Any]:
        """An injection."""
        return self._client.get("faults", id)

    def end_fault(self, id: str) -> dict[str, Any]:
        """End an injection, or take it back."""
        return self._client.post("faults", id, "end")

    def why(self, port: str = "") -> list[dict[str, Any]]:
        """Why requests at a port, a device or anywhere got no answer, or an odd one."""
        return self._client.get("why", **({"port": port} if port else {}))

    # -- clock, events ------------------------------------------------------------------------------------------------

    def clock(self) -> dict[str, Any]:
        """The rig's clock."""
        return self._client.get("clock")

    def advance_clock(self, span: str) -> dict[str, Any]:
        """Move a stepped clock on, by a time as Robot writes them: ``90``, ``2 minutes``, ``1h 30m``."""
        from robot.utils import timestr_to_secs

        return self._client.post("clock", "advance", seconds=timestr_to_secs(span))

    def set_clock_rate(self, rate: float) -> dict[str, Any]:
        """Let a clock that runs by itself run at another rate."""
        return self._client.post("clock", "rate", rate=rate)

    def events(self, after: int = 0, device: str = "", source: str = "", fault: str = "") -> list[dict[str, Any]]:
        """What has happened since event number ``after``, at most 1,000 of it."""
        given: dict[str, str | int] = {"device": device, "source": source, "fault": fault}
        query = {name: value for name, value in given.items() if value}
        return self._client.get("events", after=after, most=MOST_EVENTS, **query)["events"]

    def wait_for_event(self, name: str, device: str = "", after: int = 0, timeout: float = 10.0) -> dict[str, Any]:
        """Wait until an event of that name has happened, for ``timeout`` seconds of the world; the first one."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events(after, device):
                if event["name"] == name:
                    return event
            if time.monotonic() > deadline:
                raise AssertionError(f"no event {name} of {device or 'the rig'} within {timeout:g} s")
            time.sleep(_LOOK_PERIOD_S)

    # -- asking -------------------------------------------------------------------------------------------------------

    @property
    def _client(self) -> ControlClient:
        return ControlClient(self._folder)

    def _place(self, device: str) -> tuple[str, str]:
        return self._client.device(device)

    def _name(self, device: str) -> str:
        return "/".join(self._place(device))

    def _at(self, device: str, *what: str) -> Any:
        return self._client.get("devices", *self._place(device), *what)

    def _do(self, device: str, what: str, **content: object) -> Any:
        return self._client.post("devices", *self._place(device), what, **content)

    def _switch(self, target: str, on: bool, seconds: float | None) -> Any:
        content: dict[str, object] = {"on": on} if seconds is None else {"on": on, "seconds": seconds}
        premises = [entry["premises"] for entry in self._client.get("devices")]
        if target in premises:
            return self._client.post("premises", target, "power", **content)
        return self._do(target, "power", **content)
