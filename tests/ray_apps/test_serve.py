"""Serving for real: a lake, Kafka, a Ray head with HAProxy, and HTTP. The tests go on where the one before ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import NestedField, StringType

from clickstream_contracts import names
from clickstream_contracts.settings import Settings, read_env_file, read_secret
from ray_apps.common.storage import open_place, read_bytes, write_bytes
from ray_apps.recommender import artefacts
from ray_apps.recommender.artefacts import FILES
from ray_apps.serving.pointer import MODELS, ROLLOUT, Pointer
from ray_apps.serving.split import CANDIDATE, STABLE, arm
from tests.ports import free_ports
from tests.ray_apps.client import Client, clients
from tests.ray_apps.head import ROOT, Head, a_head
from tests.ray_apps.serving import artefact

pytestmark = pytest.mark.engine
PATIENCE = 240
ITEMS = ["p-3", "p-4"]


@dataclass(frozen=True)
class Shop:
    """A lake, Kafka and a head, and what a test does with them."""

    settings: Settings
    head: Head

    @cached_property
    def ask(self) -> Client:
        return Client(self.head.uri, read_secret(self.settings.serve_token_file))

    @cached_property
    def lake(self) -> RestCatalog:
        return RestCatalog("nessie", **self.settings.pyiceberg())

    @cached_property
    def producer(self) -> Producer:
        return Producer({"bootstrap.servers": self.settings.kafka_bootstrap, "linger.ms": 0})

    def deploy(self) -> None:
        command = [sys.executable, "-m", "ray_apps.serving.application"]
        done = subprocess.run(command, env=self.head.env, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + self.head.logs()

    def model(self, data: str, flip: bool = False) -> str:
        """Write a model to the store and its row to the lake. Returns its name."""
        uri = f"s3://{self.settings.s3_bucket}/models/{data.replace(' ', '-')}"
        sha256 = artefacts.write(artefact(data), *open_place(uri, self.settings)).sha256
        if flip:
            content = bytearray(read_bytes(f"{uri}/{FILES[0]}", self.settings))
            content[len(content) // 2] ^= 1
            write_bytes(f"{uri}/{FILES[0]}", bytes(content), self.settings)
        texts = dict.fromkeys(("parameters", "metrics", "trials", "code_versions", "verdict"), "{}") | {"data_commit": "c", "run": "r"}
        row = {"model_sha256": sha256, "uri": uri, "created_at": now(), "data_tag": data, "seed": 7, "passed": True, **texts}
        self.append(MODELS, row)
        return sha256

    def point(self, pointer: Pointer) -> None:
        row = {**pointer.__dict__, "at": now(), "data_tag": "t", "rule_version": "1", "action": "step", "reason": "", "run": "r"}
        self.append(ROLLOUT, row)

    def until_it_follows(self, pointer: Pointer) -> None:
        wanted = [pointer.stable, pointer.candidate]
        self.until("/arms", lambda answer: [one["model"] for one in answer["arms"].values()] == wanted)

    def append(self, table: str, row: dict[str, Any]) -> None:
        there = self.lake.load_table(table)
        there.append(pa.Table.from_pylist([row], there.schema().as_arrow()))

    def view(self, user_id: str, item: str) -> None:
        event = {"event_type": "view_item", "user_id": user_id, "product_id": item, "event_time": int(1000 * time.time())}
        self.producer.produce(names.CLICKS_TOPIC, json.dumps(event).encode(), user_id.encode())
        self.producer.flush(10)

    def until(self, path: str, right: Callable[[Any], bool], body: Any = None) -> Any:
        """Ask until the answer is right. Returns it."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                status, answer = self.ask(path, body)
            except OSError as error:
                status, answer = 0, str(error)
            if status == 200 and right(answer):
                return answer
            assert time.monotonic() < end, f"{path}: {status} {answer}\n{self.head.logs()}"
            time.sleep(0.05)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def lake_and_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Three parts of a stack. TEST_STACK_DIR names one that is up already and is left as it is."""
    kept = os.environ.get("TEST_STACK_DIR")
    home = Path(kept) if kept else tmp_path_factory.mktemp("stack")
    ports = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "CLICKSTREAM_STACK_DIR": str(home), **ports}
    stack = [str(ROOT / ".venvs" / "tools" / "bin" / "python"), "-m", "tools.localstack"]
    try:
        if not kept:
            subprocess.run([*stack, "up", "--only", "s3,nessie,kafka"], cwd=ROOT, env=env, check=True)
        settings = Settings.from_env(read_env_file(home / "settings.env"))
        prepare(settings)
        yield settings
    finally:
        if not kept:
            subprocess.run([*stack, "clean"], cwd=ROOT, env=env, check=False)


def prepare(settings: Settings) -> None:
    """What other rooms bring: the table of models and the topic of lists."""
    lake = RestCatalog("nessie", **settings.pyiceberg())
    lake.create_namespace_if_not_exists("ml")
    fields = [NestedField(number, name, StringType(), required=True) for number, name in enumerate(("model_sha256", "uri"), 1)]
    lake.create_table_if_not_exists(MODELS, Schema(*fields))
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    if names.RECOMMENDATIONS_TOPIC not in admin.list_topics(timeout=10).topics:
        topic = NewTopic(names.RECOMMENDATIONS_TOPIC, 2, 1, config={"cleanup.policy": "compact"})
        admin.create_topics([topic])[names.RECOMMENDATIONS_TOPIC].result(30)


@pytest.fixture(scope="module")
def shop(lake_and_kafka: Settings) -> Iterator[Shop]:
    with a_head(Path(sys.executable), lake_and_kafka.to_env()) as head:
        found = Shop(replace(lake_and_kafka, serve_uri=head.uri), head)
        found.deploy()
        with closing(found.ask):
            yield found


@pytest.fixture(scope="module")
def stable(shop: Shop) -> str:
    """A model that serves everybody."""
    name = shop.model("stable")
    shop.point(Pointer("r1", name))
    shop.until("/recommend", lambda answer: answer["model"] == name, {"items": ITEMS})
    return name


def test_without_a_model_there_is_an_answer_and_without_the_token_there_is_none(shop: Shop) -> None:
    shop.view("u-first", "p-9")
    answer = shop.until("/recommend/u-first", lambda answer: bool(answer["items"]))
    assert answer == {"items": [{"id": "p-9"}], "release": "", "model": "", "arm": "none", "fallback": "no model yet"}
    with closing(Client(shop.head.uri, "wrong")) as stranger:
        assert stranger("/recommend/u-first")[0] == 401
        assert stranger("/healthz")[0] == 200
    assert shop.ask("/recommend/u-first?k=0")[0] == 422
    shop.producer.produce(names.RECOMMENDATIONS_TOPIC, json.dumps({"user_id": "u-list", "items": ["a", "b"]}).encode(), b"u-list")
    shop.producer.flush(10)
    assert shop.until("/recommend/u-list", lambda answer: answer["fallback"] == "recommendations stream")["items"][0] == {"id": "a"}


def test_a_view_changes_the_list_within_a_second(shop: Shop, stable: str) -> None:
    waits = []
    for number in range(200):
        user, item = f"u-live-{number}", f"p-{number % 60}"
        begin = time.monotonic()
        shop.view(user, item)
        answer = shop.until(f"/recommend/{user}", lambda answer: answer["fallback"] == "")
        waits.append(time.monotonic() - begin)
        assert answer["model"] == stable
        assert {"id": item} not in answer["items"]
    waits.sort()
    print(f"a view is in the list after {1000 * waits[100]:.0f} ms (median), {1000 * waits[197]:.0f} ms (p99)")
    assert waits[197] < 1


def test_nothing_listens_for_others(shop: Shop, stable: str) -> None:
    import ray  # noqa: F401 - it brings a psutil of its own and puts it on the path
    import psutil  # isort: skip

    own = set(shop.head.processes())
    found = {one.laddr.ip for one in psutil.net_connections("inet") if one.pid in own and one.status == psutil.CONN_LISTEN}
    assert {address.removeprefix("::ffff:") for address in found} == {"127.0.0.1"}


def test_deploying_again_changes_nothing(shop: Shop, stable: str) -> None:
    before = shop.head.replicas()
    shop.deploy()
    assert shop.head.replicas() == before
    assert len(before) == 1


def test_a_pointer_moves_users_and_moves_them_back_without_a_lost_answer(shop: Shop, stable: str) -> None:
    candidate = shop.model("the candidate")
    with clients(4, shop.head.uri, read_secret(shop.settings.serve_token_file), ITEMS) as seen:
        for pointer in (Pointer("r2", stable, candidate, 50), Pointer("r2", candidate), Pointer("r1", stable)):
            shop.point(pointer)
            shop.until_it_follows(pointer)
            time.sleep(2)
    print(f"{sum(seen.statuses.values())} answers, the longest after {seen.longest:.2f} s: {seen.kinds}")
    assert set(seen.statuses) == {200}
    assert set(seen.kinds) == {(STABLE, stable, ""), (STABLE, candidate, ""), (CANDIDATE, candidate, "")}
    assert seen.longest < 1


def test_a_candidate_with_a_flipped_byte_leaves_the_stable_share_alone(shop: Shop, stable: str) -> None:
    bad = shop.model("flipped", flip=True)
    users = [f"u-{number}" for number in range(30)]
    before = {user: shop.ask("/recommend", {"items": ITEMS, "user_id": user})[1] for user in users}
    shop.point(Pointer("r1", stable, bad, 50))
    chosen = next(user for user in users if arm(user, 50) == CANDIDATE)
    shop.until("/recommend", lambda answer: answer["fallback"] == "candidate failed", {"items": ITEMS, "user_id": chosen})
    for user in users:
        status, answer = shop.ask("/recommend", {"items": ITEMS, "user_id": user})
        assert (status, answer) == (200, before[user] | ({"fallback": "candidate failed"} if arm(user, 50) == CANDIDATE else {}))
    told = shop.ask("/arms")[1]["arms"]
    assert told[CANDIDATE]["errors"] == told[CANDIDATE]["requests"] > 0
    assert (told[CANDIDATE]["model"], told[STABLE]["errors"]) == ("", 0)
    shop.point(Pointer("r1", stable))
    shop.until("/arms", lambda answer: answer["arms"][CANDIDATE]["requests"] == 0)


def test_load_brings_a_second_replica_and_quiet_takes_it_away(shop: Shop, stable: str) -> None:
    with clients(40, shop.head.uri, read_secret(shop.settings.serve_token_file), ITEMS) as seen:
        wait_for(lambda: len(shop.head.replicas()) == 2)
        time.sleep(2)
    assert set(seen.statuses) == {200}
    wait_for(lambda: len(shop.head.replicas()) == 1)
    assert shop.ask("/recommend", {"items": ITEMS})[1]["model"] == stable


def test_a_killed_replica_comes_back_with_its_memory_and_its_pointer(shop: Shop, stable: str) -> None:
    before = shop.ask("/recommend/u-live-7")[1]
    [(name, pid)] = shop.head.replicas().items()
    os.kill(pid, signal.SIGKILL)
    begin = time.monotonic()
    wait_for(lambda: name not in shop.head.replicas())
    after = shop.until("/recommend/u-live-7", lambda answer: True)
    print(f"answers are back {time.monotonic() - begin:.0f} s after the kill")
    assert after == before
    assert after["model"] == stable


def wait_for(right: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not right():
        assert time.monotonic() < end
        time.sleep(0.5)
