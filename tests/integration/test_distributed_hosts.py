"""A master and workers on network hosts of their own, with slow ways, lost packets, and machines that go and come."""

from __future__ import annotations

import re
import signal
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import pytest
from scipy import stats

from swarm_ext.arrivals import Poisson, stream_rng
from tests.integration.bed.frozen import freeze, thaw
from tests.integration.bed.impairment import Impairment, impaired, outer_end
from tests.integration.bed.shell import run
from tests.integration.machines import POISSON, Machines, hosts_network, service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.bed.network import Host, Network
    from tests.integration.bench import Ended, LocustProcess
    from tests.integration.machines import Service

pytestmark = pytest.mark.slow

FALSE_ALARM = 1e-4
"""The share of right generators that a test of a count or of a rate would reject."""

MOST_LEASED = 60
"""What a worker at 40/s has at most: a lease lasts for a second, and the next is asked for when half of it is left."""

CLOCKS_AHEAD_SECONDS = 7
"""Whole seconds, so that the seconds of a worker whose clock is that much ahead are its master's."""


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with hosts_network() as made:
        yield made
        left = {host.namespace: run("ip", "netns", "pids", host.namespace).split() for host in made.hosts}
        assert not any(left.values()), f"processes are left: {left}"


@dataclass(frozen=True)
class Hosts:
    master: Host
    workers: tuple[Host, ...]
    server: Host


@pytest.fixture(scope="module")
def hosts(network: Network) -> Hosts:
    workers = tuple(network.add(f"w{number}") for number in (1, 2, 3))
    return Hosts(network.add("m"), workers, network.add("s"))


@pytest.fixture
def server(hosts: Hosts, tmp_path: Path) -> Iterator[Service]:
    with service(hosts.server, tmp_path) as running:
        yield running


@pytest.fixture
def machines(hosts: Hosts, tmp_path: Path) -> Iterator[Machines]:
    made = Machines(tmp_path, hosts.master)
    yield made
    made.end()


@dataclass(frozen=True)
class Orphan:
    """A worker whose master was killed."""

    worker: LocustProcess
    host: Host
    killed_at: float


@dataclass(frozen=True)
class Orphans:
    """One that has a lease, with 40 arrivals/s, and one that has none, with 10/s; what they ask for."""

    limited: Orphan
    unlimited: Orphan
    server: Service

    def after(self, orphan: Orphan) -> list[float]:
        """Return how many seconds after its master's end each of a worker's arrivals came."""
        return [
            instant - orphan.killed_at
            for instant in self.server.of(orphan.host)
            if instant > orphan.killed_at
        ]


@pytest.fixture(scope="module", autouse=True)
def orphans(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orphans]:
    """Begun before the first test, looked at by the last one as well: Locust gives a master up after a minute."""
    asked = {"leased": ("--lamb", "10", "-u", "4", "--iter", "100000"), "free": ("--lamb", "5", "-u", "2")}
    made: dict[str, Machines] = {}
    found: dict[str, Orphan] = {}
    begun: dict[str, tuple[LocustProcess, LocustProcess, Host]] = {}
    with service(network.add("so"), tmp_path_factory.mktemp("orphans")) as running:
        try:
            for name, options in asked.items():
                made[name] = Machines(tmp_path_factory.mktemp(name), network.add(f"m{name}"))
                host = network.add(f"w{name}")
                words = ("-H", running.url, "-r", "100", "--expect-workers", "1", *options)
                begun[name] = (made[name].master(*words), made[name].worker(host), host)
            for name, (master, worker, host) in begun.items():
                running.wait_for(40, host)
                master.process.send_signal(signal.SIGKILL)
                master.process.wait(10)
                found[name] = Orphan(worker, host, time.monotonic())
            yield Orphans(found["leased"], found["free"], running)
        finally:
            for machines in made.values():
                machines.end()


def test_a_worker_whose_master_is_killed_offers_what_is_left_of_its_lease_and_no_more(
    orphans: Orphans,
) -> None:
    orphans.server.wait_until_quiet(orphans.limited.host, 4)
    assert len(orphans.after(orphans.limited)) <= MOST_LEASED
    assert orphans.limited.worker.process.poll() is None, "it waits for its master, as Locust has it"


def options(server: Service, *words: str, workers: int = 2) -> tuple[str, ...]:
    return (
        "-H",
        server.url,
        "-r",
        "100",
        "--seed",
        "7",
        "-s",
        "20",
        "--expect-workers",
        str(workers),
        *words,
    )


def assert_rate(count: int, seconds: float, rate: float) -> None:
    """So many arrivals in so long a time are what chance makes of the rate."""
    least, most = stats.poisson.interval(1 - FALSE_ALARM, rate * seconds)
    assert least <= count <= most, f"{count} arrivals in {seconds:.1f} s at {rate:g}/s"


