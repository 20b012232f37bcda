"""MongoDB's documents are for people, too; and what of a database, a URI or an error of the driver's is refused or hidden."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest
from pymongo import MongoClient

from swarm_ext.errors import UserError
from swarm_ext.model import RECORD_TYPES, ContainerSample
from swarm_ext.store import StoreError, UnstorableRecordError, open_store
from swarm_ext.store.mongo import MongoStore, open_mongo
from swarm_ext.store.mongo_client import MongoAddress
from swarm_ext.store.mongo_documents import COLLECTIONS, SCHEMA_VERSION
from tests.integration.bench import ROOT
from tests.sample_records import RUN_ID, a_container_sample, a_full_run, a_run, one_record_of_every_kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pymongo.database import Database

    from tests.integration.bed.mongo_server import MongoServer


@pytest.fixture
def uri(shared_mongo: MongoServer) -> str:
    return shared_mongo.uri(f"t{uuid4().hex}")


@pytest.fixture
def store(uri: str) -> Iterator[MongoStore]:
    with closing(open_mongo(uri, must_exist=False)) as store:
        yield store


@pytest.fixture
def database(uri: str) -> Iterator[Database[dict[str, Any]]]:
    """What a researcher sees who connects with the driver."""
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        yield client.get_default_database()


def refusal(uri: str, *, must_exist: bool = False) -> str:
    """The one line that a person reads."""
    with pytest.raises(UserError) as error:
        open_store(uri, must_exist=must_exist).close()
    text = str(error.value)
    assert "\n" not in text
    return text


# Documents


def test_fields_have_the_names_of_the_records_and_values_that_the_shell_understands(
    store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    store.put_run(a_run())
    store.write(one_record_of_every_kind())
    for kind in RECORD_TYPES:
        document = database[COLLECTIONS[kind].name].find_one()
        assert document is not None
        names = [name for name in document if not name.endswith("_microseconds")]
        assert names == ["_id", *kind.__struct_fields__]
    sample = database.container_samples.find_one({"cpu_usage_cores": {"$gt": 0.2}})
    assert sample is not None
    assert sample["_id"] == a_container_sample().key
    assert sample["timestamp"] == datetime(2026, 11, 22, 1, 47, 5, 123000, tzinfo=UTC)
    assert sample["timestamp_microseconds"] == 456
    load = database.load_samples.find_one()
    assert load is not None
    assert load["response_times"] == {"0": 1, "1250": 17}
    assert load["replica_requests"] == [{"name": "c0ffee", "value": 18}, {"name": "∅", "value": 1}]
    assert load["response_time_p99_seconds"] == "Infinity"
    service = database.service_samples.find_one({"tasks.state": "running"})
    assert service is not None
    assert service["tasks"][0]["since"].year == 2026


def test_a_run_can_be_found_by_what_people_ask_for(
    store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    store.put_run(a_full_run())
    run = database.runs.find_one({"tags.name": "ticket", "tags.value": "∑ 42"})
    assert run is not None
    assert (run["_id"], run["exit_status"], run["offered"], run["arrival_process"]) == (
        RUN_ID,
        "finished",
        500,
        "Poisson(rate=20.0)",
    )
    assert (run["end"] - run["start"]).total_seconds() == 90
    assert {"name": "lamb", "value": 20.0} in run["options"]
    assert {"name": "nested", "value": '{"ü":1}'} in run["options"]


def test_names_from_elsewhere_may_be_operators_of_the_databases(store: MongoStore) -> None:
    run = msgspec.structs.replace(
        a_run(), tags={"$set": "a.b", "x.y": "$1", "": ""}, options={"$inc": {"a.b": 1}}
    )
    store.put_run(run)
    (load,) = [record for record in one_record_of_every_kind() if type(record).__name__ == "LoadSample"]
    load = msgspec.structs.replace(load, replica_requests={"$where": 1, "a.b": 2, "": 3})
    store.write([load])
    assert store.run(RUN_ID) == run
    assert list(store.read(RUN_ID, type(load))) == [load]


def test_whoever_changes_a_document_also_changes_the_schema_version(store: MongoStore) -> None:
    shapes = {name: sorted(COLLECTIONS[kind].document(record)) for kind, record in zip(RECORD_TYPES, one_record_of_every_kind(), strict=True) for name in [COLLECTIONS[kind].name]}  # fmt: skip
    found = sum(len(fields) for fields in shapes.values())
    assert (SCHEMA_VERSION, found) == (1, 75), (
        "the documents changed: raise SCHEMA_VERSION, and put the new number here"
    )


def test_indexes_are_made_once(store: MongoStore, uri: str, database: Database[dict[str, Any]]) -> None:
    open_store(uri).close()
    for collection in COLLECTIONS.values():
        assert set(database[collection.name].index_information()) == {"_id_", "by_time"}
    assert set(database.runs.index_information()) == {"_id_", "by_start"}


# Databases


def test_a_database_of_another_application_is_refused_and_left_alone(
    uri: str, database: Database[dict[str, Any]]
) -> None:
    database.runs.insert_one({"_id": 1, "distance_km": 10})
    assert "belongs to another application (it has runs); choose another database" in refusal(uri)
    assert database.list_collection_names() == ["runs"]


def test_a_database_that_a_newer_version_wrote_is_refused(
    store: MongoStore, uri: str, database: Database[dict[str, Any]]
) -> None:
    database.swarm_ext.update_one({"_id": "schema"}, {"$set": {"version": SCHEMA_VERSION + 1}})
    assert "a newer swarm-ext wrote this" in refusal(uri)


def test_a_database_that_must_exist_is_not_made(uri: str, database: Database[dict[str, Any]]) -> None:
    assert "there are no runs in the database" in refusal(uri, must_exist=True)
    assert database.list_collection_names() == []


def test_a_document_that_somebody_broke_is_one_line(
    store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    store.put_run(a_run())
    store.write([a_container_sample()])
    database.container_samples.update_one({}, {"$set": {"node": 5}})
    with pytest.raises(StoreError, match=f"could not be read: {RUN_ID}:c0ffee:.* Expected `str`"):
        list(store.read(RUN_ID, ContainerSample))
    database.runs.update_one({}, {"$set": {"run": "{}"}})
    with pytest.raises(StoreError, match="could not be read: Object missing required field"):
        store.runs()


def test_only_a_duplicate_of_the_key_itself_counts_as_stored(
    store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    """Somebody's own unique index keeps other records out: that is told, and not taken for success."""
    store.put_run(a_run())
    database.container_samples.create_index("node", unique=True)
    store.write([a_container_sample(0)])
    store.write([a_container_sample(0)])
    assert store.counts(RUN_ID)["ContainerSample"] == 1


