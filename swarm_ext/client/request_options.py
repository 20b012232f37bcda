"""What a request may be asked with: mistakes are told in a line that names the option and the rule."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_KNOWN = "name, headers, params, data, json, auth, timeout, files, stream, allow_redirects, context, catch_response"
_INSTEAD = {
    "verify": "certificates are checked if the user class sets insecure = False",
    "cert": "give the user class an ssl_context_factory",
    "cookies": "put them into the header Cookie, or into self.client.cookiejar",
    "proxies": "give the user class proxy_host and proxy_port",
}
"""Options of other clients, and how it is done here."""


def checked_timeout(timeout: Any) -> float:
    """Return the seconds that a whole request may take; raise ValueError if they are none."""
    if not isinstance(timeout, int | float) or not timeout > 0 or math.isinf(timeout):
        raise ValueError(f"timeout is {timeout!r}: give the seconds that the whole request may take, above 0")
    return timeout


def check_files(files: Any, data: Any, json: Any) -> None:
    """Raise TypeError for what are no files, or for a body that files cannot go with."""
    if not isinstance(files, Mapping | list | tuple):
        raise TypeError(
            f"files is {reprlib.repr(files)}: give a mapping or a list of pairs, of a field's name and a file, "
            "its bytes, or (file name, file)"
        )
    if json is not None or isinstance(data, str | bytes):
        raise TypeError(
            "files go with data as a form, which is a mapping or a list of pairs: not with json, str or bytes"
        )


def unknown_option(names: Iterable[str]) -> TypeError:
    """Return the mistake of a request with an option that there is not: to pass over it would be to do something else."""
    name = min(names)
    instead = f" ({_INSTEAD[name]})" if name in _INSTEAD else ""
    return TypeError(f"a request has no option {name!r}{instead}: there are {_KNOWN}")
