"""Benchmark of serving: one Ray Serve replica behind HAProxy against uvicorn alone, with the same application and model.

Each request ranks a session of three views. Both servers run during the whole benchmark and are loaded in turn.
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

from tests.ray_apps.client import Client, Responses, clients
from tests.ray_apps.head import ROOT, free_ports, ray_head

RAY_PYTHON = ROOT / ".venvs" / "ray" / "bin" / "python"
CLIENTS, SECONDS, ROUNDS = 16, 10, 3
START_TIMEOUT_SECONDS = 300
ITEMS = ["p-3", "p-14", "p-5"]
TOKEN = "bench"
SERVERS = ("uvicorn", "ray_serve")


def measure() -> dict[str, Any]:
    """Returns requests per second and latencies of both servers, and the throughput of Ray Serve in percent of uvicorn's."""
    with tempfile.TemporaryDirectory() as folder:
        model_folder = f"{folder}/model"
        env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "BENCH_MODEL": model_folder, "OMP_NUM_THREADS": "1"}
        process_env = {**os.environ, **env}
        subprocess.run([str(RAY_PYTHON), "-m", "bench.serve_app", model_folder], env=process_env, cwd=ROOT, check=True)
        with run_uvicorn(process_env) as uvicorn_uri, ray_head(RAY_PYTHON, env) as head:
            head.put({"applications": [{"name": "bench", "import_path": "bench.serve_app:app", "route_prefix": "/"}]})
            return compare({"uvicorn": uvicorn_uri, "ray_serve": head.uri})


@contextmanager
def run_uvicorn(env: dict[str, str]) -> Iterator[str]:
    """Run the application on uvicorn without Ray. Yields its URI."""
    [port] = free_ports(1)
    flags = ["--factory", "--port", str(port), "--no-access-log", "--log-level", "warning"]
    process = subprocess.Popen([str(RAY_PYTHON), "-m", "uvicorn", "bench.serve_app:build", *flags], env=env, cwd=ROOT)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def compare(uris: dict[str, str]) -> dict[str, Any]:
    """Load the servers in turn, ROUNDS times. Returns their figures."""
    for uri in uris.values():
        wait_until_ready(uri)
    rounds: dict[str, list[Responses]] = {server: [] for server in SERVERS}
    for _ in range(ROUNDS):
        for server in SERVERS:
            with clients(CLIENTS, uris[server], TOKEN, ITEMS) as responses:
                time.sleep(SECONDS)
            rounds[server].append(responses)
    results: dict[str, Any] = {server: figures(responses) for server, responses in rounds.items()}
    ratio = results["ray_serve"]["requests_per_second"] / results["uvicorn"]["requests_per_second"]
    return results | {"percent_of_uvicorn": round(100 * ratio, 1), "clients": CLIENTS}


def figures(rounds: list[Responses]) -> dict[str, Any]:
    """Returns the figures of one server: the median of the rounds' throughput, and latency percentiles over all rounds.

    Raises RuntimeError if a response is an error or a fallback: only responses of the model are comparable.
    """
    sources = {source for responses in rounds for source in responses.sources}
    statuses = {status for responses in rounds for status in responses.statuses}
    fallbacks = [source for source in sources if source[2] or not source[1]]
    if statuses != {200} or fallbacks:
        raise RuntimeError(f"expected only responses of the model: HTTP statuses {statuses}, (variant, model, fallback) {sources}")
    seconds = sorted(seconds for responses in rounds for seconds in responses.seconds)
    return {
        "requests_per_second": round(statistics.median(len(responses.seconds) / SECONDS for responses in rounds)),
        "p50_ms": round(1000 * seconds[len(seconds) // 2], 1),
        "p99_ms": round(1000 * seconds[int(0.99 * len(seconds))], 1),
    }


def wait_until_ready(uri: str) -> None:
    """Wait for the first response; it includes the compilation of the kernels."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            with closing(Client(uri, TOKEN)) as client:
                status, response = client("/recommend", {"items": ITEMS})
        except OSError as error:
            status, response = 0, error
        if status == 200:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{uri} is not ready after {START_TIMEOUT_SECONDS} s: HTTP status {status}, {response}")
        time.sleep(0.5)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