def test_a_server_that_is_not_there_is_one_short_line(mongo: MongoServer) -> None:
    text = refusal(mongo.uri())
    assert text == (
        f"{mongo.uri()} could not be opened: 127.0.0.1:{mongo.port}: Connection refused;"
        " start the server, or correct the URI"
    )


def test_a_server_that_goes_away_is_one_short_line(mongo: MongoServer) -> None:
    mongo.start()
    with closing(open_store(f"{mongo.uri()}?serverSelectionTimeoutMS=200")) as store:
        store.put_run(a_run())
        mongo.kill()
        for ask, word in ((lambda: store.put_run(a_run()), "written"), (store.runs, "read")):
            with pytest.raises(StoreError, match=f"could not be {word}: ") as error:
                ask()
            assert len(str(error.value)) < 200
            assert "\n" not in str(error.value)


# URIs and credentials


def test_a_uri_without_a_database_means_ours() -> None:
    address = MongoAddress.parse("mongodb://db", {})
    assert (address.database, address.target) == ("swarm_ext", "mongodb://db:27017/swarm_ext")


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("mongodb://me:secret@DB/runs?w=1", "mongodb://db:27017/runs"),
        ("mongodb://b:2,a:1/runs", "mongodb://a:1,b:2/runs"),
        ("mongodb://a:1,b:2/runs?replicaSet=x", "mongodb://a:1,b:2/runs"),
        ("mongodb+srv://me:secret@cluster.example/runs", "mongodb+srv://cluster.example:27017/runs"),
        ("MongoDB://[::1]:27018/runs", "mongodb://::1:27018/runs"),
    ],
)
def test_one_database_has_one_name_without_credentials(uri: str, target: str) -> None:
    address = MongoAddress.parse(uri, {})
    assert address.target == target
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    ("uri", "rule"),
    [
        ("mongodb://", "is not a MongoDB URI"),
        ("mongodb:///runs", "is not a MongoDB URI"),
        ("mongodb://db:99999/runs", "Port must be an integer between"),
        ("mongodb://me:se@cret@db/runs", "with : / ? # @ % in the password as %3A %2F"),
        ("mongodb://me:se/cret@db/runs", "is not a MongoDB URI"),
        ("mongodb://db/ru.ns", "is not a MongoDB URI (a database's name has no dots)"),
        ("mongodb://db/runs?serverSelectionTimeoutMS=soon", "is not a MongoDB URI"),
        ("mongodb://me:/secret@db/runs", "is not a MongoDB URI"),
        (
            "mongodb://me:secret@db/runs?tls=true&tlsCAFile=/nowhere.pem",
            "cannot be used: /nowhere.pem: No such file",
        ),
        ("mongodb://me:secret@db/runs?tls=true&tlsCAFile=/etc/passwd", "cannot be used: "),
    ],
)
def test_a_uri_that_cannot_be_is_refused_without_its_secret(uri: str, rule: str) -> None:
    text = refusal(uri)
    assert rule in text
    assert "cret" not in text


