"""stack.yml deployed on the bed, as a service to put load on from outside."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.integration.bed.swarm import MONGO_PORT_FILE
from tests.integration.bench import LOCUSTFILES, LocustProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.bed.swarm import Bed

STACK = "shop"
SERVICE = "shop_web"


@dataclass(frozen=True)
class Shop:
    """The stack: where its web service answers, and where its database is."""

    bed: Bed
    url: str
    store: str

    @property
    def environment(self) -> dict[str, str]:
        return {"DOCKER_HOST": self.bed.manager.docker_host}

    def options(self) -> tuple[str, ...]:
        return ("--swarm", "docker", "--service", SERVICE, "-H", self.url, "--store", self.store)

    def locust(
        self, folder: Path, *options: str, locustfile: Path = LOCUSTFILES / "poisson.py"
    ) -> LocustProcess:
        words = ("--headless", "--only-summary", *self.options(), *options)
        return LocustProcess(folder, locustfile, *words, environment=self.environment)


@contextmanager
def deployed_shop(bed: Bed) -> Iterator[Shop]:
    bed.manager.docker("secret", "create", "mongo_password", "-", stdin=b"not used by this server")
    bed.deploy(STACK, MONGO_PORT_FILE)
    try:
        bed.converge(STACK)
        address = bed.manager.host.address
        yield Shop(bed, f"http://{address}:8000", f"mongodb://{address}:3306/shop")
    finally:
        bed.remove_stack(STACK)
        bed.manager.docker("secret", "rm", "mongo_password")
