"""Who may take part, by what a worker says it is: another version may say it in another way."""

from __future__ import annotations

import msgspec
import pytest

from swarm_ext.distributed.wire import Hello, encode, read_hello, refusal

MASTER = Hello(version="0.2.0", locustfile="abc", machine="here/1")


def test_a_hello_is_read_as_it_was_sent() -> None:
    assert read_hello(encode(MASTER)) == MASTER
    assert refusal(MASTER, read_hello(encode(MASTER)), same_machine=True) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"version": "0.1.0"},
        {"version": "0.1.0", "locustfile": "abc"},
        {"version": "0.1.0", "locustfile": "abc", "machine": "here/1", "python": "3.20"},
        {"version": "0.1.0", "locustfile": ["abc", "def"], "machine": 1},
    ],
)
def test_another_versions_hello_is_refused_by_its_version_whatever_else_it_says(
    fields: dict[str, object],
) -> None:
    reason = refusal(MASTER, read_hello(msgspec.msgpack.encode(fields)), same_machine=False)
    assert reason == "this worker has swarm-ext 0.1.0, its master 0.2.0: install the same on both"


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", msgspec.msgpack.encode({"build": 7}), {"version": "0.1.0"}, None]
)
def test_a_hello_that_cannot_be_read_is_refused_as_another_version(data: object) -> None:
    reason = refusal(MASTER, read_hello(data), same_machine=False)
    assert (
        reason == "this worker has another version of swarm-ext, its master 0.2.0: install the same on both"
    )
