"""Proxies: addresses of this machine are reached directly, whatever HTTP_PROXY says; other addresses through the proxy."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
import requests

from tools.common import http

ROOT = Path(__file__).parents[2]
PROXIES = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9")


class Handler(BaseHTTPRequestHandler):
    """Responds to everything with an empty JSON document."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """The port of an HTTP server on 127.0.0.1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(autouse=True)
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of a proxy that does not run."""
    for name in ("NO_PROXY", "no_proxy"):
        # Set and deleted, so that what a test sets is undone.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in PROXIES.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_reached_without_the_proxy(port: int, host: str) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{host}:{port}/")
    assert http.get(f"http://{host}:{port}/").json() == {}
    with http.client(f"http://{host}:{port}") as client:
        assert client.get("/path").json() == {}


def test_other_addresses_use_the_proxy() -> None:
    with pytest.raises(httpx.ConnectError, match="refused"):
        http.get("http://192.0.2.1/", timeout=5)


def test_libraries_that_read_no_proxy_reach_loopback(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet.example, .corp.example")
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get(f"http://127.0.0.1:{port}/", timeout=5)
    http.bypass_proxies_on_loopback()
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=5).json() == {}
    for name in ("NO_PROXY", "no_proxy"):
        assert os.environ[name].split(",") == ["intranet.example", ".corp.example", "127.0.0.1", "localhost", "::1"]
    http.bypass_proxies_on_loopback()
    assert os.environ["NO_PROXY"].count("localhost") == 1


def test_every_command_line_bypasses_proxies_on_loopback() -> None:
    """PyIceberg and boto3 fail with a dead proxy unless NO_PROXY is set before the command runs."""
    code = "import os, typer; from tools.common.command import run_app; app = typer.Typer(); "
    code += "app.command()(lambda: print(os.environ['NO_PROXY'])); run_app(app)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "127.0.0.1,localhost,::1", result.stderr


def test_the_catalog_is_reached_with_a_dead_proxy(port: int, tmp_path: Path) -> None:
    """The error names the catalog's response, not the proxy."""
    (tmp_path / "key").write_text("key")
    env = os.environ | {
        "CLICKSTREAM_STACK_DIR": str(tmp_path),
        "CLICKSTREAM_NESSIE_URI": f"http://127.0.0.1:{port}",
        "CLICKSTREAM_S3_ACCESS_KEY_FILE": str(tmp_path / "key"),
        "CLICKSTREAM_S3_SECRET_KEY_FILE": str(tmp_path / "key"),
    }
    command = [sys.executable, "-m", "tools.lake.smoke_test"]
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "proxy" not in result.stderr.lower()
