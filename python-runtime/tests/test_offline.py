"""``LIVE_AVATAR_OFFLINE=1``: no process of the engine can reach another machine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.hub_server import Hub, repositories_of
from tests.store_material import DEMO, environment_of, last_line, models


def attempt(statement: str, offline: str = "1") -> str:
    """What a process of the engine gets to hear."""
    program = f"""
import socket, live_avatar
try:
    {statement}
    print("reached")
except Exception as error:
    print(type(error).__name__)
"""
    environment = environment_of({"LIVE_AVATAR_OFFLINE": offline})
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


@pytest.mark.parametrize(
    "statement",
    [
        "socket.create_connection(('192.0.2.1', 80), timeout=5)",
        "socket.create_connection(('example.org', 80), timeout=5)",
        "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "socket.gethostbyname('example.org')",
        "__import__('httpx2').get('http://192.0.2.1/')",
        "__import__('urllib.request').request.urlopen('http://192.0.2.1/', timeout=5)",
    ],
)
def test_nothing_leaves_this_machine(statement: str) -> None:
    assert attempt(statement) in ("NetworkRefused", "URLError", "ConnectError")


def test_this_machine_is_reached_as_before() -> None:
    with Hub(repositories_of(DEMO)) as hub:
        port = hub.server.server_port
        for host in ("127.0.0.1", "localhost"):
            assert attempt(f"socket.create_connection(({host!r}, {port}), timeout=5)") == "reached"


@pytest.mark.parametrize("name", ["LIVE_AVATAR_OFFLINE", "HF_HUB_OFFLINE"])
def test_a_download_is_refused_in_words(tmp_path: object, name: str) -> None:
    done = models("download", "--to", f"{tmp_path}/model", environment={name: "1"})
    assert (done.returncode, last_line(done.stdout)["code"]) == (2, "NETWORK_OFF")
