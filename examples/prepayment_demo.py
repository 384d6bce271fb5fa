"""An afternoon with a prepayment meter: credit runs down, the supply is cut, a token brings it back.

    python examples/prepayment_demo.py [--stepped] [RIG.TOML]

It takes about half a minute on the accelerated clock of `prepayment.toml`, and a moment with `--stepped`. The exit code
is 1 when something did not happen.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from protocols.tokens.schemes import find
from rigs.config import RigFile, load_rig
from rigs.driver import ClockMode
from rigs.running import RunningRig
from rigs.services.s1sp.enrolling import prepayment_meters

STEPPED = "--stepped" in sys.argv
RIG = Path(next((word for word in sys.argv[1:] if word != "--stepped"), Path(__file__).with_name("prepayment.toml")))
PATIENCE = 12  # hours of the rig's clock that the customer waits for something


def token(file: RigFile, pence: int) -> str:
    """A top-up token for the electricity meter, made with the S1SP's scheme and the secret that both share."""
    meter = next(one for one in prepayment_meters(file) if one.name.endswith("electricity"))
    return find(meter.key.scheme)(meter.key.secret, meter.key.originator, bytes.fromhex(meter.meter)).issue(1, pence)


def main() -> None:
    file = load_rig(RIG)
    mode = ClockMode.STEPPED if STEPPED else None
    with tempfile.TemporaryDirectory() as folder, RunningRig(file, folder=Path(folder), mode=mode) as rig:
        (home,) = rig.premises.values()
        meter = home.electricity

        def say(what: str, shown: str = "") -> None:
            state = meter.state
            print(
                f"{rig.clock.now:%H:%M}  supply {state.supply:<5}  [{shown or state.display:<26}]  {what}", flush=True
            )

        def check(happened: bool, what: str, shown: str = "") -> None:
            if not happened:
                sys.exit(
                    f"{rig.clock.now:%H:%M}  this did not happen: {what}; the display shows: {shown or meter.display}"
                )
            say(what, shown)

        def wait(happens: Callable[[], bool], what: str) -> None:
            until = rig.clock.ns + PATIENCE * 3600 * 10**9
            while not (happened := happens()) and rig.clock.ns < until:
                rig.clock.advance(minutes=5) if STEPPED else time.sleep(0.1)
            check(happened, what)

        def keys(typed: str, expected: str, what: str) -> None:
            shown = meter.press(typed)
            check(shown.startswith(expected), what, shown)

        say("the customer has a little credit, and 3 kW of heating on")
        wait(lambda: "low_credit" in meter.state.alarms, "the meter warns: credit is low")
        wait(lambda: meter.balance < 100_000, "below 1 pound, emergency credit is on offer")
        keys("e", "Emergency credit 3.00", "the customer presses the key for it")
        wait(lambda: meter.balance <= 0, "the balance is gone, emergency credit is in use")
        wait(lambda: meter.state.supply == "off", "that is gone too: the meter cuts the supply")

        digits = token(file, 1000)
        keys(
            digits[:-1] + str((int(digits[-1]) + 1) % 10) + "#",
            "Error",
            "a token is bought, but its last digit mistyped",
        )
        keys(f"{digits}#", "Accepted 10.00", "typed again, it is taken")
        check(meter.state.supply == "armed", "it paid emergency credit back, the rest is credit: the supply is armed")
        keys("s", "Supply on", "the customer presses the button, and has power again")
        keys(f"{digits}#", "Rejected", "the token does not work a second time")
        check(
            home.gas.balance > 0 and home.gas.state.supply == "on", "all the while the gas meter kept its own account"
        )


if __name__ == "__main__":
    main()
