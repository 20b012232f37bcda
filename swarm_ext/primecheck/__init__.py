"""The /primecheck application: a web service whose every request costs CPU. `python -m swarm_ext.primecheck --help`.

`GET /primecheck` and `GET /primecheck/{n}` test a number by trial division, `GET /healthz` tells whether it is ready.
Each response names the replica that computed it in the header `X-Replica`. It runs alone, as a replica of the
embedded swarm, and in a container: standard library only.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import socket
import sys
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn

from swarm_ext.primecheck.cooperative_server import Computation, CooperativeServer, Handler, ParentGoneError
from swarm_ext.primecheck.cpu_limit import CpuLimit
from swarm_ext.primecheck.http_wire import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

HIGHEST_NUMBER = 10**15
"""Testing it takes about 0.6 s of CPU: nobody can hang a replica with one request."""

DEFAULT_NUMBER = 1_000_000_000_039
"""A prime whose test costs about 30 ms of CPU."""

DEFAULT_CONCURRENCY = 4
"""Requests computed at once. More than one, so that a short check need not wait for a long one; few, so that what a
replica has accepted is half a second of work at a quarter of a core, and all other requests are anybody's."""

BACKLOG = 4096
"""Connections that the kernel queues for us; it may cap it (Linux: net.core.somaxconn)."""

REPLICA_HEADER = "X-Replica"

_CHUNK_DIVISORS = 5_000
"""Divisions between two looks at sockets and CPU limit: 0.2 ms on a current core, under 1 ms on a slow one."""


def trial_division(number: int) -> Generator[None, None, bool]:
    """Return whether `number` is prime, yielding after every chunk of divisions by 3, 5, 7 … √number."""
    if number < 4 or number % 2 == 0:
        return number in {2, 3}
    end = math.isqrt(number) + 1
    for first in range(3, end, 2 * _CHUNK_DIVISORS):
        for divisor in range(first, min(first + 2 * _CHUNK_DIVISORS, end), 2):
            if number % divisor == 0:
                return False
        yield
    return True


