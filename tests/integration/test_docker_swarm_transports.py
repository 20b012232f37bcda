"""The ways to a manager: ssh, TLS, a `docker context`; and what is said where one does not work."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from swarm_ext.swarm import SwarmError
from swarm_ext.swarm.docker_swarm import open_docker_swarm
from tests.integration.bed.prerequisites import skip_or_fail
from tests.integration.bed.shell import run
from tests.integration.bed.swarm import until
from tests.integration.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.bed.swarm import Bed


def _names() -> list[str]:
    with closing(open_docker_swarm()) as swarm:
        return [node.name for node in swarm.nodes()]


def _refusal() -> str:
    with pytest.raises(SwarmError) as refused:
        open_docker_swarm()
    assert "\n" not in str(refused.value)
    return str(refused.value)


# ssh


class _Sshd:
    """A server that lets one key in, to where DOCKER_HOST is the bed's manager. Its files are in `folder`."""

    def __init__(self, bed: Bed, folder: Path) -> None:
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            skip_or_fail("apt-get install openssh-server")
        assert program is not None
        self.folder = folder
        self.port = free_port()
        for key in ("host", "user"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
        config = folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {folder}/user.pub\nStrictModes no\nPermitRootLogin prohibit-password\n"
            f"SetEnv DOCKER_HOST={bed.manager.docker_host}\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)  # where the server separates its privileges
        self.process = subprocess.Popen(
            [program, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers, "the ssh server answers")

    @property
    def known_host(self) -> str:
        return f"[127.0.0.1]:{self.port} {(self.folder / 'host.pub').read_text()}"

    def _answers(self) -> bool:
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection,
        ):
            return connection.recv(8) == b"SSH-2.0-"
        return False

    def cut_connections(self) -> None:
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has ended because of the one before it
                child.kill()

    def end(self) -> None:
        self.cut_connections()
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def sshd(bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Sshd]:
    """The server, and a home that has its key and knows it."""
    server = _Sshd(bed, tmp_path)
    try:
        home = tmp_path / "home/.ssh"
        home.mkdir(parents=True)
        (home / "known_hosts").write_text(server.known_host)
        shutil.copy(tmp_path / "user", home / "id_ed25519")
        monkeypatch.setenv("HOME", str(home.parent))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        monkeypatch.setenv("DOCKER_HOST", f"ssh://root@127.0.0.1:{server.port}")
        yield server
    finally:
        server.end()


def test_a_manager_is_reached_through_ssh_again_after_the_connection_broke(sshd: _Sshd) -> None:
    with closing(open_docker_swarm()) as swarm:
        assert [node.name for node in swarm.nodes()] == ["node1", "node2", "node3"]
        sshd.cut_connections()
        with pytest.raises(SwarmError, match="the connection was closed without an answer"):
            swarm.nodes()
        assert [node.name for node in swarm.nodes()] == ["node1", "node2", "node3"]


def test_why_ssh_does_not_work_is_told_in_one_line(sshd: _Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    home = sshd.folder / "home/.ssh"
    (home / "id_ed25519").unlink()
    assert "ssh refused the log-in" in _refusal()
    (home / "known_hosts").unlink()
    assert "ssh does not know the host's key; accept it by connecting with `ssh` once" in _refusal()
    monkeypatch.setenv("DOCKER_HOST", f"ssh://root@127.0.0.1:{free_port()}")
    assert "connection refused" in _refusal()


# TLS


def _certificates(folder: Path, address: str) -> None:
    """A root, and a key pair each for the engine (`server`) and for its client (`key.pem`, as Docker calls it)."""

    def openssl(*words: str) -> None:
        run("openssl", *words, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    openssl("req", "-x509", *key, "-subj", "/CN=root", "-keyout", "root.key", "-out", "ca.pem")
    signed = ("-CA", "ca.pem", "-CAkey", "root.key", "-x509")
    server = ("-subj", "/CN=engine", "-addext", f"subjectAltName=IP:{address}")
    openssl("req", *key, *signed, *server, "-keyout", "server.key", "-out", "server.pem")
    openssl("req", *key, *signed, "-subj", "/CN=client", "-keyout", "key.pem", "-out", "cert.pem")


_TLS_ENGINE = """
mount -t tmpfs tmpfs /run
exec dockerd -H "tcp://$1:2376" --tlsverify --tlscacert "$2/ca.pem" --tlscert "$2/server.pem" --tlskey "$2/server.key" \
  --data-root "$2/data" --exec-root /run/docker --pidfile "$2/pid" --bridge=none --iptables=false
"""


@contextmanager
def _tls_engine(bed: Bed, folder: Path) -> Iterator[str]:
    """An engine that manages a swarm of itself and wants a client's certificate; yields its DOCKER_HOST."""
    host = bed.load_host("tls")
    _certificates(folder, host.address)
    own = (
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-c",
        _TLS_ENGINE,
        "sh",
    )
    address = f"tcp://{host.address}:2376"
    pems = [
        f"--tls{name}={folder}/{file}.pem"
        for name, file in (("cacert", "ca"), ("cert", "cert"), ("key", "key"))
    ]
    with (folder / "log").open("wb") as log:
        process = host.start(
            *own, host.address, str(folder), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        client = ("docker", "--tlsverify", *pems, "-H", address)
        until(lambda: run(*client, "version"), "the engine answers")
        run(*client, "swarm", "init", "--advertise-addr", host.address)
        yield address
    finally:
        process.kill()
        process.wait(20)


def test_a_manager_behind_tls_is_reached_with_the_right_certificates_only(
    bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _tls_engine(bed, tmp_path) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        assert _refusal().endswith(
            "wants TLS; set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of its certificates"
        )
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "nowhere"))
        assert "but there are no ca.pem, cert.pem and key.pem" in _refusal()
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
        assert len(_names()) == 1
        strangers = tmp_path / "strangers"
        strangers.mkdir()
        _certificates(strangers, "127.0.0.1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(strangers))
        assert "TLS failed (" in _refusal()


# docker context


def test_without_docker_host_the_current_docker_context_leads_to_the_manager(
    bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    run("docker", "context", "create", "bed", "--docker", f"host={bed.manager.docker_host}")
    run("docker", "context", "use", "bed")
    assert _names() == ["node1", "node2", "node3"]