def test_over_a_slow_and_lossy_way_to_the_master_the_load_is_as_asked(
    network: Network, hosts: Hosts, server: Service, machines: Machines
) -> None:
    with impaired(network, hosts.master, Impairment(0.04, 0.01, 0.02)):
        master = machines.master(*options(server, "-u", "4", "--lamb", "20", "--iter", "640"))
        machines.worker(hosts.workers[0])
        machines.worker_with(
            hosts.workers[1],
            "ahead",
            f"import time\nright = time.time\ntime.time = lambda: right() + {CLOCKS_AHEAD_SECONDS}\n",
        )
        ended = master.end()
    assert ended.code == 0, ended.output
    seen = server.seen()
    assert len(seen) == ended.totals().offered == ended.totals().completed == 640
    instants = [arrival.instant for arrival in seen]
    assert_rate(560, instants[560] - instants[0], 80)  # the last ones wait for the last leases
    assert {len(server.of(host)) > 240 for host in hosts.workers[:2]} == {True}
    assert_seconds_line_up(ended, instants)
    (run,) = ended.runs()
    assert run.troubles == ()
    assert sorted(run.worker_clocks.values()) == [
        pytest.approx(0, abs=0.04),
        pytest.approx(CLOCKS_AHEAD_SECONDS, abs=0.04),
    ]
    assert re.search(rf"clocks .*{CLOCKS_AHEAD_SECONDS}\.0 s ahead, the rest within", ended.output)


def assert_seconds_line_up(ended: Ended, instants: list[float]) -> None:
    """Each second was filed once, and has the arrivals that came to the server in it."""
    samples = ended.load()
    stamps = [sample.timestamp.timestamp() for sample in samples]
    assert [later - earlier for earlier, later in pairwise(stamps)] == [1.0] * (len(stamps) - 1)
    assert sum(sample.offered for sample in samples) == len(instants)
    epoch = time.time() - time.monotonic()
    came = Counter(int(epoch + instant) for instant in instants)
    offered = {int(stamp): sample.offered for stamp, sample in zip(stamps, samples, strict=True)}
    elsewhere = sum(abs(came[second] - offered.get(second, 0)) for second in {*came, *offered})
    # those on their way at a second's end; of half the load, one second off, there would be twice as many
    assert elsewhere <= len(instants) // 10, (came, offered)


def test_what_is_lost_on_the_way_to_the_service_is_repeated_and_neither_missing_nor_counted_twice(
    network: Network, hosts: Hosts, server: Service, machines: Machines
) -> None:
    poor = Impairment(0.02, 0.01, 0.02)
    with (
        impaired(network, hosts.workers[0], poor, seed=2),
        impaired(network, hosts.workers[1], poor, seed=3),
    ):
        master = machines.master(*options(server, "-u", "4", "--lamb", "15", "--iter", "300"))
        for host in hosts.workers[:2]:
            machines.worker(host)
        ended = master.end()
    assert ended.code == 0, ended.output
    totals = ended.totals()
    assert len(server.seen()) == totals.offered == totals.completed == 300
    (run,) = ended.runs()
    assert run.troubles == ()


NAMED = """
import uuid
from locust import task
import swarm_ext.plugin
from swarm_ext.users import PoissonUser

class Named(PoissonUser):
    def on_start(self):
        self.name = uuid.uuid4().hex

    @task
    def visit(self):
        self.client.get(f"/{self.name}", name="/")
"""


@pytest.mark.parametrize("workers", [1, 2], ids=["one worker", "two workers"])
def test_a_seed_gives_the_same_streams_from_one_worker_and_from_two(
    hosts: Hosts, server: Service, tmp_path: Path, workers: int
) -> None:
    locustfile = tmp_path / "named.py"
    locustfile.write_text(NAMED)
    machines = Machines(tmp_path, hosts.master, locustfile)
    try:
        master = machines.master(
            *options(server, "-u", "4", "--lamb", "10", "--iter", "160", workers=workers)
        )
        for host in hosts.workers[:workers]:
            machines.worker(host)
        ended = master.end()
    finally:
        machines.end()
    assert ended.code == 0, ended.output
    assert len(server.seen()) == ended.totals().offered == 160
    assert {seen.host for seen in server.seen()} == {host.address for host in hosts.workers[:workers]}
    streams: dict[str, list[float]] = defaultdict(list)
    for seen in server.seen():
        streams[seen.path].append(seen.instant)
    assert sorted(map(which_stream, streams.values())) == [0, 1, 2, 3]


def which_stream(instants: list[float]) -> int:
    """Return which stream of seed 7, at 10 arrivals/s, has made these arrivals."""
    gaps = [later - earlier for earlier, later in pairwise(instants)]

    def off(number: int) -> float:
        drawn = islice(Poisson(10).gaps(stream_rng(7, number)), 1, 1 + len(gaps))
        return statistics.median(abs(gap - asked) for gap, asked in zip(gaps, drawn, strict=True))

    number = min(range(20), key=off)
    assert off(number) < 0.01, f"no stream has these gaps: the nearest is {number}"
    return number


