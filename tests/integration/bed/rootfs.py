"""File systems for container images, put together from this machine's own programs: there is no registry to pull from."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.bed.shell import run

if TYPE_CHECKING:
    from collections.abc import Iterable

_LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "idlelib", "site-packages", "dist-packages", "tkinter", "turtledemo", "ensurepip", "lib2to3",
    "config-3*", "__pycache__", "pydoc_data", "*.a",
)  # fmt: skip
_USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
_GROUPS = "root:x:0:\nnogroup:x:65534:\n"


class RootFs:
    """A folder that becomes an image's file system; begins with a shell (busybox) and the usual folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "etc", "proc", "sys", "dev", "root", "run", "var/run"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "tmp").mkdir(exist_ok=True)
        (folder / "tmp").chmod(0o1777)
        (folder / "etc/passwd").write_text(_USERS)
        (folder / "etc/group").write_text(_GROUPS)
        shutil.copy2(_which("busybox"), folder / "bin/busybox")
        for applet in ("sh", "cat", "ls", "sleep", "wget", "httpd", "nc", "env", "true", "false", "kill", "ps", "mkdir", "ln", "id"):  # fmt: skip
            (folder / "bin" / applet).symlink_to("busybox")

    def add_program(self, program: Path, name: str | None = None) -> None:
        """Add a program, as /usr/bin/NAME, and the libraries that it is linked with."""
        self.add_file(program, f"usr/bin/{name or program.name}")
        self._add_libraries([program])

    def add_file(self, source: Path, path: str) -> None:
        """Add a copy of a file at `path`."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source.resolve(), target)

    def add_text(self, path: str, text: str) -> None:
        """Add a file of this text at `path`."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def add_python(self) -> None:
        """Add this interpreter and its standard library, where it finds them, and `python3` in the path."""
        base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        standard = Path(
            sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix})
        )
        shutil.copytree(standard, self.folder / standard.relative_to("/"), ignore=_LEFT_OUT)
        self.add_file(base, str(base.relative_to("/")))
        (self.folder / "usr/bin").mkdir(parents=True, exist_ok=True)
        for name in ("python3", "python"):
            (self.folder / "usr/bin" / name).symlink_to(base)
        self._add_libraries([base, *standard.glob("lib-dynload/*.so")])
        for path in (self.folder / base.relative_to("/")).parents:
            if path.is_relative_to(self.folder):
                path.chmod(0o755)  # the interpreter may be below /root, and the image's user is not root

    def _add_libraries(self, programs: Iterable[Path]) -> None:
        for library in sorted({found for program in programs for found in _libraries(program)}):
            target = self.folder / library.relative_to("/")
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(library.resolve(), target)

    def tar(self, target: Path) -> None:
        """Write the file system as a tar file."""
        run("tar", "-C", self.folder, "--owner=0", "--group=0", "-cf", target, ".", timeout=120)


def _libraries(program: Path) -> list[Path]:
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    if said.returncode:
        return []  # a static program
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", said.stdout)]


def _which(program: str) -> Path:
    return Path(run("sh", "-c", f"command -v {program}").strip())
