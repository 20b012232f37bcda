"""A service's own limits stand in where a node's cAdvisor tells none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from swarm_ext.model import ServiceState
from swarm_ext.sampling.service_limits import with_service_limits
from tests.sample_records import an_empty_container_sample

if TYPE_CHECKING:
    from swarm_ext.model import ContainerSample


def a_sample(cores: float | None, memory_bytes: int | None) -> ContainerSample:
    return structs.replace(
        an_empty_container_sample(),
        service="shop_web",
        cpu_limit_cores=cores,
        memory_limit_bytes=memory_bytes,
    )


def a_service(cores: float | None = 0.25, memory_bytes: int | None = 2**28) -> ServiceState:
    return ServiceState(
        name="shop_web", desired=1, running=1, ready=1, pending=0, update_state=None, tasks=(),
        cpu_limit_cores=cores, cpu_reservation_cores=None, memory_limit_bytes=memory_bytes, labels={},
    )  # fmt: skip


def test_what_cadvisor_does_not_tell_the_service_does() -> None:
    sample = a_sample(None, None)
    (completed,) = with_service_limits([sample], a_service())
    assert completed == structs.replace(sample, cpu_limit_cores=0.25, memory_limit_bytes=2**28)


def test_a_limit_that_was_measured_stays() -> None:
    assert with_service_limits([a_sample(0.1, 2**20)], a_service()) == [a_sample(0.1, 2**20)]
    (half,) = with_service_limits([a_sample(0.1, None)], a_service())
    assert (half.cpu_limit_cores, half.memory_limit_bytes) == (0.1, 2**28)


def test_containers_of_other_services_and_services_without_limits_are_left_as_they_are() -> None:
    other = structs.replace(a_sample(None, None), service="shop_db")
    assert with_service_limits([other], a_service()) == [other]
    free = [a_sample(None, None)]
    assert with_service_limits(free, a_service(None, None)) == free
    assert with_service_limits(free, None) == free
