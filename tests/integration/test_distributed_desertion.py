"""A master whose last worker goes during the run: it says so, and does not wait for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.cluster import wait_for_arrivals

if TYPE_CHECKING:
    from tests.integration.bench import SlowServer
    from tests.integration.cluster import Cluster


@pytest.mark.parametrize(
    ("way", "told"),
    [("kill", ["no worker was left", "was lost"]), ("terminate", ["no worker was left"])],
)
def test_a_run_whose_last_worker_goes_ends_and_has_failed(
    server: SlowServer, cluster: Cluster, way: str, told: list[str]
) -> None:
    # without a time limit, and with more arrivals than it can make while anybody would wait
    master = cluster.master("-H", server.url, "-u", "2", "-r", "50", "--lamb", "10", "--iter", "100000")
    worker = cluster.worker()
    master.wait_for("All users spawned")
    wait_for_arrivals(server, 20)
    getattr(worker, way)()
    ended = master.end()
    assert ended.code == 1, ended.output
    assert ended.run().exit_status == "failed"
    troubles = [trouble.message for trouble in ended.run().troubles]
    assert len(troubles) == len(told)
    assert all(words in trouble for words, trouble in zip(told, troubles, strict=True))
    assert "made again" not in ended.output, "nobody is left to make them"
