"""A container of ours on one engine: what is asked of the engine, and what a person would type."""

from __future__ import annotations

import re
import shlex

import pytest

from swarm_ext.stack.cadvisor_plan import FLAGS, MEMORY_BYTES, PORT, cadvisor_plan
from swarm_ext.stack.container_plan import ContainerPlan, Publication, memory_bytes, publication
from swarm_ext.stack.templates import STACK_FILE, stack_default, template


@pytest.mark.parametrize(
    ("text", "meant", "shown"),
    [
        ("80", Publication("127.0.0.1", 80), "127.0.0.1:80"),
        ("0.0.0.0:8000", Publication("0.0.0.0", 8000), "0.0.0.0:8000"),
        ("[::1]:80", Publication("::1", 80), "[::1]:80"),
    ],
)
def test_a_port_is_published_on_loopback_unless_an_address_is_given(
    text: str, meant: Publication, shown: str
) -> None:
    assert publication(text) == meant
    assert str(meant) == shown


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "localhost:80", "::1:80", "1.2.3.4:", "80/tcp", "1.2.3:80"]
)
def test_what_is_no_publication_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be PORT or ADDRESS:PORT, as in 127\.0\.0\.1:80"):
        publication(text)


@pytest.mark.parametrize(
    ("published", "remote_host", "host"),
    [
        ("127.0.0.1:80", None, "127.0.0.1"),
        ("0.0.0.0:80", None, "127.0.0.1"),
        ("[::]:80", None, "::1"),
        ("10.0.0.7:80", None, "10.0.0.7"),
        ("127.0.0.1:80", "node7", None),
        ("0.0.0.0:80", "node7", "node7"),
        ("10.0.0.7:80", "node7", "10.0.0.7"),
    ],
)
def test_where_it_is_asked_from_here_depends_on_where_the_engine_is(
    published: str, remote_host: str | None, host: str | None
) -> None:
    assert publication(published).host_from(remote_host) == host


def test_a_url_names_the_port_unless_it_is_https_own() -> None:
    assert publication("80").url("node7") == "http://node7"
    assert publication("70").url("::1") == "http://[::1]:70"


@pytest.mark.parametrize(
    ("text", "number"), [("1048576", 2**20), ("512k", 2**19), ("256M", 2**28), ("1g", 2**30)]
)
def test_memory_is_in_units_of_1024(text: str, number: int) -> None:
    assert memory_bytes(text) == number


@pytest.mark.parametrize("text", ["", "0", "M", "1.5G", "-1", "256MB", "9" * 16])
def test_what_is_no_memory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a whole number of bytes, or one with K, M or G"):
        memory_bytes(text)


PLAN = ContainerPlan(
    role="app", name="box", image="shop:2", published=publication("0.0.0.0:8000"), port=8080,
    command=("--number", "9 7"), cpus=0.25, memory=2**28, mounts=(("/sys", "/sys"),),
)  # fmt: skip


def test_the_command_line_asks_for_what_the_sdk_is_asked_for() -> None:
    words = shlex.split(PLAN.docker_run())
    assert words[:3] == ["docker", "run", "--detach"]
    assert words[-3:] == ["shop:2", "--number", "9 7"]
    given = dict(zip(words[3:-3:2], words[4:-3:2], strict=True))
    asked = PLAN.sdk_arguments()
    assert given == {
        "--name": asked["name"],
        "--label": "swarm-ext.role=app",
        "--publish": "0.0.0.0:8000:8080",
        "--cpus": f"{asked['nano_cpus'] / 1e9:g}",
        "--memory": str(asked["mem_limit"]),
        "--volume": "/sys:/sys:ro",
    }
    assert asked["volumes"] == {"/sys": {"bind": "/sys", "mode": "ro"}}
    assert asked["ports"] == {"8080/tcp": ("0.0.0.0", 8000)}
    assert asked["labels"] == {"swarm-ext.role": "app"}
    assert (asked["image"], asked["command"]) == ("shop:2", ["--number", "9 7"])


def test_what_is_not_given_is_left_to_the_image_and_the_engine() -> None:
    plain = ContainerPlan("app", "box", "shop:2", publication("80"), 8080)
    assert (
        plain.docker_run()
        == "docker run --detach --name box --label swarm-ext.role=app --publish 127.0.0.1:80:8080 shop:2"
    )
    asked = plain.sdk_arguments()
    assert (asked["command"], asked["nano_cpus"], asked["mem_limit"]) == (None, None, None)


def test_cadvisor_alone_is_run_as_in_the_stack() -> None:
    text = template(STACK_FILE).read_text()
    *flags, disabled = re.findall(r"^      - (--\S+)", text, re.MULTILINE)
    assert tuple(flags) == FLAGS
    assert disabled.startswith("--disable_metrics=${CADVISOR_DISABLE_METRICS:-")
    plan = cadvisor_plan(
        "cadvisor", "box", "image", publication("70"), "/data", stack_default("CADVISOR_DISABLE_METRICS")
    )
    mounts = re.findall(r"^      - (?:\$\{DOCKER_ROOT:-\S+\}|(/\S*)):(/\S+):ro$", text, re.MULTILINE)
    assert [target for _, target in plan.mounts] == [target for _, target in mounts]
    assert [source for source, _ in plan.mounts] == [source or "/data" for source, _ in mounts]
    assert f"limits: {{memory: {MEMORY_BYTES // 2**20}M}}" in text
    assert f"{{target: {PORT}, published: 70, mode: host}}" in text
