"""The training job: rows in any order give the same model, and the receipt names inputs, outputs and content."""

import hashlib
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import fs

from clickstream_contracts import held_out as held_out_file
from clickstream_contracts.held_out import HeldOut
from clickstream_contracts.model_artefact import FORMAT, MANIFEST
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.rollout_pointer import Pointer
from ray_apps.common.progress import Progress
from ray_apps.jobs import gate, train, training_data
from ray_apps.jobs.train import EVALUATION
from ray_apps.recommender import artefacts, ranker
from ray_apps.recommender.artefacts import Artefact, Manifest
from ray_apps.recommender.as_served import as_served, coverage
from ray_apps.recommender.evaluation import Evaluation
from ray_apps.recommender.index import Index
from ray_apps.recommender.ranker import Model, Recipe, Search
from ray_apps.recommender.sessions import Sessions, item_numbers, prefixes
from tests.ray_apps import serving, shop
from tests.ray_apps.serving import FakeRolloutStore

START = datetime(2026, 1, 2, tzinfo=UTC)
LISTS = shop.visits(1500, items=120)
DISK = fs.LocalFileSystem()


def sessions_table(lists: list[list[int]], order: list[int]) -> pa.Table:
    """`features.training_sessions` with these sessions, in this order of rows."""
    rows: list[dict[str, Any]] = [
        {"session_id": f"s-{number}", "started_at": START + timedelta(minutes=number), "items": [f"p-{item}" for item in items]}
        for number, items in enumerate(lists)
    ]
    fields = {"session_id": pa.string(), "started_at": pa.timestamp("us", "UTC"), "items": pa.list_(pa.string())}
    return pa.Table.from_pylist([rows[position] for position in order], pa.schema(fields))


def command(folder: Path, *more: str) -> list[str]:
    uri = folder.as_uri()
    return ["--ref", "tag-1", "--run", "r", "--model", f"{uri}/model", "--receipt", f"{uri}/receipt.json", *more]


@pytest.fixture
def shuffled(monkeypatch: pytest.MonkeyPatch) -> None:
    """`features.training_sessions` has the sessions LISTS; each read returns the rows in another order."""
    generator = np.random.default_rng()
    monkeypatch.setattr(
        training_data,
        "read",
        lambda settings, ref: (sessions_table(LISTS, generator.permutation(len(LISTS)).tolist()), "s3://lake/state.json"),
    )


def test_sessions_are_sorted_by_time_and_item_ids_alphabetically() -> None:
    sessions, ids = training_data.to_sessions(sessions_table([[7, 3], [], [3, 3, 10]], [2, 0, 1]))
    assert ids.tolist() == ["p-10", "p-3", "p-7"]
    assert sessions.items.tolist() == [2, 1, 1, 1, 0]
    assert sessions.offsets.tolist() == [0, 2, 5]
    assert sessions.times is not None
    assert sessions.times.tolist() == [START.timestamp(), START.timestamp() + 120]


@pytest.mark.usefixtures("shuffled")
def test_a_training_writes_a_model_an_evaluation_and_a_receipt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(command(tmp_path / "first")) == 0
    receipt = Receipt.from_json((tmp_path / "first" / "receipt.json").read_text())
    model = artefacts.read(DISK, str(tmp_path / "first" / "model"))
    assert receipt.content == {"model": model.manifest.sha256}
    assert receipt.inputs == {training_data.TABLE: "s3://lake/state.json"}
    assert receipt.rows == {training_data.TABLE: len(LISTS)}
    assert receipt.facts["metrics"] == model.manifest.metrics
    assert (receipt.facts["champion"], receipt.facts["champion_unreadable"]) == ("", "")
    assert receipt.facts["data"] == "tag-1"
    assert model.manifest.data == train.data_digest(*training_data.to_sessions(sessions_table(LISTS, list(range(len(LISTS))))))
    assert len(model.model.index.sessions) == len(LISTS)

    # The same sessions give the same model at another tag, and the gate can judge it with itself as champion.
    assert train.main(command(tmp_path / "second", "--ref", "tag-2", "--champion", str(tmp_path / "first" / "model"))) == 0
    assert Receipt.from_json((tmp_path / "second" / "receipt.json").read_text()).content == receipt.content
    capsys.readouterr()
    folder, sha256 = tmp_path / "second" / "model", model.manifest.sha256
    arguments = ["--model", str(folder), "--sha256", sha256, "--evaluation", str(folder / EVALUATION), "--champion", sha256]
    assert gate.main(arguments) == 0, capsys.readouterr().out
    assert json.loads(capsys.readouterr().out)["numbers"]["all_hr20_over_champion"] == 0


