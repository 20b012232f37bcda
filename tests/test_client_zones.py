"""Addresses of one link: `http://[fe80::1%25eth0]/`, for real in a network of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from swarm_ext.client.request import target

VISIT = """
import re, subprocess
from gevent import monkey; monkey.patch_all()
from tests.client_visit import visit
from tests.hostile_server import HostileServer, answers, ok
shown = subprocess.run(["ip", "-6", "addr", "show", "dev", "link0"], capture_output=True, text=True, check=True)
address = re.search("fe80[0-9a-f:]+", shown.stdout).group()
with HostileServer(answers(ok()), host="::") as server:
    place = f"[{address}%25link0]:{server.port}"
    with visit(f"http://{place}/api") as (client, reports):
        for stream in (False, True):
            print(client.get("/x", params={"q": 1}, stream=stream).content, reports.last["exception"])
            print(reports.last["url"].partition("?")[0] == f"http://{place}/api/x")
    for request in server.requests:
        print(f"Host: [{address}]:{server.port}" in request.decode().splitlines(), request.split()[1])
    with visit(f"http://[{address}%25nowhere]:{server.port}") as (client, reports):
        client.get("/")
        print(reports.failure.replace(address, "ADDRESS"))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a network with a link of its own is made by root")
def test_an_address_of_one_link_is_reached_and_its_zone_is_told_to_nobody() -> None:
    link = (
        "ip link add link0 type veth peer name link1 && echo 0 > /proc/sys/net/ipv6/conf/link0/accept_dad && "
        'ip link set lo up && ip link set link0 up && ip link set link1 up && exec "$@"'
    )
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", link, "sh", sys.executable, "-c", VISIT],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        *["b'ok' None", "True"] * 2,
        *["True b'/api/x?q=1'"] * 2,
        "the name 'ADDRESS%nowhere' cannot be resolved: Name or service not known",
    ]


def test_the_zone_stays_in_the_url_and_not_in_what_the_server_is_told() -> None:
    there = target("http://a:b@[fe80::1%25eth0]:81/x")
    assert there.url == "http://[fe80::1%25eth0]:81/x"
    assert there.authority == "[fe80::1]:81"
    assert target(there.url).host == there.host == "fe80::1%eth0"
