"""Starts and removes a container of ours on one engine, and waits until it does what it is for."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from swarm_ext.errors import UserError
from swarm_ext.stack.container_plan import ROLE_LABEL, Publication
from swarm_ext.stack.engine import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker.models.containers import Container

    from swarm_ext.stack.container_plan import ContainerPlan
    from swarm_ext.stack.engine import Engine

_POLL_SECONDS = 0.25
_PORT_SIGNS = ("address already in use", "port is already allocated", "cannot assign requested address")


def find(engine: Engine, name: str, role: str) -> Container | None:
    """Return our container of that name, None if there is none; raise UserError where it is somebody else's."""
    from docker.errors import NotFound  # noqa: PLC0415 - who has no swarm needs no SDK

    try:
        container = engine.client.containers.get(name)
    except NotFound:
        return None
    if container.labels.get(ROLE_LABEL) != role:
        raise UserError(
            f"there is a container {name} that swarm-ext did not make: remove it, or give another name by --name"
        )
    return container


def runs_already(engine: Engine, plan: ContainerPlan) -> bool:
    """Return whether our container runs as planned; remove it if it has ended.

    Raise UserError where it runs on another port or address.
    """
    container = find(engine, plan.name, plan.role)
    if container is None:
        return False
    if container.status != "running":
        container.remove(force=True, v=True)
        return False
    bindings = container.attrs["HostConfig"]["PortBindings"].get(f"{plan.port}/tcp") or []
    addresses = [Publication(binding["HostIp"], int(binding["HostPort"])) for binding in bindings]
    if plan.published not in addresses:
        raise UserError(
            f"{plan.name} runs already, on {', '.join(map(str, addresses)) or 'no port'} and not on {plan.published}: "
            f"stop it first, by `swarm-ext {plan.role} stop`, or give another --name"
        )
    return True


def start(engine: Engine, plan: ContainerPlan) -> Iterator[str]:
    """Make the container and start it, pulling its image if the engine lacks it; yield what takes time.

    Raise UserError, in the engine's words, where there is no such image or the port is taken; nothing is left then.
    """
    from docker.errors import APIError, ImageNotFound  # noqa: PLC0415

    try:
        engine.client.images.get(plan.image)
    except ImageNotFound:
        yield f"Pulling {plan.image}"
        _pull(engine, plan.image)
    container = _created(engine, plan)
    try:
        container.start()
    except APIError as error:
        container.remove(force=True, v=True)
        words = said(error)
        taken = any(sign in words.lower() for sign in _PORT_SIGNS)
        remedy = (
            f": {plan.published} cannot be had; choose another port or address, or stop what listens there"
            if taken
            else ""
        )
        raise UserError(f"{plan.name} cannot be started{remedy} (the engine says: {words})") from None
    except BaseException:  # Ctrl-C, or an engine that did not answer in time
        container.remove(force=True, v=True)
        raise


def _created(engine: Engine, plan: ContainerPlan) -> Container:
    from docker.errors import APIError  # noqa: PLC0415

    try:
        return engine.client.containers.create(**plan.sdk_arguments())
    except APIError:
        raise
    except (
        BaseException
    ):  # the answer was not waited for: it may be there all the same, and nobody has started it
        container = find(engine, plan.name, plan.role)
        if container is not None and container.status == "created":
            container.remove(v=True)
        raise


@contextmanager
def removed_when_interrupted(engine: Engine, plan: ContainerPlan) -> Iterator[None]:
    """Remove the planned container, which is made within the block, if Ctrl-C ends that."""
    try:
        yield
    except KeyboardInterrupt:
        with suppress(UserError):  # it is somebody else's
            container = find(engine, plan.name, plan.role)
            if container is not None:
                container.remove(force=True, v=True)
        raise


def _pull(engine: Engine, image: str) -> None:
    from docker.errors import APIError  # noqa: PLC0415

    try:
        # as a stream: one answer for a whole image would take longer than any single answer may
        for event in engine.client.api.pull(image, stream=True, decode=True):
            if "error" in event:
                raise UserError(_not_pulled(image, event["error"]))
    except APIError as error:
        raise UserError(_not_pulled(image, said(error))) from None


def _not_pulled(image: str, words: str) -> str:
    return (
        f"the engine has no image {image}, and cannot pull it ({' '.join(words.split())}): correct the name, log in to its "
        "registry, or bring it there with `docker load` or `docker build`"
    )


def wait(container: Container, works: Callable[[], bool], what: str, *, deadline: float) -> None:
    """Wait for `what`, until `works()`; raise UserError where the container ends before, or at `deadline` (monotonic)."""
    while not works():
        container.reload()
        if container.status in {"exited", "dead"}:
            raise UserError(
                f"{container.name} ended with exit code {container.attrs['State']['ExitCode']} while it was waited for {what}: "
                f"{_last_words(container)}; see `docker logs {container.name}`"
            )
        if time.monotonic() > deadline:
            raise UserError(
                f"{container.name} runs, but it was waited for {what} in vain; see `docker logs {container.name}`, or give a "
                "longer --timeout"
            )
        time.sleep(_POLL_SECONDS)


def remove(engine: Engine, name: str, role: str, *, stop_seconds: int) -> bool:
    """Stop and remove our container of that name, giving it `stop_seconds` to end; return whether there was one."""
    container = find(engine, name, role)
    if container is None:
        return False
    container.stop(timeout=stop_seconds)
    container.remove(v=True)
    return True


def _last_words(container: Any) -> str:
    lines = container.logs(tail=1).decode(errors="replace").split()
    return " ".join(lines)[:300] or "it said nothing"
