"""One set of rules for every option, wherever its value comes from."""

from __future__ import annotations

from argparse import Namespace

import pytest
from configargparse import ArgumentParser

from swarm_ext.errors import UserError
from swarm_ext.options import OPTIONS
from swarm_ext.options.registration import add_options
from swarm_ext.settings import Settings, merge_url, settings, shown
from swarm_ext.slo import Slo


def chosen(**values: object) -> Settings:
    return settings(Namespace(**values))


def test_every_option_is_a_setting_and_every_setting_an_option() -> None:
    assert [option.dest for option in OPTIONS] == list(Settings.__struct_fields__)


def test_defaults_are_settings() -> None:
    assert chosen() == settings(None)
    assert chosen().gap_sigma == chosen().mu / 4


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("500MB", 500_000_000),
        ("1.5 GB", 1_500_000_000),
        ("20m", 20_000_000),
        ("30000000", 30_000_000),
        ("1TB", 10**12),
    ],
)
def test_a_size_is_given_as_people_write_it(text: str, size_bytes: int) -> None:
    assert chosen(spool_limit=text).spool_limit == size_bytes


@pytest.mark.parametrize("text", ["1MB", "0", "-1GB", "1PB", "much", "1.2.3GB", "GB"])
def test_a_size_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--spool-limit: .*: give a size of at least 20MB"):
        chosen(spool_limit=text)


def test_where_a_run_is_stored_is_not_kept_with_it() -> None:
    assert not {name for name in shown(chosen()) if name.startswith(("store", "spool"))}


def test_texts_as_a_web_form_sends_them_become_values() -> None:
    form = {
        "lamb": "2.5", "iter": "", "max_in_flight": "7", "closed": "true", "dry_run": "false", "seed": " 4 ",
        "slo": "200ms:99%", "run_tags": "branch=main, try=2", "cadvisor": None,
    }  # fmt: skip
    result = chosen(**form)
    assert (result.lamb, result.iter, result.max_in_flight, result.closed, result.dry_run, result.seed) == (
        2.5, None, 7, True, False, 4,
    )  # fmt: skip
    assert result.slo == Slo(0.2, 0.99)
    assert result.run_tags == {"branch": "main", "try": "2"}


def test_what_argparse_keeps_is_plain_and_parses_to_the_same_again() -> None:
    parser = ArgumentParser()
    add_options(parser)
    texts = [
        "--slo",
        "200ms:99%",
        "--cadvisor",
        "http://a:70,http://b:70",
        "--run-tags",
        "a=b",
        "--lamb",
        "3",
    ]
    parsed = parser.parse_args(texts, config_file_contents="")
    assert all(isinstance(value, (str, int, float, bool, type(None))) for value in vars(parsed).values())
    assert settings(parsed) == chosen(
        slo="200ms:99%", cadvisor="http://a:70,http://b:70", run_tags="a=b", lamb=3
    )


def test_no_credentials_are_kept_with_a_run() -> None:
    kept = shown(chosen(url="http://user:secret@a/x", cadvisor="http://user:secret@b:70"))
    assert "secret" not in str(kept)
    assert "a/x" in kept["url"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"lamb": "0"}, "--lamb: '0' is not above 0"),
        ({"lamb": "1e999"}, "--lamb: '1e999' is not a finite number"),
        (
            {"replay_speed": "1e-300"},
            "--replay-speed: '1e-300' is out of range: give a factor from 1e-9 to 1e9",
        ),
        (
            {"replay_speed": "1e300"},
            "--replay-speed: '1e300' is out of range: give a factor from 1e-9 to 1e9",
        ),
        ({"replay_speed": "0"}, "--replay-speed: '0' is not above 0"),
        ({"iter": "1e3"}, "--iter: '1e3' is not a whole number"),
        ({"autoscale": "maybe"}, "--autoscale 'maybe' is not known"),
        ({"mu": "2", "sigma": "3"}, "--sigma 3 is above --mu 2"),
        (
            {"swarm": "local", "max_replicas": 1, "min_replicas": 2},
            "--max-replicas 1 is below --min-replicas 2",
        ),
        ({"autoscale": "threshold"}, "has no swarm to scale"),
        (
            {"swarm": "local", "autoscale": "threshold", "target": "0.3"},
            "--scale-in-below 0.3 is not below --target",
        ),
        ({"run_tags": "alone"}, "'alone' is not a tag"),
        ({"report": "a{b}.html"}, "only placeholder is {run}"),
    ],
)
def test_a_value_that_cannot_be_is_one_line_with_the_remedy(values: dict[str, object], words: str) -> None:
    with pytest.raises(UserError) as error:
        chosen(**values)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("http://a:8000/check", "http://a:8000", "/check"),
        ("https://a/x/y?z=1", "https://a", "/x/y?z=1"),
        ("http://a", "http://a", "/primecheck"),
        ("http://a/", "http://a", "/primecheck"),
    ],
)
def test_url_sets_host_and_path_at_once(url: str, host: str, path: str) -> None:
    parsed = Namespace(url=url, host=None, path="/primecheck")
    merge_url(parsed)
    assert (parsed.host, parsed.path) == (host, path)


def test_url_and_another_host_contradict_each_other() -> None:
    with pytest.raises(UserError, match="name the host twice"):
        merge_url(Namespace(url="http://a/x", host="http://b", path="/"))


@pytest.mark.parametrize(
    "url",
    ["ftp://u:secret@a", "u:secret@a", "http://u:secret@:80", "http://u:secret/x@a", "http://u:secret@a:b"],
)
def test_a_url_that_is_none_is_told_without_its_password(url: str) -> None:
    with pytest.raises(UserError, match="is not a URL: give http://") as error:
        chosen(url=url)
    assert "secret" not in str(error.value)


def test_two_hosts_are_told_without_their_passwords() -> None:
    with pytest.raises(UserError, match="--url http://a/x and --host http://b") as error:
        merge_url(Namespace(url="http://u:secret@a/x", host="http://u:secret@b", path="/"))
    assert "secret" not in str(error.value)


def test_the_store_is_not_among_what_is_kept_with_a_run() -> None:
    assert "store" not in shown(chosen(store="sqlite:///secret.db"))
