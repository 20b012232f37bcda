"""Measure the client beside its peers: CPU time per request, and the highest arrival rate that is really offered.

From the project's folder: `.venv/bin/python -m benchmarks.client_side_by_side [ROUNDS]`. It needs nginx and taskset, and
uses vegeta and k6 if they are on the path. Each generator has one core, nginx the other. They take turns in short slices,
since machines vary within minutes; compare medians, of ratios within a round above all.

*Sustained* is the highest rate of a staircase with nothing failed or dropped, at least 97 % of it offered, and p99 of
lateness at most 5 ms: lateness is the schedule lag for us, and start less schedule for vegeta. k6 tells only what it dropped.
"""

import csv
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swarm_ext import histogram
from swarm_ext.store import open_store

SECONDS = 4
STEP = 1.2
LATE_SECONDS = 0.005
FIRST_RATE = 1000.0
PORT = 8897
HOST = f"http://127.0.0.1:{PORT}"
NGINX = """worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_rlimit_nofile 20000;
events {{ worker_connections 16000; multi_accept on; }}
http {{ access_log off; keepalive_requests 100000000; server {{ listen 127.0.0.1:{port} backlog=8192;
location / {{ default_type text/plain; return 200 "hello, world\\n"; }} }} }}
"""


@dataclass
class Slice:
    """What a generator did in one slice. Lateness in seconds; None: it does not tell."""

    offered: float
    failed: int
    late_p99: float | None
    cpu_per_request: float

    def sustains(self, rate: float) -> bool:
        """Return whether this was the asked rate, and in time."""
        return not self.failed and self.offered >= 0.97 * rate and (self.late_p99 or 0.0) <= LATE_SECONDS


def on_its_core(command: list[str], folder: Path, **environment: str) -> tuple[str, float]:
    """Run a generator on its core; return what it printed, and the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        ["taskset", "-c", "1", *command], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "GOMAXPROCS": "1", **environment},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def locust(client: str, rate: float, folder: Path, keep_alive: bool) -> Slice:  # noqa: FBT001
    """Run a slice of the real ArrivalUser, with our client or with Locust's."""
    store = f"sqlite:///{folder}/runs.db"
    command = [
        sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("client_visitor.py")), "--headless",
        "--only-summary", "-H", HOST, "--lamb", str(rate), "-t", str(SECONDS), "-s", "2", "--store", store,
    ]  # fmt: skip
    output, _ = on_its_core(
        [*command, "--keep-alive"] if keep_alive else command,
        folder,
        SWARM_EXT_BENCH_CLIENT=client,
        PYTHONPATH=str(Path.cwd()),
    )
    measured = json.loads(output.partition("MEASURED ")[2].splitlines()[0])
    opened = open_store(store, must_exist=True)
    totals = opened.runs()[0].totals
    opened.close()
    assert totals is not None  # noqa: S101 - the run has ended
    lateness = histogram.quantile(totals.schedule_lags, 0.99)
    failed = totals.failed + totals.dropped
    return Slice(measured["offered_rate"], failed, lateness, measured["cpu_seconds_per_request"])


def ours(rate: float, folder: Path, keep_alive: bool) -> Slice:  # noqa: FBT001
    """Run a slice of our client."""
    return locust("lean", rate, folder, keep_alive)


def fast(rate: float, folder: Path, keep_alive: bool) -> Slice:  # noqa: FBT001
    """Run a slice of Locust's client."""
    return locust("fast", rate, folder, keep_alive)


