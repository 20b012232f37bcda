"""cAdvisor as stack.yml runs it, as a container of one engine. Pure."""

from __future__ import annotations

from swarm_ext.stack.container_plan import ContainerPlan, Publication

FLAGS = (
    "--housekeeping_interval=1s",
    "--allow_dynamic_housekeeping=false",
    "--storage_duration=2m0s",
    "--docker_only=true",
)
"""stack.yml's, where each is explained."""

PORT = 8080
MEMORY_BYTES = 512 * 2**20


def cadvisor_plan(
    role: str, name: str, image: str, published: Publication, docker_root: str, disable_metrics: str
) -> ContainerPlan:
    """Return the container; `docker_root` is where the engine keeps its data, as it says itself."""
    return ContainerPlan(
        role=role,
        name=name,
        image=image,
        published=published,
        port=PORT,
        command=(*FLAGS, f"--disable_metrics={disable_metrics}"),
        memory=MEMORY_BYTES,
        mounts=(
            ("/", "/rootfs"),
            ("/var/run", "/var/run"),
            ("/sys", "/sys"),
            (docker_root, "/var/lib/docker"),
        ),
    )
