"""A head-end of pydlms that stays: does what it is told, line by line, on connections that it keeps or makes anew.

Each line of standard input is a JSON list: a verb and its arguments. Each line of standard output is an answer,
``{"result": ...}``; the first is that of the start. What a verb gives is ``{"results": [...], "error": "...",
"seconds": ...}``: one result a step, as far as it came, what went wrong, empty where nothing did, and how long it took.
Verbs: ``["ask", spec, steps]`` connects, does steps and closes; ``["open", name, spec]``, ``["do", name, steps]`` and
``["close", name]`` do so one by one. Specs and steps are those of ``pydlms_client.py``;
a spec with ``abandon`` leaves without a release.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable

from pydlms import DlmsClient
from pydlms_client import opened, step


class Session:
    def __init__(self) -> None:
        self.kept: dict[str, DlmsClient] = {}

    def ask(self, spec: dict, steps: list) -> dict:
        def talk(results: list) -> None:
            client = opened(spec)
            try:
                results.extend(step(client, what, []) for what in steps)
            finally:
                client.link.disconnect() if spec.get("abandon") else client.close()

        return attempted(talk)

    def open(self, name: str, spec: dict) -> dict:
        return attempted(lambda results: self.kept.update({name: opened(spec)}))

    def do(self, name: str, steps: list) -> dict:
        return attempted(lambda results: results.extend(step(self.kept[name], what, []) for what in steps))

    def close(self, name: str) -> dict:
        return attempted(lambda results: self.kept.pop(name).close())


def attempted(work: Callable[[list], None]) -> dict:
    """What came of it, and how long it took, s."""
    results: list = []
    error, begin = "", time.monotonic()
    try:
        work(results)
    except Exception as problem:  # whatever it is, the test is told
        logging.exception("failed")
        error = repr(problem)
    return {"results": results, "error": error, "seconds": time.monotonic() - begin}


def main() -> None:
    session = Session()
    print(json.dumps({"result": "ready"}), flush=True)
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        if verb == "stop":
            return
        print(json.dumps({"result": getattr(session, verb)(*arguments)}), flush=True)


if __name__ == "__main__":
    main()
