"""The bed's container images, made here and imported into each engine under names of their own."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.integration.bed import cache
from tests.integration.bed.cadvisor_program import VERSION, cadvisor_program
from tests.integration.bed.mongo_server import mongo_program
from tests.integration.bed.rootfs import RootFs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.integration.bed.engine import Engine

PYTHON = "swarm-ext-bed/python:local"
WEB = "swarm-ext-bed/web:local"
CADVISOR = "swarm-ext-bed/cadvisor:local"
MONGO = "swarm-ext-bed/mongo:local"
BALANCER = "swarm-ext-bed/balancer:local"
VISUALIZER = "swarm-ext-bed/visualizer:local"

VARIABLES = {
    "WEB_IMAGE": WEB,
    "CADVISOR_IMAGE": CADVISOR,
    "MONGO_IMAGE": MONGO,
    "VISUALIZER_IMAGE": VISUALIZER,
    "BALANCER_IMAGE": BALANCER,
    "CADVISOR_DISABLE_METRICS": "disk,diskIO,percpu,sched,tcp,udp",  # those of stack.yml that this version knows
}
"""What to set in the environment for stack.yml to be deployed with them."""

_HERE = Path(__file__).parent


class _Recipe(NamedTuple):
    name: str
    version: str
    """What, besides this file, the content depends on."""
    fill: Callable[[RootFs], None]
    changes: Sequence[str] = ()
    """Instructions as in a Dockerfile, for `docker import`."""


def _python(root: RootFs) -> None:
    root.add_python()


def _cadvisor(root: RootFs) -> None:
    root.add_program(cadvisor_program(), "cadvisor")


def _mongo(root: RootFs) -> None:
    root.add_program(mongo_program(), "mongo-server")
    (root.folder / "data/db").mkdir(parents=True)


def _balancer(root: RootFs) -> None:
    root.add_program(Path("/usr/sbin/haproxy"))
    root.add_file(_HERE / "haproxy.cfg", "etc/haproxy.cfg")


def _visualizer(root: RootFs) -> None:
    root.add_text("www/index.html", "<title>Visualizer</title>\n")


_RECIPES = (
    _Recipe(PYTHON, sys.version, _python, ['CMD ["python3"]']),
    _Recipe(CADVISOR, VERSION, _cadvisor, ['ENTRYPOINT ["/usr/bin/cadvisor","-logtostderr"]', "EXPOSE 8080"]),
    _Recipe(MONGO, "", _mongo, ['CMD ["/usr/bin/mongo-server","0.0.0.0:27017","/data/db"]', "EXPOSE 27017"]),
    _Recipe(
        BALANCER,
        (_HERE / "haproxy.cfg").read_text(),
        _balancer,
        ['CMD ["/usr/bin/haproxy","-f","/etc/haproxy.cfg"]'],
    ),
    _Recipe(VISUALIZER, "", _visualizer, ['CMD ["/bin/httpd","-f","-p","8080","-h","/www"]', "EXPOSE 8080"]),
)


def load_images(engine: Engine) -> None:
    """Give an engine every image that it does not have yet; the web application's is built by its own Dockerfile."""
    present = set(engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())
    for recipe in _RECIPES:
        if recipe.name not in present:
            changes = [word for change in recipe.changes for word in ("-c", change)]
            engine.docker("import", *changes, str(_tar(recipe)), recipe.name)
    if WEB not in present:
        build_web(engine, WEB)


def build_web(engine: Engine, name: str) -> None:
    """Build the image of the web application as its users do, but on the Python image of the bed."""
    engine.docker(
        "build",
        "-q",
        "-t",
        name,
        "--build-arg",
        f"PYTHON_IMAGE={PYTHON}",
        "-f",
        str(cache.ROOT / "image/Dockerfile"),
        str(cache.ROOT),
    )


def _tar(recipe: _Recipe) -> Path:
    made_by = Path(__file__).read_text() + (_HERE / "rootfs.py").read_text()
    digest = hashlib.sha256(f"{recipe.name}{recipe.version}{made_by}".encode()).hexdigest()[:12]

    def build(target: Path) -> None:
        folder = target.with_name(f"{target.name}.root")
        try:
            root = RootFs(folder)
            recipe.fill(root)
            root.tar(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return cache.built(f"{recipe.name.split('/')[1].split(':')[0]}-{digest}.tar", build)