def test_credentials_come_from_the_environment_where_the_uri_has_none(tmp_path: Path) -> None:
    name, password = {"SWARM_EXT_MONGO_USERNAME": "me"}, {"SWARM_EXT_MONGO_PASSWORD": "secret"}
    (tmp_path / "file").write_text("from a file\n")
    file = {"SWARM_EXT_MONGO_PASSWORD_FILE": str(tmp_path / "file")}
    parse = MongoAddress.parse
    assert parse("mongodb://db", name | password).credentials == {"username": "me", "password": "secret"}
    assert parse("mongodb://db", name | password | file).credentials == {
        "username": "me",
        "password": "from a file",
    }
    assert parse("mongodb://you:other@db", name | password).credentials == {}
    assert parse("mongodb://db", password).credentials == {}
    with pytest.raises(UserError, match="is set without a password; set SWARM_EXT_MONGO_PASSWORD or"):
        parse("mongodb://db", name)
    with pytest.raises(UserError, match="cannot be read: No such file or directory; name the file"):
        parse("mongodb://db", name | {"SWARM_EXT_MONGO_PASSWORD_FILE": str(tmp_path / "missing")})


def test_time_limits_are_ours_unless_the_uri_has_its_own() -> None:
    waits = MongoAddress.parse("mongodb://db/?serverselectiontimeoutms=123", {}).for_shipping().waits
    assert "serverSelectionTimeoutMS" not in waits
    assert waits["socketTimeoutMS"] == 30_000


def test_wrong_credentials_are_a_mistake_told_in_one_line(
    shared_mongo: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "the server refuses the credentials" in refusal(shared_mongo.uri().replace("//", "//me:s%40cret@"))
    monkeypatch.setenv("SWARM_EXT_MONGO_USERNAME", "me")
    monkeypatch.setenv("SWARM_EXT_MONGO_PASSWORD", "s@cret")
    text = refusal(shared_mongo.uri())
    assert "?authSource=admin" in text
    assert "cret" not in text


def test_without_the_driver_it_says_what_to_install_and_sqlite_needs_none_of_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pymongo'] = None; sys.modules['bson'] = None\n"
        "import importlib.util as u; plain = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'pymongo' else plain(name, *a)\n"
        "from swarm_ext.store import open_store, open_run_store\n"
        "from swarm_ext.errors import UserError\n"
        "for open_it in open_store, open_run_store:\n"
        "    try: open_it('mongodb://db')\n"
        "    except UserError as error: print(error)\n"
        "open_store('sqlite:///runs.db').close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    assert (
        done.stdout.splitlines()
        == ["mongodb://db: MongoDB needs pymongo: pip install 'swarm-ext[mongo]'"] * 2
    ), done.stderr


def test_a_refused_record_keeps_no_other_out_for_long(store: MongoStore) -> None:
    """The writer halves a batch that is refused until the one that is to blame stands alone."""
    store.put_run(a_run())
    with pytest.raises(UnstorableRecordError):
        store.write(
            [a_container_sample(0), msgspec.structs.replace(a_container_sample(1), memory_limit_bytes=2**64)]
        )
    store.write([a_container_sample(0)])
    assert store.counts(RUN_ID)["ContainerSample"] == 1
