"""Begins a project of somebody's own: copies of our locustfiles and stack files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.errors import UserError
from swarm_ext.stack.templates import project_files

if TYPE_CHECKING:
    from pathlib import Path


def begin_project(folder: Path, *, overwrite: bool) -> list[Path]:
    """Write the files into `folder`, which is made if it is not there; return their paths.

    Raise UserError, and write nothing, where a file is there already and `overwrite` is false, or where `folder`
    cannot be written to.
    """
    files = {folder / name: source for name, source in project_files().items()}
    there = [path for path in files if path.exists()]
    if there and not overwrite:
        others = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise UserError(f"{there[0]} is there already{others}: give another folder, or --force to overwrite")
    try:
        for path, source in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read_bytes())
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be written ({error.strerror}): give another folder"
        ) from None
    return list(files)
