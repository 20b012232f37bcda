"""A server that answers every request after a fixed time, and notes when each came, from which host, and for what.

Usage: noting_server.py ADDRESS PORT DELAY_SECONDS LOG_FILE. Says `ready`; each request is a line `monotonic-seconds host
path` in the log.
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
    host = writer.get_extra_info("peername")[0]
    with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError):
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
            log.write(f"{time.monotonic():.6f} {host} {path}\n")
            log.flush()
            await asyncio.sleep(delay)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
    writer.close()


async def main(address: str, port: int, delay: float, log_file: str) -> None:
    with Path(log_file).open("w") as log:  # noqa: ASYNC230 - once, before anything is served
        server = await asyncio.start_server(
            lambda r, w: answer(r, w, delay, log), address, port, backlog=1024
        )
        print("ready", flush=True)
        async with server:
            await asyncio.wait_for(server.serve_forever(), timeout=600)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, TimeoutError):
        asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
