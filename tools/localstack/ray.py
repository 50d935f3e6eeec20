"""Ray: one head that takes jobs by its Job REST, and a keeper that has it serve. Who asks it for anything must show the stack's token."""

import hashlib
import os
import shutil
from pathlib import Path

from tools.localstack import haproxy, health
from tools.localstack.layout import ROOT, Stack
from tools.localstack.part import Part
from tools.localstack.ports import SERVE_PORTS

BIN = ROOT / ".venvs" / "ray" / "bin"
PYTHON_PATH = f"{ROOT}:{ROOT / 'contracts'}"
CPUS = 2
OBJECT_STORE_BYTES = 200_000_000
TOKEN = "ray_token"


def parts(stack: Stack) -> list[Part]:
    """The head and the keeper."""
    return [_head(stack), _keeper(stack)]


def _head(stack: Stack) -> Part:
    home, settings = stack.folder("ray"), stack.settings
    token = stack.secret(TOKEN)
    flags = {
        "port": settings.ray_port,
        "dashboard-host": "127.0.0.1",
        "dashboard-port": settings.ray_dashboard_port,
        # The agent's port is nobody's but Ray's own: any free one will do, beside another stack too.
        "dashboard-agent-listen-port": 0,
        "num-cpus": CPUS,
        "object-store-memory": OBJECT_STORE_BYTES,
        "temp-dir": short(stack),
        "include-log-monitor": "false",
    }
    options = ("--head", "--block", "--disable-usage-stats", "--no-monitor")
    return Part(
        name="ray-head",
        argv=(str(BIN / "ray"), "start", *options, *(f"--{key}={value}" for key, value in flags.items())),
        home=home,
        env=environment(stack),
        address=settings.ray_uri,
        health=health.http_json(f"{settings.ray_uri}/api/version", lambda body: "", {"Authorization": f"Bearer {token}"}),
        prepare=lambda: _prepare(stack),
        stop_seconds=15,
    )


def _keeper(stack: Stack) -> Part:
    """Hands the application to the head, also to one that was started anew; it is healthy when shoppers are answered."""
    uri = stack.settings.serve_uri
    return Part(
        name="serve",
        argv=(str(BIN / "python"), "-m", "ray_apps.serving.reconcile"),
        home=stack.folder("ray"),
        env={"PYTHONPATH": PYTHON_PATH},
        address=uri,
        health=health.http_json(f"{uri}/healthz", lambda body: "" if body["status"] == "ok" else str(body)),
        needs=("ray-head",),
        # What it follows; without them it serves what is popular.
        after=("lake", "topics"),
    )


def environment(stack: Stack) -> dict[str, str]:
    """What the head, its workers and its jobs share."""
    return {
        "PYTHONPATH": PYTHON_PATH,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": stack.settings.ray_token_file,
        # Without clusters, Ray takes the loopback interface for its address and listens nowhere else.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_START_HOOK": "ray_apps.common.ray_start_hook.without_client",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        **haproxy.environment(short(stack) / "haproxy"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(stack.settings.serve_port + 1),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stack.settings.serve_port + 2),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
        # Ten looks a second at one application cost more than serving it.
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
        # Ray's own ports are the same for every head: HAProxy would send one stack's shoppers to another's proxy or replica.
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(stack.settings.serve_port + 3),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(stack.settings.serve_port + 4),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(stack.settings.serve_port + 5),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(stack.settings.serve_port + SERVE_PORTS - 1),
        "DASHBOARD_METRIC_PORT": "0",
        # Else its helpers hide the environment by which they are found again.
        "SPT_NOENV": "1",
    }


def short(stack: Stack) -> Path:
    """A short way to Ray's folder: it makes sockets some 70 characters below, and the system takes no path above 107."""
    return Path("/tmp") / f"ray-{hashlib.sha256(str(stack.dir).encode()).hexdigest()[:10]}"


def _prepare(stack: Stack) -> None:
    """Link the short way to the folder, write HAProxy's stand-in, and clear away what earlier sessions logged."""
    home, link = stack.folder("ray"), short(stack)
    haproxy.write(stack.folder("ray", "haproxy"))
    for session in home.glob("session_*"):
        session.unlink() if session.is_symlink() else shutil.rmtree(session, ignore_errors=True)
    if link.is_symlink() and link.lstat().st_uid == os.getuid():
        link.unlink()
    try:
        link.symlink_to(home)
    except FileExistsError:
        raise RuntimeError(f"{link} is not this user's: delete it, or start the stack in another folder") from None