def test_after_a_worker_is_killed_the_rate_is_back_and_the_total_is_exact_but_for_its_last_second(
    hosts: Hosts, server: Service, machines: Machines
) -> None:
    master = machines.master(*options(server, "-u", "4", "--lamb", "15", "--iter", "900"))
    machines.worker(hosts.workers[0])
    lost = machines.worker(hosts.workers[1])
    server.wait_for(180)
    lost.process.send_signal(signal.SIGKILL)
    lost.process.wait(10)
    killed = time.monotonic()
    ended = master.end()
    assert ended.code == 0, ended.output
    instants = [seen.instant for seen in server.seen()]
    assert_rate(sum(killed + 7 <= instant < killed + 10 for instant in instants), 3, 60)
    told = re.search(
        r"WARNING +load: worker \S+ was lost \d+ s into the run: its arrivals of the last second before that are"
        r" uncertain \(at most (\d+)\): not counted, and made again",
        ended.output,
    )
    assert told is not None, ended.output
    totals = ended.totals()
    assert totals.offered == 900
    not_told = len(instants) - 900
    assert 0 <= not_told <= int(told[1])
    of_lost = server.of(hosts.workers[1])
    assert not_told <= sum(instant > of_lost[-1] - 2 for instant in of_lost), "a second's, and on their way"


def test_a_worker_that_is_cut_off_and_comes_back_makes_no_arrival_too_many(
    network: Network, hosts: Hosts, server: Service, machines: Machines
) -> None:
    master = machines.master(*options(server, "-u", "4", "--lamb", "15", "--iter", "1000"))
    machines.worker(hosts.workers[0])
    machines.worker(hosts.workers[1])
    server.wait_for(120)
    run("ip", "link", "set", outer_end(network, hosts.workers[1]), "down")
    try:
        master.wait_for("was lost")
    finally:
        run("ip", "link", "set", outer_end(network, hosts.workers[1]), "up")
    back = time.monotonic()
    ended = master.end()
    totals = ended.totals()
    assert ended.code == (1 if totals.failed else 0), ended.output
    assert totals.offered == 1000 == totals.completed + totals.failed
    assert totals.completed <= len(server.seen()) <= 1000
    assert re.search(
        r"WARNING +load: worker \S+ was lost \d+ s into the run and came back \d+ s", ended.output
    )
    assert sum(instant > back for instant in server.of(hosts.workers[1])) > 15, "it has its share again"


def test_a_worker_that_stands_still_and_one_that_joins_late_each_have_their_share_at_the_end(
    hosts: Hosts, server: Service, machines: Machines
) -> None:
    master = machines.master(*options(server, "-u", "6", "--lamb", "10", "--iter", "1500"))
    machines.worker(hosts.workers[0])
    still = machines.worker(hosts.workers[1])
    server.wait_for(120)
    freeze(still.process.pid)
    machines.worker(hosts.workers[2])
    try:
        server.wait_for(1, hosts.workers[2])
        master.wait_for("was lost")
    finally:
        thaw(still.process.pid)
    ended = master.end()
    assert ended.code == 0, ended.output
    assert len(server.seen()) == ended.totals().offered == 1500
    end = server.seen()[-1].instant
    assert_rate(sum(end - 7 <= seen.instant < end - 1 for seen in server.seen()), 6, 60)
    for host in hosts.workers:
        assert_rate(sum(end - 4 <= instant < end - 1 for instant in server.of(host)), 3, 20)


def test_workers_with_another_locustfile_or_version_are_refused_with_the_reason_and_the_run_waits_for_others(
    hosts: Hosts, server: Service, machines: Machines, tmp_path: Path
) -> None:
    master = machines.master(*options(server, "--lamb", "40", "--iter", "40", workers=1))
    other = tmp_path / "other.py"
    other.write_text(POISSON.read_text() + "\n# changed\n")
    changed = machines.worker(hosts.workers[0], other)
    older = machines.worker_with(
        hosts.workers[1], "older", "import swarm_ext\nswarm_ext.__version__ = '0.0.9'\n"
    )
    for refused, reason in (
        (changed.end(), "locustfile differs from its master's: give both the same file"),
        (older.end(), "this worker has swarm-ext 0.0.9, its master .*: install the same on both"),
    ):
        assert refused.code == 1
        assert re.search(f"locust: error: refused by the master: .*{reason}", refused.output)
        assert "Traceback" not in refused.output
    machines.worker(hosts.workers[2])
    ended = master.end()
    assert ended.code == 0, ended.output
    assert {seen.host for seen in server.seen()} == {hosts.workers[2].address}
    assert len(server.seen()) == ended.totals().offered == 40


def test_a_worker_without_a_lease_whose_master_was_killed_ends_when_locust_gives_the_master_up(
    orphans: Orphans,
) -> None:
    for orphan in (orphans.limited, orphans.unlimited):
        ended = orphan.worker.end(120)
        assert "Didn't get heartbeat from master in over 60s" in ended.output
        assert ended.children_left == []
    after = orphans.after(orphans.unlimited)
    assert max(after) < 75
    assert len(after) <= stats.poisson.isf(FALSE_ALARM, 10 * 75)
    assert len(orphans.after(orphans.limited)) <= MOST_LEASED, "it has not begun again"
