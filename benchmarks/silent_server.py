"""A server that takes every connection and never says a word: `python -m benchmarks.silent_server` prints its URL."""

from __future__ import annotations

import argparse
import resource
import socket


def main() -> None:
    """Take connections, until this process is ended."""
    argparse.ArgumentParser(description="Take every connection, and never answer.").parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held = []
    with socket.create_server(("127.0.0.1", 0), backlog=16_384) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        while True:
            connection, _ = listener.accept()
            held.append(connection)


if __name__ == "__main__":
    main()
