"""A Ray head of a test's own that serves: on 127.0.0.1 and free ports, in a folder of its own, gone when the block ends."""

import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tools.localstack import haproxy
from tools.localstack.ports import is_taken

ROOT = Path(__file__).parents[2]
START_SECONDS = 240
PORTS = ("ray", "client", "dashboard", "serve", "metrics", "stats")


@dataclass(frozen=True)
class Head:
    """A head that is up: the environment in which the project's commands meet it, and its log."""

    env: dict[str, str]
    folder: Path

    @property
    def uri(self) -> str:
        return self.env["CLICKSTREAM_SERVE_URI"]

    def applications(self) -> dict[str, Any]:
        """What Serve says of its applications."""
        return dict(self._call("GET")["applications"])

    def put(self, config: dict[str, Any]) -> None:
        """Let Serve run this."""
        self._call("PUT", {"http_options": {"host": "127.0.0.1", "port": int(self.env["CLICKSTREAM_SERVE_PORT"])}, **config})

    def _call(self, method: str, body: Any = None) -> Any:
        token = Path(self.env["RAY_AUTH_TOKEN_PATH"]).read_text()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        url, data = f"{self.env['CLICKSTREAM_RAY_URI']}/api/serve/applications/", json.dumps(body).encode() if body else None
        with urlopen(Request(url, data, headers, method=method), timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    def replicas(self) -> dict[str, int]:
        """Process ids of the replicas that run."""
        found = [one for app in self.applications().values() for part in app["deployments"].values() for one in part["replicas"]]
        return {one["replica_id"]: one["pid"] for one in found if one["state"] == "RUNNING"}

    def processes(self) -> list[int]:
        """Every process of this head, its replicas and HAProxy among them: they leave their parent's group, but name the folder."""
        found = []
        for place in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if f"={self.folder}/haproxy\0" in place.read_text(errors="replace"):
                    found.append(int(place.parent.name))
        return found

    def logs(self) -> str:
        """The ends of Serve's logs."""
        files = sorted(self.folder.glob("session_latest/logs/serve/*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text()[-3000:]}" for file in files)


def free_ports(count: int) -> list[int]:
    """Ports in a row that nobody listens on, below those that the system hands out: Ray's own would take them before HAProxy does."""
    for _ in range(1000):
        first = random.randrange(23_000, 30_000 - count)
        if not any(is_taken(first + more) for more in range(count)):
            return list(range(first, first + count))
    raise RuntimeError(f"no {count} free ports in a row")


@contextmanager
def a_head(python: Path, env: Mapping[str, str]) -> Iterator[Head]:
    """A head run by this Python, its replicas in the environment `env`."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    haproxy.write(folder / "haproxy")
    head = Head(_environment(env, ports, folder), folder)
    (folder / "token").write_text(secrets.token_urlsafe(32))
    with (folder / "head.log").open("w") as log:
        process = subprocess.Popen(_command(python, ports, folder), env=head.env, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(head, process)
        yield head
    finally:
        _stop(head, process)
        shutil.rmtree(folder, ignore_errors=True)


def _command(python: Path, ports: Mapping[str, int], folder: Path) -> list[str]:
    flags = {
        "port": ports["ray"],
        "ray-client-server-port": ports["client"],
        "dashboard-host": "127.0.0.1",
        "dashboard-port": ports["dashboard"],
        "dashboard-agent-listen-port": 0,
        "num-cpus": 2,
        "object-store-memory": 100_000_000,
        "temp-dir": folder,
        "include-log-monitor": "false",
    }
    start = [str(python.with_name("ray")), "start", "--head", "--block", "--disable-usage-stats", "--no-monitor"]
    return start + [f"--{key}={value}" for key, value in flags.items()]


def _environment(env: Mapping[str, str], ports: Mapping[str, int], folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        **env,
        **haproxy.environment(folder / "haproxy"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports["metrics"]),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports["stats"]),
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "DASHBOARD_METRIC_PORT": "0",
        # Process titles must not overwrite the environment by which a head knows its own.
        "SPT_NOENV": "1",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}",
        "CLICKSTREAM_RAY_URI": f"http://127.0.0.1:{ports['dashboard']}",
        "CLICKSTREAM_RAY_TOKEN_FILE": str(folder / "token"),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "CLICKSTREAM_SERVE_PORT": str(ports["serve"]),
        "CLICKSTREAM_SERVE_URI": f"http://127.0.0.1:{ports['serve']}",
        "CLICKSTREAM_SERVE_FOLLOW_SECONDS": "1",
    }


def _wait(head: Head, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError):
            head.applications()
            return
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the head did not start: {(head.folder / 'head.log').read_text()[-2000:]}")
        time.sleep(1)


def _stop(head: Head, process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(30)
    for pid in head.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
