"""A server answers to its own names only."""

import asyncio

import pytest
from streamlit import config

from app.server.hosts import OwnNames


@pytest.fixture
def ask():
    """Status of the answer to a request with these Host headers; 200 if it reaches the app."""
    before = config.get_option("server.allowedHosts")
    config.set_option("server.allowedHosts", ["localhost", "127.0.0.1", "192.168.1.20"])

    def answer(*hosts, kind="http"):
        sent = []

        async def app(scope, receive, send):
            sent.append({"status": 200})

        async def send(message):
            sent.append(message)

        headers = [(b"host", host) for host in hosts]
        asyncio.run(OwnNames(app)({"type": kind, "method": "GET", "path": "/", "headers": headers}, None, send))
        return sent[0]["status"]

    yield answer
    config.set_option("server.allowedHosts", before)


@pytest.mark.parametrize("host", [b"localhost:8501", b"127.0.0.1", b"192.168.1.20:8501", b"LOCALHOST."])
def test_own_names_are_answered(ask, host):
    assert ask(host) == 200


@pytest.mark.parametrize("hosts", [
    [b"evil.example"], [b"evil.example:8501"], [b"localhost.evil.example"], [b"localhost@evil.example"], [b""], [],
    [b"localhost", b"evil.example"], [b"localhost:x"], [b"\xff"],
])  # fmt: skip
def test_other_names_are_not(ask, hosts):
    assert ask(*hosts) == 403


def test_the_start_of_the_server_is_none_of_its_business(ask):
    assert ask(kind="lifespan") == 200
