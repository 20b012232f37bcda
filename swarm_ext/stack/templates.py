"""The project's own deployment and locustfiles, wherever this package is installed.

A wheel carries copies beside this package; in a working copy they are the originals at its root.
"""

from __future__ import annotations

import re
from pathlib import Path

STACK_FILE = "stack.yml"
MONGO_PORT_FILE = "stack.mongo-port.yml"

_PACKAGE = Path(__file__).resolve().parents[1]
_IN_WHEEL = _PACKAGE / "templates"


def template(name: str) -> Path:
    """Return where the file or folder called `name` is."""
    return (_IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent) / name


def project_files() -> dict[str, Path]:
    """Return what a project of one's own begins with: each file's path in the project, and where it is copied from."""
    locustfiles = sorted(template("locustfiles").glob("*.py"))
    stack_files = (template(name) for name in (STACK_FILE, MONGO_PORT_FILE))
    return {
        **{f"locustfiles/{path.name}": path for path in locustfiles},
        **{path.name: path for path in stack_files},
    }


def stack_default(variable: str) -> str:
    """Return what stack.yml says when `variable` is not set."""
    found = re.search(rf"\$\{{{variable}:-([^}}]*)\}}", template(STACK_FILE).read_text())
    if found is None:
        raise KeyError(variable)
    return found[1]