def stored(lists: list[list[int]]) -> Artefact:
    """A model of these sessions, as it would be read from its folder."""
    sessions, ids = training_data.to_sessions(sessions_table(lists, list(range(len(lists)))))
    model, _ = ranker.train(sessions, len(ids), Recipe(rounds=2), Progress(silent=True))
    return Artefact(model, ids, Manifest("tag-0", 7, {}, {}))


@pytest.fixture
def champion(tmp_path: Path) -> Path:
    """The folder of a model in service."""
    artefacts.write(stored(LISTS), DISK, str(tmp_path / "champion"))
    return tmp_path / "champion"


@pytest.mark.usefixtures("shuffled")
def test_a_champion_of_an_older_format_leaves_the_comparison_with_the_baselines_and_its_reason(
    tmp_path: Path, champion: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    body = json.loads((champion / MANIFEST).read_text())
    older = {name: value for name, value in body.items() if name not in ("sha256", "format", "retrieval")}
    sha256 = hashlib.sha256(json.dumps(older, sort_keys=True).encode()).hexdigest()
    (champion / MANIFEST).write_text(json.dumps(older | {"sha256": sha256}))

    with caplog.at_level(logging.WARNING):
        assert train.main(command(tmp_path, "--champion", str(champion))) == 0
    receipt = Receipt.from_json((tmp_path / "receipt.json").read_text())
    reason = f"{champion}/{MANIFEST}: artefact format 1, this code reads {FORMAT}: train a new model"
    assert (receipt.facts["champion"], receipt.facts["champion_unreadable"]) == (sha256, reason)
    assert caplog.messages == [f"champion {sha256[:12]} is not compared with: {reason}"]
    evaluation = Evaluation.from_bytes((tmp_path / "model" / EVALUATION).read_bytes())
    assert set(evaluation.values) == {"candidate", "popularity", "covisitation"}

    capsys.readouterr()
    model, model_sha256 = tmp_path / "model", receipt.content["model"]
    arguments = ["--model", str(model), "--sha256", model_sha256, "--evaluation", str(model / EVALUATION), "--champion"]
    assert gate.main([*arguments, sha256]) == 0
    assert json.loads(capsys.readouterr().out)["champion_unreadable"] == reason
    assert gate.main([*arguments, "0" * 64]) == 1, "the champion is not the one of the training"


@pytest.mark.usefixtures("shuffled")
def test_a_damaged_champion_fails_the_training(tmp_path: Path, champion: Path) -> None:
    content = bytearray((champion / artefacts.ITEMS).read_bytes())
    content[len(content) // 2] ^= 1
    (champion / artefacts.ITEMS).write_bytes(content)
    assert train.main(command(tmp_path, "--champion", str(champion))) == 1
    assert "is not what was written" in Receipt.from_json((tmp_path / "receipt.json").read_text()).error


@pytest.mark.usefixtures("shuffled")
def test_the_evaluated_model_has_not_seen_the_held_out_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_ranker, trained_on = ranker.train, []

    def spy(sessions: Sessions, *arguments: Any) -> tuple[Model, Search]:
        model, search = train_ranker(sessions, *arguments)
        trained_on.append((len(sessions), len(model.index.sessions)))
        return model, search

    monkeypatch.setattr(ranker, "train", spy)
    assert train.main(command(tmp_path)) == 0
    past = int(len(LISTS) * (1 - train.HELD_OUT))
    assert trained_on == [(past, past)]
    evaluation = Evaluation.from_bytes((tmp_path / "model" / EVALUATION).read_bytes())
    assert len(evaluation.groups) == sum(len(visit) - 1 for visit in LISTS[past:])


def test_the_champion_ranks_as_it_serves_without_the_held_out_sessions() -> None:
    champion = stored(LISTS)
    past, items = champion.model.index.sessions.between(0, 1400), len(champion.ids)
    queries = prefixes(champion.model.index.sessions.between(1400, 1450))
    served = as_served(champion, champion.ids, START.timestamp() + 60 * 1400)
    assert served is not None
    assert served.model.index.sessions.offsets.tolist() == past.offsets.tolist()
    expected = Model(Index(past, items), champion.model.booster).rank(queries, 20)
    assert served.rank(queries, 20).tolist() == expected.tolist()
    assert as_served(champion, champion.ids, START.timestamp()) is None

    # The same queries under other numbers: one item is unknown to the champion, one of its items is unknown to the queries.
    renamed = np.array(sorted({"a-new"} | set(champion.ids.tolist()) - {"p-0"}))
    numbers = item_numbers(renamed, champion.ids)
    translated = replace(queries, items=np.where(numbers[queries.items] < 0, 0, numbers[queries.items]).astype(np.int32))
    other = as_served(champion, renamed, START.timestamp() + 60 * 1400)
    assert other is not None
    lists = other.rank(translated, 20)
    assert lists.shape == expected.shape
    without_p0 = [row for row, query in enumerate(zip(queries.begin, queries.end, strict=True)) if 0 not in queries.items[slice(*query)]]
    assert len(without_p0) > 20
    assert lists[without_p0].tolist() == numbers[expected[without_p0]].tolist()
    assert coverage(champion, champion.ids) == 1
    assert coverage(champion, renamed) == pytest.approx(1 - 1 / items)


@pytest.mark.usefixtures("shuffled")
def test_a_candidate_that_lost_three_quarters_of_its_sessions_is_refused(
    tmp_path: Path, champion: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = [visit for number, visit in enumerate(LISTS) if number % 4 == 0]
    monkeypatch.setattr(training_data, "read", lambda settings, ref: (sessions_table(lost, list(range(len(lost)))), "state"))
    # The sessions that are left are held out in part: enough to be judged by the other rules too.
    monkeypatch.setattr(train, "HELD_OUT", 0.2)
    assert train.main(command(tmp_path, "--champion", str(champion))) == 0
    receipt = Receipt.from_json((tmp_path / "receipt.json").read_text())
    sizes = receipt.facts["sizes"]
    assert (sizes["sessions"], sizes["champion_sessions"], sizes["champion_items"]) == (375, 1500, 120)
    model = tmp_path / "model"
    arguments = ["--model", str(model), "--sha256", receipt.content["model"], "--evaluation", str(model / EVALUATION)]
    capsys.readouterr()
    assert gate.main([*arguments, "--champion", receipt.facts["champion"]]) == 1
    assert "the candidate has 375 sessions, the champion 1500" in capsys.readouterr().out


@pytest.mark.usefixtures("shuffled")
def test_the_lists_of_the_held_out_sessions_are_those_that_a_replica_makes(tmp_path: Path) -> None:
    """Online equals offline: the check of a rollout compares these lists with the responses of Ray Serve."""
    assert train.main(command(tmp_path)) == 0
    artefact = artefacts.read(DISK, str(tmp_path / "model"))
    held_out = HeldOut.from_json((tmp_path / "model" / held_out_file.FILE).read_bytes(), artefact.manifest.sha256)
    assert len(held_out.views) >= held_out_file.LEAST_SESSIONS
    store = FakeRolloutStore()
    store.current = Pointer("r1", stable=store.add(artefact))
    recommender = serving.recommender(store)
    for views, expected in zip(held_out.views, held_out.lists, strict=True):
        response = recommender.for_session(views, "", 20, seen=True, variant="stable")
        assert [item["id"] for item in response["items"]] == expected
    past = int(len(LISTS) * (1 - train.HELD_OUT))
    prefixes_of_held_out = {tuple(visit[:end]) for visit in LISTS[past:] for end in range(1, len(visit))}
    assert {tuple(int(item.removeprefix("p-")) for item in views) for views in held_out.views} <= prefixes_of_held_out


@pytest.mark.parametrize("lists", [LISTS[:5], [[]]])
def test_an_error_is_in_the_receipt_and_in_one_line_on_stderr(
    lists: list[list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_data, "read", lambda settings, ref: (sessions_table(lists, list(range(len(lists)))), "state"))
    assert train.main(command(tmp_path)) == 1
    receipt = Receipt.from_json((tmp_path / "receipt.json").read_text())
    assert "sessions are too few to train on" in receipt.error
    assert capsys.readouterr().err.splitlines()[-1] == f"ray_apps.jobs.train: {receipt.error}"
    assert not (tmp_path / "model").exists()


def test_other_sessions_have_another_digest() -> None:
    sessions, ids = training_data.to_sessions(sessions_table([[7, 3], [1, 3]], [0, 1]))
    assert sessions.times is not None
    digest = train.data_digest(sessions, ids)
    assert train.data_digest(*training_data.to_sessions(sessions_table([[7, 3], [1, 3]], [1, 0]))) == digest
    others = (
        training_data.to_sessions(sessions_table([[3, 7], [1, 3]], [0, 1])),
        (replace(sessions, times=sessions.times + 1), ids),
        (sessions, np.array([f"q{name}" for name in ids])),
    )
    assert len({digest, *(train.data_digest(*other) for other in others)}) == 4


@pytest.mark.parametrize(("ref", "name"), [("features_1@ab12", "features_1"), ("features_1", "features_1"), ("main@ab12", "main@ab12")])
def test_the_receipt_names_a_tag_without_its_commit(ref: str, name: str) -> None:
    assert train.data_name(ref) == name
