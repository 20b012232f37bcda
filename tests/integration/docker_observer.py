"""Watches a service of the swarm at DOCKER_HOST as a run does, until its standard input ends; then prints all it saw.

Usage: python docker_observer.py SERVICE. A process of its own, because it is monkey-patched, as Locust is.
"""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import logging
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from gevent.fileobject import FileObjectThread

from swarm_ext.sampler import Sampler
from swarm_ext.service_watch import ServiceWatcher
from swarm_ext.swarm.docker_swarm import open_docker_swarm

if TYPE_CHECKING:
    from swarm_ext.model import ContainerSample, NodeSample, ServiceSample


def main(service: str) -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    containers: list[ContainerSample] = []
    nodes: list[NodeSample] = []
    services: list[ServiceSample] = []
    swarm = open_docker_swarm()
    sampler = Sampler("run", swarm.nodes, on_samples=containers.extend, on_node_samples=nodes.extend)
    watcher = ServiceWatcher("run", swarm, service, on_samples=services.extend)
    sampler.start()
    watcher.start()
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    FileObjectThread(sys.stdin.buffer).read()
    sampler.stop()
    watcher.stop()
    swarm.close()
    seen: dict[str, Any] = {"containers": containers, "nodes": nodes, "services": services}
    seen["troubles"] = sampler.troubles() + watcher.troubles()
    sys.stdout.write(msgspec.json.encode(seen).decode())


main(sys.argv[1])
