"""MongoDB's password: a Docker secret that is made once, and that nothing here ever shows."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from swarm_ext.stack.engine import Engine

PASSWORD_VARIABLE = "SWARM_EXT_MONGO_PASSWORD"  # noqa: S105 - a name
_KEY = "mongo_password"
_RANDOM_BYTES = 24


def is_used(files: Iterable[Path]) -> bool:
    """Return whether one of these stack files speaks of the secret."""
    return any(_KEY in file.read_text(errors="replace") for file in files)


def ensure(engine: Engine, name: str, environment: Mapping[str, str], ask: Callable[[], str] | None) -> str:
    """Make the secret called `name` unless the swarm has it; return, in words, what was done.

    The password comes from the environment, else from `ask` (which may return "" for any password; None where nobody
    is there to be asked), else it is random.
    """
    given = environment.get(PASSWORD_VARIABLE, "")
    if any(secret.name == name for secret in engine.client.secrets.list(filters={"name": name})):
        unused = f"; {PASSWORD_VARIABLE} is not used" if given else ""
        return f"The secret {name} is kept as it is{unused}."
    asked = "" if given or ask is None else ask()
    password = given or asked or secrets.token_urlsafe(_RANDOM_BYTES)
    engine.client.secrets.create(name=name, data=password.encode())
    if given:
        return f"Made the secret {name} from {PASSWORD_VARIABLE}."
    return f"Made the secret {name} {'from your answer' if asked else 'with a random password'}."


def how_to_read(stack: str) -> str:
    """Return the command that prints the password, where MongoDB runs."""
    return f"docker exec $(docker ps -q -f name={stack}_mongo) cat /run/secrets/mongo_password"