def start_up(seconds: float) -> Iterator[None]:
    """Burn CPU for `seconds` of wall-clock time, as applications do that load and compile themselves first.

    Under a CPU limit it burns what the limit allows; the time until ready is the same.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in trial_division(DEFAULT_NUMBER):
            yield
            if time.monotonic() >= end:
                return


def application(number: int, replica: str) -> Handler:
    """Return the application: what it answers to each request. `number` is checked where the path names none."""
    headers = {REPLICA_HEADER: replica}

    def refuse(status: HTTPStatus, text: str, **more: str) -> Response:
        return Response(status, {"error": text}, {**headers, **more})

    def check(n: int) -> Computation:
        prime = yield from trial_division(n)
        return Response(HTTPStatus.OK, {"number": n, "prime": prime, "replica": replica}, headers)

    def handle(request: Request) -> Response | Computation:
        first, *rest = request.path.removeprefix("/").split("/")
        if (first, rest) == ("healthz", []):
            answer: Response | Computation = Response(HTTPStatus.OK, {"status": "ready"}, headers)
        elif (first, rest) == ("primecheck", []):
            answer = check(number)
        elif first == "primecheck" and len(rest) == 1:
            try:
                answer = check(whole_number(rest[0]))
            except ValueError as error:
                answer = refuse(HTTPStatus.BAD_REQUEST, str(error))
        else:
            text = f"there is no {request.path[:80]!r} here; try /primecheck, /primecheck/97 or /healthz"
            answer = refuse(HTTPStatus.NOT_FOUND, text)
        if request.method != "GET" and not (
            isinstance(answer, Response) and answer.status == HTTPStatus.NOT_FOUND
        ):
            return refuse(
                HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method[:20]} is not allowed; use GET", Allow="GET"
            )
        return answer

    return handle


def whole_number(text: str) -> int:
    """Return the number to check that `text` names; raise ValueError."""
    if text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= HIGHEST_NUMBER:
        return int(text)
    raise ValueError(f"{text[:40]!r} cannot be checked; it must be a whole number from 0 to 10^15")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the application until SIGTERM or Ctrl-C; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        listener = _listen(options)
    except OSError as error:
        sys.stderr.write(
            f"primecheck: cannot listen on {options.host}:{options.port}: {error.strerror}; choose another --port\n"
        )
        return 2
    server = CooperativeServer(
        listener,
        application(options.number, options.replica),
        concurrency=options.concurrency,
        shared=options.listen_fd is not None,
        limit=options.cpu_limit,
        start_up=start_up(options.startup_seconds),
        parent=_Supervisor() if options.supervised else None,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    if not options.supervised:
        host, port = listener.getsockname()[:2]
        sys.stdout.write(f"primecheck: listening on http://{host}:{port}/primecheck\n")
        sys.stdout.flush()
    try:
        server.run()
    except ParentGoneError:
        return 0
    return 0


def _listen(options: argparse.Namespace) -> socket.socket:
    if options.listen_fd is not None:
        return socket.socket(fileno=options.listen_fd)
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    return socket.create_server((options.host, options.port), family=family, backlog=BACKLOG)


class _Supervisor:
    """The parent process: standard input ends when it does, and standard output takes a line of JSON a second."""

    def __init__(self) -> None:
        self.lifeline = sys.stdin.fileno()
        self._reports = sys.stdout.fileno()
        os.set_blocking(self._reports, False)

    def tell(self, server: CooperativeServer) -> None:
        report = {
            "ready": server.ready,
            "requests": server.counters.requests,
            "rx_bytes": server.counters.rx_bytes,
            "tx_bytes": server.counters.tx_bytes,
            "periods": server.limit.periods if server.limit else 0,
            "throttled_periods": server.limit.throttled_periods if server.limit else 0,
            "throttled_ns": server.limit.throttled_ns if server.limit else 0,
        }
        try:
            os.write(self._reports, json.dumps(report).encode() + b"\n")
        except BlockingIOError:  # it has not read for minutes; it will get a later report
            pass
        except BrokenPipeError:
            raise ParentGoneError from None


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(prog="primecheck", description="A web service whose every request costs CPU.")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_argument("a whole number", int, 0, 65_535), default=8000,
        help="port to listen on, 0 for any free one (default: %(default)s)")  # fmt: skip
    add("--number", type=_argument("a whole number", int, 0, HIGHEST_NUMBER), default=DEFAULT_NUMBER, metavar="N",
        help="what /primecheck checks (default: %(default)s, a prime that costs about 30 ms of CPU)")  # fmt: skip
    add("--cpu-limit", type=_limit, metavar="CORES",
        help="use no more CPU than this, at most 1, by the rule of CFS bandwidth control (default: no limit)")  # fmt: skip
    add("--concurrency", type=_argument("a whole number", int, 1, 1_000), default=DEFAULT_CONCURRENCY, metavar="N",
        help="requests computed at once; others wait (default: %(default)s)")  # fmt: skip
    add("--startup-seconds", type=_argument("a number", float, 0, 600), default=0.0, metavar="S",
        help="burn CPU for so long before being ready (default: %(default)s)")  # fmt: skip
    add("--replica", type=_name, default=socket.gethostname(), metavar="NAME",
        help="name in the X-Replica header (default: the host name, which is a container's short id)")  # fmt: skip
    add("--listen-fd", type=_argument("a whole number", int, 0, 1_000_000), metavar="FD",
        help="accept from this inherited listening socket, which other replicas share, instead of a port")  # fmt: skip
    add("--supervised", action="store_true",
        help="end when standard input ends; report once a second, in JSON, on standard output")  # fmt: skip
    return parser


def _argument(
    kind: str, number: Callable[[str], float], lowest: float, highest: float
) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = number(text)
        except ValueError:
            value = math.nan
        if lowest <= value <= highest:
            return value
        raise argparse.ArgumentTypeError(f"{text[:40]!r} must be {kind} from {lowest} to {highest}")

    return parse


def _limit(text: str) -> CpuLimit:
    try:
        cores = float(text)
    except ValueError:
        cores = math.nan
    try:
        return CpuLimit(cores)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _name(text: str) -> str:
    if re.fullmatch("[!-~]{1,64}", text):
        return text
    raise argparse.ArgumentTypeError(
        f"{text[:80]!r} must be 1 to 64 visible ASCII characters: it goes into a header"
    )
