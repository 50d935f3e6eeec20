"""The Ray head for real, alone: who has the token may use it, nobody else, and it comes back when it is killed."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from clickstream_contracts.settings import Settings
from tests.tools.test_stack_engines import Small
from tools.localstack import layout, ray, running

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    # A long way down, as a user's folder may be: Ray's sockets must still fit.
    stack = Small(tmp_path_factory.mktemp("a-folder-too-deep-for-the-sockets-of-ray"))
    try:
        stack.run("up", "--only", "ray")
        yield stack
    finally:
        stack.run("clean")


def test_the_head_is_up_and_a_second_up_changes_nothing(small: Small) -> None:
    before = small.parts()["ray-head"]
    assert before["state"] == "up"
    small.run("up", "--only", "ray")
    assert small.parts()["ray-head"]["pid"] == before["pid"]


def test_it_listens_on_loopback_only_and_has_no_client_server(small: Small) -> None:
    found = [c.laddr for p in small.processes() for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert {address.ip.removeprefix("::ffff:") for address in found} == {"127.0.0.1"}
    settings = running(small.home)
    assert {settings.ray_port, settings.ray_dashboard_port} <= {address.port for address in found}
    assert 10001 not in {address.port for address in found}


@pytest.mark.parametrize("path", ["/api/jobs/", "/api/version", "/api/serve/applications/"])
def test_without_the_token_nothing_is_answered(small: Small, path: str) -> None:
    uri = running(small.home).ray_uri
    assert httpx.get(uri + path).status_code == 401
    assert httpx.get(uri + path, headers={"Authorization": "Bearer wrong"}).status_code == 403


def test_a_killed_head_comes_back_and_leaves_nothing_of_the_old_one(small: Small) -> None:
    old, before = small.parts()["ray-head"]["pid"], {process.pid for process in small.processes()}
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + 180
    while small.parts()["ray-head"]["state"] != "up" or small.parts()["ray-head"]["pid"] == old:
        assert time.monotonic() < deadline, "the head did not come back"
    supervisor = int((small.home / "run" / "supervisord.pid").read_text())
    while (before - {supervisor}) & {process.pid for process in small.processes()}:
        assert time.monotonic() < deadline, "processes of the old head are still there"
        time.sleep(1)


@pytest.mark.long
def test_answers_come_back_after_the_head_is_killed(small: Small) -> None:
    small.run("up", "--only", "serve")
    settings = running(small.home)
    token = {"Authorization": f"Bearer {Path(settings.serve_token_file).read_text()}"}
    assert httpx.get(f"{settings.serve_uri}/recommend/u-1", headers=token).json()["fallback"] == "no model yet"
    assert httpx.get(f"{settings.serve_uri}/recommend/u-1").status_code == 401
    os.kill(small.parts()["ray-head"]["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 300
    time.sleep(5)
    while small.parts()["serve"]["state"] != "up":
        assert time.monotonic() < deadline, "nobody answers"
        time.sleep(1)
    assert httpx.get(f"{settings.serve_uri}/recommend/u-1", headers=token).status_code == 200


def test_clean_takes_the_short_way_along(tmp_path: Path) -> None:
    stack = Small(tmp_path / "stack")
    known = layout.Stack(layout.resolve(Settings.from_env({k: v for k, v in stack.env.items() if k.startswith("CLICKSTREAM_")})))
    layout.save(known)
    ray.parts(known)[0].prepare()
    assert ray.short(known).is_symlink()
    stack.run("clean")
    assert not ray.short(known).is_symlink()
