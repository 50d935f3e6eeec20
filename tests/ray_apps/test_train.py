"""Training on the lake's sessions: rows in any order give the same model, and the receipt says what was made of what."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import fs

from clickstream_contracts.receipt import Receipt
from ray_apps.jobs import gate, train, training_data
from ray_apps.jobs.train import EVALUATION
from ray_apps.recommender import artefacts
from tests.ray_apps import shop

START = datetime(2026, 1, 2, tzinfo=UTC)
LISTS = shop.visits(1500, items=120)
DISK = fs.LocalFileSystem()


def lake(lists: list[list[int]], order: list[int]) -> pa.Table:
    """`features.training_sessions` with these sessions, in this order of rows."""
    rows: list[dict[str, Any]] = [
        {"session_id": f"s-{number}", "started_at": START + timedelta(minutes=number), "items": [f"p-{item}" for item in items]}
        for number, items in enumerate(lists)
    ]
    fields = {"session_id": pa.string(), "started_at": pa.timestamp("us", "UTC"), "items": pa.list_(pa.string())}
    return pa.Table.from_pylist([rows[place] for place in order], pa.schema(fields))


def command(folder: Path, *more: str) -> list[str]:
    place = folder.as_uri()
    return ["--ref", "tag-1", "--run", "r", "--model", f"{place}/model", "--receipt", f"{place}/receipt.json", *more]


@pytest.fixture
def shuffled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lake holds LISTS, and Iceberg gives their rows in an order of its own."""
    generator = np.random.default_rng()
    monkeypatch.setattr(
        training_data, "read", lambda settings, ref: (lake(LISTS, generator.permutation(len(LISTS)).tolist()), "s3://lake/state.json")
    )


def test_sessions_are_in_the_order_of_time_and_ids_in_that_of_the_alphabet() -> None:
    found, ids = training_data.sessions(lake([[7, 3], [], [3, 3, 10]], [2, 0, 1]))
    assert ids.tolist() == ["p-10", "p-3", "p-7"]
    assert found.items.tolist() == [2, 1, 1, 1, 0]
    assert found.offsets.tolist() == [0, 2, 5]
    assert found.times is not None
    assert found.times.tolist() == [START.timestamp(), START.timestamp() + 120]


@pytest.mark.usefixtures("shuffled")
def test_a_training_leaves_a_model_an_evaluation_and_a_receipt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(command(tmp_path / "one")) == 0
    receipt = Receipt.from_json((tmp_path / "one" / "receipt.json").read_text())
    model = artefacts.read(DISK, str(tmp_path / "one" / "model"))
    assert receipt.content == {"model": model.manifest.sha256}
    assert receipt.inputs == {training_data.TABLE: "s3://lake/state.json"}
    assert receipt.rows == {training_data.TABLE: len(LISTS)}
    assert receipt.facts["metrics"] == model.manifest.metrics
    assert model.manifest.data == "tag-1"
    assert len(model.model.index.sessions) == len(LISTS)

    # The same sessions give the same model, and that one can be judged by the gate as its own champion.
    assert train.main(command(tmp_path / "two", "--champion", str(tmp_path / "one" / "model"))) == 0
    assert Receipt.from_json((tmp_path / "two" / "receipt.json").read_text()).content == receipt.content
    capsys.readouterr()
    folder, name = tmp_path / "two" / "model", model.manifest.sha256
    words = ["--model", str(folder), "--sha256", name, "--evaluation", str(folder / EVALUATION), "--champion", name]
    assert gate.main(words) == 0, capsys.readouterr().out
    assert json.loads(capsys.readouterr().out)["numbers"]["all_hr20_over_champion"] == 0


@pytest.mark.parametrize("lists", [LISTS[:5], [[]]])
def test_what_goes_wrong_is_in_the_receipt_and_in_one_line(
    lists: list[list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_data, "read", lambda settings, ref: (lake(lists, list(range(len(lists)))), "state"))
    assert train.main(command(tmp_path)) == 1
    receipt = Receipt.from_json((tmp_path / "receipt.json").read_text())
    assert "sessions are too few to train on" in receipt.error
    assert capsys.readouterr().err.splitlines()[-1] == f"ray_apps.jobs.train: {receipt.error}"
    assert not (tmp_path / "model").exists()
