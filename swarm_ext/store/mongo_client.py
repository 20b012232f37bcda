"""Reaching a MongoDB server: its URI, its credentials, its time limits, and its driver's errors in one line.

Credentials come from the URI, or from SWARM_EXT_MONGO_USERNAME and SWARM_EXT_MONGO_PASSWORD, or with the password in the file
that SWARM_EXT_MONGO_PASSWORD_FILE names (a Docker secret). They are in no message, log, or stored value.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from datetime import UTC
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarm_ext.errors import UserError
from swarm_ext.store import masked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymongo import MongoClient
    from pymongo.errors import PyMongoError
    from pymongo.monitoring import ConnectionPoolListener

DEFAULT_DATABASE = "swarm_ext"
DEFAULT_PORT = 27017
USERNAME, PASSWORD, PASSWORD_FILE = (
    f"SWARM_EXT_MONGO_{name}" for name in ("USERNAME", "PASSWORD", "PASSWORD_FILE")
)

WAIT_MILLISECONDS: Mapping[str, int] = {
    "serverSelectionTimeoutMS": 4_000,
    "connectTimeoutMS": 4_000,
    "socketTimeoutMS": 60_000,
    "wTimeoutMS": 20_000,
}
"""How long to wait for a server to be found, to accept, to answer, and to replicate, unless the URI says otherwise."""

SHIPPING_WAIT_MILLISECONDS: Mapping[str, int] = {
    "serverSelectionTimeoutMS": 2_000,
    "connectTimeoutMS": 2_000,
    "socketTimeoutMS": 30_000,
}
"""What tries again by itself waits for less, so that it can end soon."""

AUTHENTICATION_CODES = frozenset({18, 8000})
UNAUTHORIZED_CODE = 13


@dataclass(frozen=True)
class MongoAddress:
    """What a MongoDB URI names. `uri` has the credentials; `shown` is fit for people, `target` tells databases apart.

    `target` has neither names nor passwords: hosts, ports, database, the same however the URI is written.
    """

    uri: str = field(repr=False)
    shown: str
    target: str
    database: str
    credentials: Mapping[str, str] = field(repr=False)
    waits: Mapping[str, int]

    @classmethod
    def parse(cls, uri: str, environment: Mapping[str, str] = os.environ) -> MongoAddress:
        """Read a URI and what the environment adds to it; raise UserError. Nothing is connected to."""
        if find_spec("pymongo") is None:
            raise UserError(f"{masked(uri)}: MongoDB needs pymongo: pip install 'swarm-ext[mongo]'")
        from pymongo.errors import PyMongoError  # noqa: PLC0415  # an extra
        from pymongo.uri_parser import parse_uri  # noqa: PLC0415

        scheme, _, rest = uri.partition("://")
        scheme, uri = scheme.lower(), f"{scheme.lower()}://{rest}"
        try:
            # the names behind an SRV record are the driver's business, and may be asked for again and again
            parsed = parse_uri(f"mongodb://{rest}", DEFAULT_PORT, validate=True, warn=False)
        except OSError as error:  # of a file of certificates
            raise UserError(
                f"{masked(uri)} cannot be used: {error.filename}: {error.strerror}; correct the URI"
            ) from None
        except (PyMongoError, ValueError) as error:
            # it would quote what it takes for a host, and that may be half a password
            raise UserError(_malformed(uri, "" if "@" in uri else f" ({error})")) from None
        if parsed["collection"]:
            raise UserError(_malformed(uri, " (a database's name has no dots)"))
        database = parsed["database"] or DEFAULT_DATABASE
        hosts = ",".join(sorted({f"{host}:{port}".lower() for host, port in parsed["nodelist"]}))
        given = {name.lower() for name in parsed["options"]}
        return cls(
            uri=uri,
            shown=masked(uri),
            target=f"{scheme}://{hosts}/{database}",
            database=database,
            credentials=_credentials(uri, parsed["username"], environment),
            waits={name: wait for name, wait in WAIT_MILLISECONDS.items() if name.lower() not in given},
        )

    def for_shipping(self) -> MongoAddress:
        """Return the same address, whose clients wait for less."""
        waits = {name: SHIPPING_WAIT_MILLISECONDS.get(name, wait) for name, wait in self.waits.items()}
        return replace(self, waits=waits)

    def client(
        self, *, listeners: Sequence[ConnectionPoolListener] = (), connections: int | None = None
    ) -> MongoClient[dict[str, Any]]:
        """Return a client of the driver's, which connects when it is first asked; raise PyMongoError.

        It keeps to one thread in processes that gevent has patched: its helpers live on that thread's event loop.
        """
        from pymongo import MongoClient  # noqa: PLC0415  # an extra

        settings: dict[str, Any] = {**self.credentials, **self.waits, "appname": "swarm-ext"}
        if connections is not None:
            settings["maxPoolSize"] = connections
        return MongoClient(self.uri, tz_aware=True, tzinfo=UTC, event_listeners=list(listeners), **settings)

    def explain(self, error: PyMongoError) -> str:
        """Return a driver's error as part of one line: what matters of it, without secrets."""
        secrets = secrets_of(self.uri) + [value for value in self.credentials.values() if value]
        return without(_short(error), secrets)


def _malformed(uri: str, why: str) -> str:
    return (
        f"{masked(uri)} is not a MongoDB URI{why}; write mongodb://user:password@host:port/database,"
        " with : / ? # @ % in the password as %3A %2F %3F %23 %40 %25"
    )


def _credentials(uri: str, in_uri: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    name = environment.get(USERNAME)
    if in_uri is not None or name is None:
        return {}
    file = environment.get(PASSWORD_FILE)
    if file is None:
        if PASSWORD not in environment:
            raise UserError(
                f"{masked(uri)}: {USERNAME} is set without a password; set {PASSWORD} or {PASSWORD_FILE}"
            )
        return {"username": name, "password": environment[PASSWORD]}
    try:
        password = Path(file).read_text().removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise UserError(
            f"{PASSWORD_FILE}={file} cannot be read: {reason}; name the file that has the password"
        ) from None
    return {"username": name, "password": password}


def secrets_of(uri: str) -> list[str]:
    """Return what of a URI must not be shown."""
    found = re.match(r"[^:/]*:/+[^:/]*:(.*)@", uri, re.DOTALL)
    return [found[1]] if found and found[1] else []


def without(text: str, secrets: Sequence[str]) -> str:
    """Return a text with each secret replaced, and as one line."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return " ".join(text.split())


def _short(error: PyMongoError) -> str:
    """Cut off what the driver adds to an error: its time limits, what it knows of every server, the whole reply."""
    text = str(error)
    for mark in (" (configured timeouts", ", Timeout: ", ", full error: ", ", Topology Description: "):
        text = text.partition(mark)[0]
    return re.sub(r"\[Errno -?\d+\] ", "", text).rstrip(".")


def refuses_credentials(error: PyMongoError) -> bool:
    """Return whether the server answered that it does not know who is asking, or does not let them in."""
    code = getattr(error, "code", None)
    return code in AUTHENTICATION_CODES or code == UNAUTHORIZED_CODE
