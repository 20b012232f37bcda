"""A node of many containers, as its cAdvisor would tell of them: `python -m benchmarks.cadvisor_node` prints its URL.

Each container has a new point every second, and ten seconds of them are kept.
"""

from __future__ import annotations

import argparse
import threading

from tests.cadvisor_server import CAdvisorServer, FakeContainer, FakeNode

CONTAINERS = 50


def container_id(number: int) -> str:
    """Return the id of a container, numbered from 1."""
    return f"{number:064x}"


def containers(count: int) -> list[FakeContainer]:
    """Return so many replicas of the service `web`, which use more CPU the higher their number is."""
    return [
        FakeContainer(
            id=container_id(number),
            name=f"web.{number}",
            cores=0.4 * number / count,
            labels={
                "com.docker.swarm.service.name": "web",
                "com.docker.swarm.task.name": f"web.{number}.{container_id(number)[:25]}",
            },
        )
        for number in range(1, count + 1)
    ]


def main() -> None:
    """Serve until this process is ended."""
    parser = argparse.ArgumentParser(description="A node of many containers, as its cAdvisor tells of them.")
    parser.add_argument("--containers", type=int, default=CONTAINERS, help="how many (default: %(default)s)")
    count = parser.parse_args().containers
    node = FakeNode(containers(count), housekeeping_seconds=1.0, memory_seconds=10.0)
    with CAdvisorServer(node.respond) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
