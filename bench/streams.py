"""Benchmark of fraud_scores and recommendations: CPU beside a job that only reads, and the latency of the scores."""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.flink_lake import REPO, count
from bench.stack import temporary_stack
from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.fraud.flink_process import PYTHON, environment
from tools.kafka import compacted, topics
from tools.kafka.reader import end_offsets, records
from tools.localstack import running
from tools.localstack.java import DATA_PATH_OPTIONS

SIZES = {"events": 400_000, "products": 2_000, "neighbours": 50, "rate": 1_000, "seconds": 60}
# A job whose scores come later than this, in milliseconds after their events, is still catching up.
CATCHING_UP_MS = 8_000
# The scores of the last events wait until ticks advance the watermark; that is not the latency of a busy shop.
IGNORED_LAST_SECONDS = 5


def measure(sizes: dict[str, int] | None = None) -> dict[str, Any]:
    """Measure the events per CPU-second of each job, ratios that do not depend on the machine, and the latency of scores.

    sizes: replaces entries of SIZES; `rate` is in events per second.
    """
    sizes = SIZES | (sizes or {})
    with temporary_stack("s3", "nessie", "kafka") as env, tempfile.TemporaryDirectory() as folder:
        settings = running(env["CLICKSTREAM_STACK_DIR"])
        env |= settings.to_env() | environment(Path(folder))
        topics.ensure(settings)
        history = ("history", "--days", "1", "--events", str(sizes["events"]), "--until", "2026-01-02", "--seed", "7")
        run_shop(env, *history, "--products", str(sizes["products"]))
        neighbours = random_neighbours(sizes["products"], sizes["neighbours"])
        compacted.write(settings, names.ITEM_NEIGHBOURS_TOPIC, dict(neighbours), lambda text: None)
        return cpu(env, settings, folder) | latency(env, settings, folder, sizes)


def run_shop(env: dict[str, str], *arguments: str) -> None:
    """Send simulated events into the topic."""
    subprocess.run([sys.executable, "-m", "tools.shop", *arguments], cwd=REPO, env=env, check=True, stdout=subprocess.DEVNULL)


def random_neighbours(products: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Returns `count` random neighbours for every product, as keys and values of item.neighbours.v1."""
    rng = random.Random(7)
    for number in range(products):
        chosen = rng.sample(range(products), count)
        items = [{"id": f"p-{neighbour}", "weight": count - position} for position, neighbour in enumerate(chosen)]
        yield f"p-{number}", json.dumps({"product_id": f"p-{number}", "release": "bench", "neighbours": items}).encode()


def cpu(env: dict[str, str], settings: Settings, folder: str) -> dict[str, Any]:
    """Measure the CPU of each job over the same topic."""
    events = count(settings)
    command = [str(PYTHON), "-m", "bench.stream_jobs", "cpu", folder]
    process = subprocess.run(command, cwd=REPO, env=env, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise SystemExit(f"error: the Flink jobs failed: {process.stderr.strip()[-1000:]}")
    [seconds] = [json.loads(line) for line in process.stdout.splitlines() if line.startswith('{"read_json"')]
    return {
        "events": events,
        **{f"{name}_events_per_cpu_second": round(events / cpu_seconds) for name, cpu_seconds in seconds.items()},
        **{f"{name}_to_read_json": round(seconds[name] / seconds["read_json"], 2) for name in ("fraud_scores", "recommendations")},
    }


def latency(env: dict[str, str], settings: Settings, folder: str, sizes: dict[str, int]) -> dict[str, Any]:
    """Measure the milliseconds from an event to the arrival of its score at the broker, at a constant rate of events."""
    rate = ("live", "--rate", str(sizes["rate"]), "--late", "0", "--out-of-order", "0")
    # The JIT compiler of a local stack's TaskManager. The CPU above is measured with the JVM's default, as in a cluster.
    env = env | {"JAVA_TOOL_OPTIONS": " ".join(DATA_PATH_OPTIONS[settings.jit])}
    with running_fraud_scores(env, settings, folder):
        # Warm-up: in the first seconds at this rate the JVM still compiles.
        run_shop(env, *rate, "--seconds", "20", "--seed", "9")
        time.sleep(10)
        start_offsets = end_offsets(settings, names.FRAUD_SCORES_TOPIC)
        run_shop(env, *rate, "--seconds", str(sizes["seconds"]), "--seed", "8")
        last_event_ms = 1000 * (time.time() - IGNORED_LAST_SECONDS)
        time.sleep(10)
        measured = sorted(latency_ms for event_ms, latency_ms in latencies(settings, start_offsets) if event_ms < last_event_ms)
    return {
        "latency_rate": sizes["rate"],
        "scores": len(measured),
        **{f"latency_p{percent}_ms": measured[len(measured) * percent // 100] for percent in (50, 99)},
    }


@contextmanager
def running_fraud_scores(env: dict[str, str], settings: Settings, folder: str) -> Iterator[None]:
    """Run fraud_scores in a process of its own; entered when the job has caught up with the present events."""
    log_path = Path(folder, "job.log")
    with log_path.open("w") as log:
        command = [str(PYTHON), "-m", "bench.stream_jobs", "run", folder]
        job = subprocess.Popen(command, cwd=REPO, env=env, stdout=log, stderr=log)
        try:
            for _ in range(60):
                start_offsets = end_offsets(settings, names.FRAUD_SCORES_TOPIC)
                run_shop(env, "live", "--rate", "50", "--seconds", "5")
                lowest = min((latency_ms for _, latency_ms in latencies(settings, start_offsets)), default=CATCHING_UP_MS)
                if job.poll() is not None or lowest < CATCHING_UP_MS:
                    break
            if job.poll() is not None:
                raise SystemExit(f"error: fraud_scores ended with exit code {job.returncode}: {log_path.read_text()[-1000:]}")
            yield
        finally:
            job.terminate()
            job.wait()


def latencies(settings: Settings, start_offsets: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Returns for each score from these offsets on its event time and the ms from it to the record's arrival at the broker."""
    for message in records(settings, names.FRAUD_SCORES_TOPIC, start_offsets):
        event_ms = json.loads(message.value() or b"{}")["event_time"]
        yield event_ms, message.timestamp()[1] - event_ms


def main(arguments: list[str]) -> None:
    """Print the results as JSON. Arguments replace SIZES, for example `events=20000 seconds=10`."""
    pairs = [argument.split("=") for argument in arguments]
    print(json.dumps(measure({name: int(value) for name, value in pairs}), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
