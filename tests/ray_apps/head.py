"""A Ray head with Serve and HAProxy for one test module: on 127.0.0.1, free ports and a temporary folder, stopped when the block ends."""

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
from tools.localstack.ports import is_in_use

ROOT = Path(__file__).parents[2]
START_SECONDS = 240
PORTS = ("ray", "client", "dashboard", "serve", "metrics", "stats")


@dataclass(frozen=True)
class Head:
    """A running head: `env` is the environment for commands that use it, `folder` its temporary folder."""

    env: dict[str, str]
    folder: Path

    @property
    def uri(self) -> str:
        return self.env["CLICKSTREAM_SERVE_URI"]

    def applications(self) -> dict[str, Any]:
        """Returns the applications as the REST API of Serve describes them, by name."""
        return dict(self._request("GET")["applications"])

    def put(self, config: dict[str, Any]) -> None:
        """Deploy this Serve configuration."""
        http_options = {"host": "127.0.0.1", "port": int(self.env["CLICKSTREAM_SERVE_PORT"])}
        self._request("PUT", {"http_options": http_options, **config})

    def _request(self, method: str, body: Any = None) -> Any:
        token = Path(self.env["RAY_AUTH_TOKEN_PATH"]).read_text()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        url = f"{self.env['CLICKSTREAM_RAY_URI']}/api/serve/applications/"
        data = json.dumps(body).encode() if body else None
        with urlopen(Request(url, data, headers, method=method), timeout=60) as response:
            return json.loads(response.read() or b"{}")

    def replicas(self) -> dict[str, int]:
        """Process ids of the running replicas, by replica id."""
        pids = {}
        for application in self.applications().values():
            for deployment in application["deployments"].values():
                for replica in deployment["replicas"]:
                    if replica["state"] == "RUNNING":
                        pids[replica["replica_id"]] = replica["pid"]
        return pids

    def processes(self) -> list[int]:
        """Process ids of the head with its replicas and HAProxy.

        They leave the process group of `ray start`, so they are found by the folder in their environment.
        """
        pids = []
        for environ_file in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if f"={self.folder}/haproxy\0" in environ_file.read_text(errors="replace"):
                    pids.append(int(environ_file.parent.name))
        return pids

    def logs(self) -> str:
        """Returns the last 3000 characters of each log file of Serve."""
        files = sorted(self.folder.glob("session_latest/logs/serve/*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text()[-3000:]}" for file in files)


def free_ports(count: int) -> list[int]:
    """Returns consecutive free ports.

    They are below the ephemeral range: Ray's own processes would take ephemeral ports before HAProxy binds them.
    """
    for _ in range(1000):
        first = random.randrange(23_000, 30_000 - count)
        ports = list(range(first, first + count))
        if not any(is_in_use(port) for port in ports):
            return ports
    raise RuntimeError(f"no {count} consecutive free ports in 23000-30000: stop other stacks on this machine")


@contextmanager
def ray_head(python: Path, env: Mapping[str, str]) -> Iterator[Head]:
    """Start a head with this Python; `env` is added to the environment of its replicas."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    haproxy.write(folder / "haproxy")
    head = Head(_environment(env, ports, folder), folder)
    (folder / "token").write_text(secrets.token_urlsafe(32))
    with (folder / "head.log").open("w") as log:
        process = subprocess.Popen(_command(python, ports, folder), env=head.env, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_ready(head, process)
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
        # Process titles must not overwrite the environment in /proc, see Head.processes.
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


def _wait_until_ready(head: Head, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError):
            head.applications()
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the Ray head did not start within {START_SECONDS} s: {(head.folder / 'head.log').read_text()[-2000:]}")
        time.sleep(1)


def _stop(head: Head, process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(30)
    for pid in head.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
