"""What is refused when a store with a spool is opened, and what is not there yet when it is read."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from swarm_ext.errors import UserError
from swarm_ext.store import StoreError
from tests.sample_records import a_run
from tests.spool_shipping.shipping import opened

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bed.mongo_server import MongoServer


def test_a_required_server_that_is_down_is_refused_in_one_line(mongo: MongoServer, file: str) -> None:
    with pytest.raises(
        UserError, match="Connection refused; start it, or leave out --store-required"
    ) as error:
        opened(mongo.uri(), file, required=True)
    assert "\n" not in str(error.value)


def test_credentials_that_the_server_refuses_are_a_mistake_even_if_it_need_not_be_there(
    mongo: MongoServer, file: str
) -> None:
    mongo.start()
    uri = mongo.uri().replace("://", "://me:s%40cret@")
    with pytest.raises(UserError, match="the server refuses the credentials") as error:
        opened(uri, file)
    assert "cret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_spool_that_cannot_be_is_a_mistake(mongo: MongoServer, tmp_path: Path) -> None:
    mongo.start()
    with pytest.raises(UserError, match="there is no directory"):
        opened(mongo.uri(), str(tmp_path / "missing" / "spool.db"))


def test_reading_while_the_server_is_away_is_one_line(
    mongo: MongoServer, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_ext.store.spool_store.READ_SECONDS", 0.1)
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        with pytest.raises(StoreError, match=r"does not have yet what was written: .*Connection refused"):
            store.runs()
