"""`swarm-ext init`, as a person uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm_ext.cli import main

ROOT = Path(__file__).resolve().parents[1]


def output(capsys: pytest.CaptureFixture[str], *arguments: str, exit_code: int = 0) -> str:
    with pytest.raises(SystemExit) as exit_:
        main(["init", *arguments])
    captured = capsys.readouterr()
    assert exit_.value.code == exit_code, captured.err
    return captured.out if exit_code == 0 else captured.err


def test_a_project_has_the_locustfiles_and_the_stack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = output(capsys, str(tmp_path / "shop"))
    written = {
        str(path.relative_to(tmp_path / "shop")) for path in (tmp_path / "shop").rglob("*") if path.is_file()
    }
    assert "locustfiles/poisson.py" in written
    assert "stack.yml" in written
    assert all((tmp_path / "shop" / name).read_bytes() == (ROOT / name).read_bytes() for name in written)
    assert f"Wrote {tmp_path}/shop/stack.yml" in said
    assert said.splitlines()[-3:] == [
        f"  cd {tmp_path}/shop",
        "  locust -f locustfiles/poisson.py --swarm local",
        "  swarm-ext stack deploy --init-swarm -c stack.yml",
    ]


def test_nothing_is_overwritten_and_nothing_written_where_a_file_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stack.yml").write_text("mine")
    said = output(capsys, str(tmp_path), exit_code=2)
    assert (
        said
        == f"swarm-ext: {tmp_path}/stack.yml is there already: give another folder, or --force to overwrite\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["stack.yml"]
    assert (tmp_path / "stack.yml").read_text() == "mine"


def test_force_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stack.yml").write_text("mine")
    output(capsys, str(tmp_path), "--force")
    assert (tmp_path / "stack.yml").read_bytes() == (ROOT / "stack.yml").read_bytes()


def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    said = output(capsys, str(tmp_path / "file" / "shop"), exit_code=2)
    assert said.count("\n") == 1
    assert "cannot be written (Not a directory): give another folder" in said


def test_the_project_begun_here_needs_no_cd(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "  cd " not in output(capsys, ".")
