"""A server that answers every request after a fixed time, and notes when each arrived.

Usage: slow_server.py DELAY_SECONDS LOG_FILE. Prints its port; each arrival is a line `monotonic seconds` in the log,
each new connection a line `connection`.
"""

import asyncio
import contextlib
import sys
import time
from pathlib import Path
from typing import TextIO


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, log: TextIO
) -> None:
    log.write("connection\n")
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            log.write(f"{time.monotonic():.6f}\n")
            log.flush()
            await asyncio.sleep(delay)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Replica: one\r\n\r\nok")
            await writer.drain()
    writer.close()


async def main(delay: float, log_file: str) -> None:
    with Path(log_file).open("w") as log:  # noqa: ASYNC230 - once, before anything is served
        server = await asyncio.start_server(
            lambda r, w: answer(r, w, delay, log), "127.0.0.1", 0, backlog=1024
        )
        print(server.sockets[0].getsockname()[1], flush=True)
        async with server:
            await asyncio.wait_for(server.serve_forever(), timeout=600)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, TimeoutError):
        asyncio.run(main(float(sys.argv[1]), sys.argv[2]))