def vegeta(rate: float, folder: Path, keep_alive: bool) -> Slice:  # noqa: FBT001
    """Run a slice of vegeta."""
    (folder / "target").write_text(f"GET {HOST}/\n")
    attack = f"vegeta attack -targets target -rate {rate:.0f} -duration {SECONDS}s -max-workers 5000"
    _, cpu = on_its_core(
        [*attack.split(), f"-keepalive={str(keep_alive).lower()}", "-output", "results"], folder
    )
    encoded = subprocess.run(["vegeta", "encode", "-to", "csv", "results"], cwd=folder, capture_output=True, text=True, check=True)  # fmt: skip
    rows = list(csv.reader(io.StringIO(encoded.stdout)))
    starts = sorted(int(row[0]) / 1e9 for row in rows)
    late = [start - starts[0] - i / rate for i, start in enumerate(starts)]
    failed = sum(row[1] != "200" for row in rows)
    return Slice(len(rows) / SECONDS, failed, statistics.quantiles(late, n=100)[98], cpu / len(rows))


def k6(rate: float, folder: Path, keep_alive: bool) -> Slice:  # noqa: FBT001
    """Run a slice of k6's constant-arrival-rate."""
    options = {
        "noConnectionReuse": not keep_alive,
        "discardResponseBodies": False,
        "scenarios": {
            "one": {"executor": "constant-arrival-rate", "rate": round(rate), "timeUnit": "1s", "duration": f"{SECONDS}s", "preAllocatedVUs": 300, "maxVUs": 2000}
        },
    }  # fmt: skip
    (folder / "script.js").write_text(
        f"import http from 'k6/http';\nexport const options = {json.dumps(options)};\n"
        f"export default () => {{ http.get('{HOST}/'); }};\n"
    )
    run = ["k6", "run", "--quiet", "--no-usage-report", "--summary-export", "summary.json", "script.js"]
    _, cpu = on_its_core(run, folder)
    metrics = json.loads((folder / "summary.json").read_text())["metrics"]
    done = metrics["http_reqs"]["count"]
    failed = metrics["http_req_failed"]["passes"] + metrics.get("dropped_iterations", {}).get("count", 0)
    return Slice(done / SECONDS, failed, None, cpu / done)


Generator = Callable[[float, Path, bool], Slice]


@contextmanager
def nginx() -> Iterator[None]:
    """Run nginx on the other core."""
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "nginx.conf"
        conf.write_text(NGINX.format(folder=folder, port=PORT))
        with subprocess.Popen(["taskset", "-c", "0", "nginx", "-c", str(conf)]) as server:
            try:
                yield
            finally:
                server.terminate()


def sustained(generator: Generator, rate: float, *, keep_alive: bool) -> tuple[float, float]:
    """Climb the staircase from `rate` on; return the highest rate that held, and the CPU seconds per request there."""
    held = (0.0, 0.0)
    for _ in range(30):
        for _ in range(2):  # one slice may have met a busy moment of the machine
            with tempfile.TemporaryDirectory() as folder:
                measured = generator(rate, Path(folder), keep_alive)
            if measured.sustains(rate):
                break
        else:
            break
        held = (rate, measured.cpu_per_request)
        rate *= STEP
    return held


def main() -> None:
    """Print a table for each way of connecting."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    peers: dict[str, Generator] = {"swarm-ext": ours, "vegeta": vegeta, "k6": k6, "FastHttpSession": fast}
    present = {
        name: peer for name, peer in peers.items() if name not in ("vegeta", "k6") or shutil.which(name)
    }
    with nginx():
        for keep_alive in (False, True):
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in present}
            for _ in range(rounds):
                for name, peer in present.items():
                    found[name].append(sustained(peer, FIRST_RATE, keep_alive=keep_alive))
            print("\nkept connections" if keep_alive else "\na new connection each")
            print(
                "| generator | sustained arrivals/s | CPU per request [µs] | ours : it |\n|---|---|---|---|"
            )
            for name, climbs in found.items():
                ratios = [own[0] / it[0] for own, it in zip(found["swarm-ext"], climbs, strict=True) if it[0]]
                print(
                    f"| {name} | {statistics.median(rate for rate, _ in climbs):,.0f} | "
                    f"{statistics.median(cpu for _, cpu in climbs) * 1e6:.0f} | "
                    f"{statistics.median(ratios) if ratios else 0:.1f} ({', '.join(f'{r:.1f}' for r in ratios)}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
