"""Serving: one Ray Serve replica behind HAProxy beside bare uvicorn, with the same application and the same model, in one run.

Each answer ranks a session of three views. Both servers are up during the whole run, and take turns.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests.ray_apps.client import Client, Seen, clients
from tests.ray_apps.head import ROOT, a_head, free_ports

RAY = ROOT / ".venvs" / "ray" / "bin" / "python"
CLIENTS, SECONDS, ROUNDS = 16, 10, 3
ITEMS = ["p-3", "p-14", "p-5"]
TOKEN = "bench"
SERVERS = ("uvicorn", "ray_serve")


def measure() -> dict[str, Any]:
    """Requests per second of both at 16 clients, the median of three rounds, and their ratio in percent."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "BENCH_MODEL": f"{folder}/model", "OMP_NUM_THREADS": "1"}
        subprocess.run([str(RAY), "-m", "bench.serve_app", env["BENCH_MODEL"]], env={**os.environ, **env}, cwd=ROOT, check=True)
        with a_uvicorn({**os.environ, **env}) as bare, a_head(RAY, env) as head:
            head.put({"applications": [{"name": "bench", "import_path": "bench.serve_app:app", "route_prefix": "/"}]})
            return compare({"uvicorn": bare, "ray_serve": head.uri})


@contextmanager
def a_uvicorn(env: dict[str, str]) -> Iterator[str]:
    """The application on uvicorn alone."""
    [port] = free_ports(1)
    flags = ["--factory", "--port", str(port), "--no-access-log", "--log-level", "warning"]
    command = [str(RAY), "-m", "uvicorn", "bench.serve_app:build", *flags]
    process = subprocess.Popen(command, env=env, cwd=ROOT)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def compare(uris: dict[str, str]) -> dict[str, Any]:
    """Let both answer in turns."""
    for uri in uris.values():
        wait(uri)
    rounds: dict[str, list[Seen]] = {name: [] for name in SERVERS}
    for _ in range(ROUNDS):
        for name in SERVERS:
            with clients(CLIENTS, uris[name], TOKEN, ITEMS) as seen:
                time.sleep(SECONDS)
            rounds[name].append(seen)
    found: dict[str, Any] = {name: figures(seen) for name, seen in rounds.items()}
    ratio = found["ray_serve"]["requests_per_second"] / found["uvicorn"]["requests_per_second"]
    return found | {"percent_of_uvicorn": round(100 * ratio, 1), "clients": CLIENTS}


def figures(rounds: list[Seen]) -> dict[str, Any]:
    """One server's figures; every answer must be a model's."""
    kinds = {kind for seen in rounds for kind in seen.kinds}
    statuses = {status for seen in rounds for status in seen.statuses}
    if statuses != {200} or any(fallback or not model for _, model, fallback in kinds):
        raise RuntimeError(f"not every answer is a model's: {statuses}, {kinds}")
    times = sorted(one for seen in rounds for one in seen.times)
    return {
        "requests_per_second": round(statistics.median(len(seen.times) / SECONDS for seen in rounds)),
        "p50_ms": round(1000 * times[len(times) // 2], 1),
        "p99_ms": round(1000 * times[int(0.99 * len(times))], 1),
    }


def wait(uri: str) -> None:
    """Until it answers; the first answer compiles."""
    until = time.monotonic() + 300
    while True:
        try:
            with closing(Client(uri, TOKEN)) as client:
                status, answer = client("/recommend", {"items": ITEMS})
        except OSError as error:
            status, answer = 0, error
        if status == 200:
            return
        if time.monotonic() > until:
            raise RuntimeError(f"{uri} does not answer: {status} {answer}")
        time.sleep(0.5)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
