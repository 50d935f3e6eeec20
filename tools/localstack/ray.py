"""Ray: one head with its Jobs REST API, and the process that deploys the Serve application. Requests need the stack's token."""

import hashlib
import os
import shutil
from pathlib import Path

from tools.localstack import code, haproxy, health
from tools.localstack.layout import ROOT, Stack
from tools.localstack.ports import SERVE_PORTS
from tools.localstack.units import Component

BIN = ROOT / ".venvs" / "ray" / "bin"
PYTHON_PATH = f"{ROOT}:{ROOT / 'contracts'}"
CPUS = 2
OBJECT_STORE_BYTES = 200_000_000
TOKEN = "ray_token"
CODE = (code.environment("ray"), "ray_apps", code.CONTRACTS)


def components(stack: Stack) -> list[Component]:
    """Returns the head and the Serve deployer."""
    return [_head(stack), _serve(stack)]


def _head(stack: Stack) -> Component:
    home, settings = stack.folder("ray"), stack.settings
    token = stack.secret(TOKEN)
    flags = {
        "port": settings.ray_port,
        "dashboard-host": "127.0.0.1",
        "dashboard-port": settings.ray_dashboard_port,
        # Only Ray itself uses the agent's port, so any free one will do, also beside another stack.
        "dashboard-agent-listen-port": 0,
        "num-cpus": CPUS,
        "object-store-memory": OBJECT_STORE_BYTES,
        "temp-dir": socket_folder(stack),
        "include-log-monitor": "false",
    }
    options = ("--head", "--block", "--disable-usage-stats", "--no-monitor")
    return Component(
        name="ray-head",
        argv=(str(BIN / "ray"), "start", *options, *(f"--{key}={value}" for key, value in flags.items())),
        home=home,
        env=environment(stack),
        address=settings.ray_uri,
        health=health.http_json(f"{settings.ray_uri}/api/version", lambda body: "", {"Authorization": f"Bearer {token}"}),
        prepare=lambda: _prepare(stack),
        stop_seconds=20,
        # Workers and HAProxy end after the head, or not at all.
        all_processes=True,
        temporary=(socket_folder(stack),),
        code=CODE,
    )


def _serve(stack: Stack) -> Component:
    """Returns the process that deploys the application to the head, also after a restart; healthy when it responds over HTTP."""
    uri = stack.settings.serve_uri
    return Component(
        name="serve",
        argv=(str(BIN / "python"), "-m", "ray_apps.serving.reconcile"),
        home=stack.folder("ray"),
        env={"PYTHONPATH": PYTHON_PATH},
        address=uri,
        health=health.http_json(f"{uri}/healthz", lambda body: "" if body["status"] == "ok" else str(body)),
        needs=("ray-head",),
        # It follows their contents; without them it serves popular products.
        after=("lake", "topics"),
        code=CODE,
    )


def environment(stack: Stack) -> dict[str, str]:
    """Returns the environment that the head, its workers and its jobs share."""
    return {
        "PYTHONPATH": PYTHON_PATH,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": stack.settings.ray_token_file,
        # With clusters disabled, Ray listens on the loopback interface only.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_START_HOOK": "ray_apps.common.ray_start_hook.without_client",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        **haproxy.environment(socket_folder(stack) / "haproxy"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(stack.settings.serve_port + 1),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stack.settings.serve_port + 2),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
        # The default of ten control loops a second costs more CPU than serving does.
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
        # Ray's defaults are the same for every head: HAProxy would route one stack's requests to another's proxy or replica.
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(stack.settings.serve_port + 3),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(stack.settings.serve_port + 4),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(stack.settings.serve_port + 5),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(stack.settings.serve_port + SERVE_PORTS - 1),
        "DASHBOARD_METRIC_PORT": "0",
        # There is no second node to drain to: the head would wait for 30 seconds and then be killed by supervisord.
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        # Python makes sockets in this folder.
        "TMPDIR": str(socket_folder(stack) / "tmp"),
        # setproctitle must not overwrite the environment, by which `stack down` finds the processes of the stack.
        "SPT_NOENV": "1",
    }


def socket_folder(stack: Stack) -> Path:
    """Returns a short symbolic link to Ray's folder: Ray's sockets are 70 characters below it, and Linux takes at most 107."""
    return Path("/tmp") / f"ray-{hashlib.sha256(str(stack.dir).encode()).hexdigest()[:10]}"


def _prepare(stack: Stack) -> None:
    """Create the symbolic link to Ray's folder, write the HAProxy script, and delete the logs of earlier sessions."""
    home, link = stack.folder("ray"), socket_folder(stack)
    haproxy.write(stack.folder("ray", "haproxy"))
    shutil.rmtree(stack.folder("ray", "tmp"))
    stack.folder("ray", "tmp")
    for session in home.glob("session_*"):
        if session.is_symlink():
            session.unlink()
        else:
            shutil.rmtree(session, ignore_errors=True)
    if link.is_symlink() and link.lstat().st_uid == os.getuid():
        link.unlink()
    try:
        link.symlink_to(home)
    except FileExistsError:
        raise RuntimeError(f"{link} belongs to another user: delete it, or start the stack in another folder") from None
