"""The floor of a pseudo terminal: asyncio, no protocol. ``python echo.py REQUEST REPLY`` writes the terminal's path.

Whenever REQUEST octets have arrived, REPLY octets are written.
"""

import asyncio
import os
import pty
import sys
import tty


def main() -> None:
    request, reply = int(sys.argv[1]), b"\x55" * int(sys.argv[2])
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    print(os.ttyname(slave), flush=True)
    loop = asyncio.new_event_loop()
    arrived = 0

    def readable() -> None:
        nonlocal arrived
        arrived += len(os.read(master, 4096))
        if arrived >= request:
            arrived = 0
            os.write(master, reply)

    loop.add_reader(master, readable)
    loop.run_forever()


if __name__ == "__main__":
    main()
