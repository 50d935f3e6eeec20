"""The streams that answer: CPU of fraud_scores and recommendations beside a job that only reads, and how soon a score is there."""

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
from bench.stack import a_stack
from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.fraud.flink_process import PYTHON, environment
from tools.kafka import compacted, topics
from tools.kafka.reader import end_offsets, records
from tools.localstack import running
from tools.localstack.java import DATA_PATH_OPTIONS

SIZES = {"events": 400_000, "products": 2_000, "neighbours": 50, "rate": 1_000, "seconds": 60}
# A score that comes later than this after its event tells of a job that is still catching up, in milliseconds.
LONG = 8_000
# In the last seconds before the shop closes scores wait for the end of its silence.
SILENCE = 5


def measure(sizes: dict[str, int] | None = None) -> dict[str, Any]:
    """Events per CPU-second of each job, the ratios that do not depend on the machine, and the latency of scores at a rate."""
    wanted = SIZES | (sizes or {})
    with a_stack("s3", "nessie", "kafka") as env, tempfile.TemporaryDirectory() as folder:
        settings = running(env["CLICKSTREAM_STACK_DIR"])
        env |= settings.to_env() | environment(Path(folder))
        topics.ensure(settings)
        history = ("history", "--days", "1", "--events", str(wanted["events"]), "--until", "2026-01-02", "--seed", "7")
        shop(env, *history, "--products", str(wanted["products"]))
        compacted.write(settings, names.ITEM_NEIGHBOURS_TOPIC, dict(neighbours(wanted["products"], wanted["neighbours"])), lambda text: None)
        return cpu(env, settings, folder) | latency(env, settings, folder, wanted)


def shop(env: dict[str, str], *arguments: str) -> None:
    """Events of the shop into the topic."""
    subprocess.run([sys.executable, "-m", "tools.shop", *arguments], cwd=REPO, env=env, check=True, stdout=subprocess.DEVNULL)


def neighbours(products: int, most: int) -> Iterator[tuple[str, bytes]]:
    """Neighbours for every product, by chance: as many as a large release has."""
    chance = random.Random(7)
    for number in range(products):
        near = [{"id": f"p-{one}", "weight": most - place} for place, one in enumerate(chance.sample(range(products), most))]
        yield f"p-{number}", json.dumps({"product_id": f"p-{number}", "release": "bench", "neighbours": near}).encode()


def cpu(env: dict[str, str], settings: Settings, folder: str) -> dict[str, Any]:
    """What each job costs over the same topic."""
    events = count(settings)
    command = [str(PYTHON), "-m", "bench.stream_jobs", "cpu", folder]
    done = subprocess.run(command, cwd=REPO, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"error: the Flink jobs failed: {done.stderr.strip()[-1000:]}")
    [seconds] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"read_json"')]
    return {
        "events": events,
        **{f"{name}_events_per_cpu_second": round(events / spent) for name, spent in seconds.items()},
        **{f"{name}_to_read_json": round(seconds[name] / seconds["read_json"], 2) for name in ("fraud_scores", "recommendations")},
    }


def latency(env: dict[str, str], settings: Settings, folder: str, wanted: dict[str, int]) -> dict[str, Any]:
    """Milliseconds from an event to the broker's receipt of its score, while the shop sends at a rate."""
    rate = ("live", "--rate", str(wanted["rate"]), "--late", "0", "--out-of-order", "0")
    # The compiler that a stack's TaskManager has; what a job costs is measured with both, as in a cluster.
    env = env | {"JAVA_TOOL_OPTIONS": " ".join(DATA_PATH_OPTIONS[settings.jit])}
    with scoring(env, settings, folder):
        # The first seconds at this rate are the compiler's.
        shop(env, *rate, "--seconds", "20", "--seed", "9")
        time.sleep(10)
        since = end_offsets(settings, names.FRAUD_SCORES_TOPIC)
        shop(env, *rate, "--seconds", str(wanted["seconds"]), "--seed", "8")
        # What comes last waits until the job believes in the silence; that is no measure of a busy shop.
        until = 1000 * (time.time() - SILENCE)
        time.sleep(10)
        waited = sorted(wait for at, wait in waits(settings, since) if at < until)
    return {
        "latency_rate": wanted["rate"],
        "scores": len(waited),
        **{f"latency_p{percent}_ms": waited[len(waited) * percent // 100] for percent in (50, 99)},
    }


@contextmanager
def scoring(env: dict[str, str], settings: Settings, folder: str) -> Iterator[None]:
    """fraud_scores is running, and has come from the history to the events of this moment."""
    with Path(folder, "job.log").open("w") as log:
        command = [str(PYTHON), "-m", "bench.stream_jobs", "run", folder]
        job = subprocess.Popen(command, cwd=REPO, env=env, stdout=log, stderr=log)
        try:
            for _ in range(60):
                before = end_offsets(settings, names.FRAUD_SCORES_TOPIC)
                shop(env, "live", "--rate", "50", "--seconds", "5")
                if job.poll() is not None or min((wait for _, wait in waits(settings, before)), default=LONG) < LONG:
                    break
            if job.poll() is not None:
                raise SystemExit(f"error: fraud_scores ended: {Path(folder, 'job.log').read_text()[-1000:]}")
            yield
        finally:
            job.terminate()
            job.wait()


def waits(settings: Settings, since: dict[int, int]) -> Iterator[tuple[int, int]]:
    """For each score from these offsets on, its event's time and the milliseconds from it to the record's arrival at the broker."""
    for message in records(settings, names.FRAUD_SCORES_TOPIC, since):
        happened = json.loads(message.value() or b"{}")["event_time"]
        yield happened, message.timestamp()[1] - happened


if __name__ == "__main__":
    print(json.dumps(measure({name: int(value) for name, value in (one.split("=") for one in sys.argv[1:])}), indent=1))
