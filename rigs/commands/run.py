"""``smets1 run``: scenarios in stepped time, and what came of their steps."""

from __future__ import annotations

from pathlib import Path

from rigs.config import ConfigError
from rigs.scenario.junit import document
from rigs.scenario.runner import StepResult, play
from rigs.scenario.schema import load_scenario
from rigs.system_errors import reason
from rigs.times import shown


def run(paths: list[Path], junit: Path | None, seed: int | None) -> int:
    """Play scenarios one after another and print each step; the exit code: 1 when a step failed, else 0.

    Raises ConfigError for a file that cannot be used, before anything is played, and for ``junit`` when it cannot be
    written.
    """
    scenarios = [load_scenario(path, seed) for path in paths]
    results = []
    for scenario in scenarios:
        print(f"{scenario.name}: {scenario.config.title}")
        results.append(play(scenario, _print))
        done = results[-1]
        print(f"{scenario.name}: {len(done.steps)} steps, {done.failures or 'none'} failed, seed {done.seed}")
    if junit is not None:
        try:
            junit.write_bytes(document(results))
        except OSError as error:
            raise ConfigError(f"{junit}: {reason(error)}") from None
    return 1 if any(result.failures for result in results) else 0


def _print(step: StepResult) -> None:
    word = "FAIL" if step.failure else "ok  "
    print(f"  {word} {shown(step.ended)}  {step.name}", flush=True)
    if step.failure:
        print(f"       {step.failure}", flush=True)
