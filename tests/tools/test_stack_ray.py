"""The Ray head for real, alone: requests need the token, and a killed head restarts."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from clickstream_contracts.settings import Settings
from tests.tools.test_stack_engines import SmallStack
from tools.localstack import layout, ray, running

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallStack]:
    # A long path, as a user's may be: Ray's sockets must still fit into 107 characters.
    stack = SmallStack(tmp_path_factory.mktemp("a-folder-too-deep-for-the-sockets-of-ray"))
    try:
        stack.run("up", "--only", "ray")
        yield stack
    finally:
        stack.run("clean")


def test_a_second_up_leaves_a_healthy_head_alone(small: SmallStack) -> None:
    before = small.components()["ray-head"]
    assert before["state"] == "up"
    small.run("up", "--only", "ray")
    assert small.components()["ray-head"]["pid"] == before["pid"]


def test_it_listens_on_loopback_only_and_has_no_client_server(small: SmallStack) -> None:
    listeners = [c.laddr for p in small.processes() for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert {address.ip.removeprefix("::ffff:") for address in listeners} == {"127.0.0.1"}
    settings = running(small.folder)
    assert {settings.ray_port, settings.ray_dashboard_port} <= {address.port for address in listeners}
    assert 10001 not in {address.port for address in listeners}


@pytest.mark.parametrize("path", ["/api/jobs/", "/api/version", "/api/serve/applications/"])
def test_requests_without_the_token_are_rejected(small: SmallStack, path: str) -> None:
    uri = running(small.folder).ray_uri
    assert httpx.get(uri + path).status_code == 401
    assert httpx.get(uri + path, headers={"Authorization": "Bearer wrong"}).status_code == 403


def test_a_killed_head_restarts_and_leaves_no_process_behind(small: SmallStack) -> None:
    old, before = small.components()["ray-head"]["pid"], {process.pid for process in small.processes()}
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + 180
    while small.components()["ray-head"]["state"] != "up" or small.components()["ray-head"]["pid"] == old:
        assert time.monotonic() < deadline, "the head did not restart"
    supervisor = int((small.folder / "run" / "supervisord.pid").read_text())
    while (before - {supervisor}) & {process.pid for process in small.processes()}:
        assert time.monotonic() < deadline, "processes of the old head are still there"
        time.sleep(1)


@pytest.mark.long
def test_recommendations_return_after_the_head_is_killed(small: SmallStack) -> None:
    small.run("up", "--only", "serve")
    settings = running(small.folder)
    token = {"Authorization": f"Bearer {Path(settings.serve_token_file).read_text()}"}
    assert httpx.get(f"{settings.serve_uri}/recommend/u-1", headers=token).json()["fallback"] == "no model yet"
    assert httpx.get(f"{settings.serve_uri}/recommend/u-1").status_code == 401
    os.kill(small.components()["ray-head"]["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 300
    time.sleep(5)
    while small.components()["serve"]["state"] != "up":
        assert time.monotonic() < deadline, "the Serve application did not come back"
        time.sleep(1)
    assert httpx.get(f"{settings.serve_uri}/recommend/u-1", headers=token).status_code == 200
    # The head's end, the replicas' and HAProxy's: nothing has to be killed, and Ray's folder in /tmp is gone.
    down = small.command("down")
    assert (down.returncode, "remaining" in down.stderr) == (0, False), down.stderr
    assert not ray.socket_folder(layout.Stack(settings)).is_symlink()


def test_clean_deletes_the_symbolic_link_for_the_sockets(tmp_path: Path) -> None:
    small = SmallStack(tmp_path / "stack")
    environment = {key: value for key, value in small.env.items() if key.startswith("CLICKSTREAM_")}
    stack = layout.Stack(layout.resolve(Settings.from_env(environment)))
    layout.save(stack)
    ray.components(stack)[0].prepare()
    assert ray.socket_folder(stack).is_symlink()
    small.run("clean")
    assert not ray.socket_folder(stack).is_symlink()
