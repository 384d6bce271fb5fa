"""A gurux-dlms client that stays: makes a connection for each thing that it is asked, line by line.

Each line of standard input is a JSON list, ``["ask", spec, steps]`` or ``["stop"]``; each line of standard output an
answer, ``{"result": {"results": [...], "error": "...", "seconds": ...}}``: one result a step, as far as it came, what
went wrong, empty where nothing did, and how long it took. The first line is that of the start. Specs and steps are
those of ``gurux_client.py``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time

from gurux_client import Reader, step


def ask(spec: dict, steps: list) -> dict:
    """Connect, associate, do steps and close; a session that fails is left as it is."""
    results: list = []
    error, begin = "", time.monotonic()
    reader = Reader(spec, spec.get("client", 16), spec.get("mechanism", "none"), spec.get("ciphered", False))
    try:
        reader.client.ciphering.invocationCounter = spec.get("invocation_counter", 0) + 1
        reader.connect()
        results.extend(step(reader, what, []) for what in steps)
        reader.disconnect()
    except Exception as problem:  # whatever it is, the test is told
        logging.exception("failed")
        error = repr(problem)
        reader.media.close()
    return {"results": results, "error": error, "seconds": time.monotonic() - begin}


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the library writes to the standard output

    def answer(result: object) -> None:
        out.write(json.dumps({"result": result}) + "\n")
        out.flush()

    answer("ready")
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        if verb == "stop":
            return
        answer(ask(*arguments))


if __name__ == "__main__":
    main()
