"""A model is read exactly as it was written, or refused."""

import hashlib
import json
import logging
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import fs

from clickstream_contracts.model_artefact import FORMAT, MANIFEST, ArtefactError, IncompatibleArtefact
from ray_apps.common.progress import Progress
from ray_apps.jobs import gate
from ray_apps.recommender import artefacts, ranker, retrievers
from ray_apps.recommender.artefacts import REQUIRED_FILES, SESSIONS, Artefact, Manifest
from ray_apps.recommender.evaluation import evaluate
from ray_apps.recommender.metrics import TOP
from ray_apps.recommender.ranker import Recipe
from ray_apps.recommender.retrievers import RetrievalConfig
from ray_apps.recommender.sessions import prefixes
from tests.ray_apps import shop

DISK = fs.LocalFileSystem()
QUIET = Progress(silent=True)
QUERIES = prefixes(shop.sessions(shop.visits(120, seed=2)))


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    recipe = Recipe(rounds=5)
    model, _ = ranker.train(shop.sessions(shop.visits(700)), shop.ITEMS, recipe, QUIET)
    ids = np.array([f"p-{number}" for number in range(shop.ITEMS)])
    return Artefact(model, ids, Manifest("tag-1", recipe.seed, recipe.parameters, {"hr20": 50.0}))


@pytest.fixture(scope="module")
def written(artefact: Artefact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    artefacts.write(artefact, DISK, str(folder))
    return folder


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "model"))


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest and give it the sha256 that fits its new content."""
    body = json.loads((folder / MANIFEST).read_text())
    del body["sha256"]
    change(body)
    body["sha256"] = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(body))


def test_a_model_that_is_read_ranks_as_the_one_that_was_written(artefact: Artefact, written: Path) -> None:
    read = artefacts.read(DISK, str(written))
    assert (read.model.rank(QUERIES, TOP) == artefact.model.rank(QUERIES, TOP)).all()
    assert (read.ids == artefact.ids).all()
    assert (read.manifest.data, read.manifest.metrics) == ("tag-1", {"hr20": 50.0})
    assert {"lightgbm", "numpy"} <= set(read.manifest.versions)
    assert {path.name for path in written.iterdir()} == {*REQUIRED_FILES, MANIFEST}


def test_the_same_model_has_the_same_sha256(artefact: Artefact, written: Path, tmp_path: Path) -> None:
    rewritten = artefacts.write(artefact, DISK, str(tmp_path / "second"))
    assert rewritten.sha256 == artefacts.read(DISK, str(written)).manifest.sha256


@pytest.mark.parametrize("name", [*REQUIRED_FILES, MANIFEST])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_flipped_byte_is_refused(copy: Path, name: str, share: float) -> None:
    content = bytearray((copy / name).read_bytes())
    content[int(len(content) * share)] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ArtefactError, match=name):
        artefacts.read(DISK, str(copy))


@pytest.mark.parametrize("name", [*REQUIRED_FILES, MANIFEST])
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ArtefactError, match=f"{name}: cannot be read"):
        artefacts.read(DISK, str(copy))


def test_the_bytes_of_the_arrays_do_not_depend_on_python_and_zlib(written: Path) -> None:
    with zipfile.ZipFile(written / SESSIONS) as archive:
        entries = archive.infolist()
    assert entries
    assert {(entry.compress_type, entry.date_time) for entry in entries} == {(zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))}
    # Version 2.0 of the format: headers of ZIP64 would ask for 4.5.
    assert {(entry.extract_version, entry.extra) for entry in entries} == {(20, b"")}


def test_a_model_with_another_sha256_than_expected_is_refused(written: Path) -> None:
    with pytest.raises(ArtefactError, match=r"not 0{12}"):
        artefacts.read(DISK, str(written), "0" * 64)


def test_a_model_never_overwrites_another_one(artefact: Artefact, copy: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in copy.iterdir()}
    artefacts.write(artefact, DISK, str(copy))
    other = replace(artefact, manifest=replace(artefact.manifest, data="tag-2"))
    with pytest.raises(ArtefactError, match="holds model"):
        artefacts.write(other, DISK, str(copy))
    assert {path.name: path.stat().st_mtime_ns for path in copy.iterdir()} == before


def test_an_interrupted_write_leaves_no_model_and_can_be_repeated(
    artefact: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file = artefacts._write_file

    def interrupted(storage: fs.FileSystem, path: str, content: bytes) -> None:
        if path.endswith("ranker.txt"):
            raise KeyboardInterrupt
        write_file(storage, path, content)

    monkeypatch.setattr(artefacts, "_write_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        artefacts.write(artefact, DISK, str(tmp_path / "model"))
    with pytest.raises(ArtefactError, match=MANIFEST):
        artefacts.read(DISK, str(tmp_path / "model"))
    monkeypatch.undo()
    artefacts.write(artefact, DISK, str(tmp_path / "model"))


def test_a_model_is_built_with_the_parameters_of_its_manifest(artefact: Artefact, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New defaults in the code do not change a stored model."""
    entry = retrievers.RETRIEVERS["covisitation"]
    changed = entry._replace(parameters=replace(entry.parameters, decay=0.1, per_item=3, window=1))
    monkeypatch.setitem(retrievers.RETRIEVERS, "covisitation", changed)
    assert RetrievalConfig().parameters["covisitation"]["decay"] == 0.1
    read = artefacts.read(DISK, str(written))
    assert read.model.index.retrieval == artefact.model.index.retrieval
    assert read.model.index.retrieval.parameters["covisitation"]["decay"] == 0.7
    assert (read.model.rank(QUERIES, TOP) == artefact.model.rank(QUERIES, TOP)).all()


def test_each_retrieval_parameter_is_part_of_the_sha256(artefact: Artefact, written: Path, tmp_path: Path) -> None:
    retrieval = artefact.model.index.retrieval
    parameters = {name: dict(values) for name, values in retrieval.parameters.items()}
    parameters["vstan"]["neighbours"] = 499
    index = replace(artefact.model.index, retrieval=replace(retrieval, parameters=parameters))
    manifest = artefacts.write(replace(artefact, model=replace(artefact.model, index=index)), DISK, str(tmp_path / "other"))
    assert manifest.sha256 != artefacts.read(DISK, str(written)).manifest.sha256


UNKNOWN: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "retriever": (lambda body: body["retrieval"]["parameters"].update(item2vec={}), "unknown retriever 'item2vec'"),
    "parameter": (lambda body: body["retrieval"]["parameters"]["vsknn"].update(colour=3), "retriever 'vsknn' has no parameter colour"),
    "no parameter": (lambda body: body["retrieval"]["parameters"]["vsknn"].pop("idf"), "retriever 'vsknn' lacks the parameter idf"),
    "no retriever": (lambda body: body["retrieval"]["parameters"].pop("vstan"), "no parameters for the retriever vstan"),
    "no links": (lambda body: body["retrieval"]["links_from"].append("vstan"), "retriever 'vstan' has no links"),
    "setting": (lambda body: body["retrieval"].update(temperature=1), "differs from this code's in temperature"),
    "feature": (lambda body: body["features"].append("price"), "unknown feature price"),
    "file": (lambda body: body["files"].update({"code.py": "0"}), "lists the files code.py"),
    "manifest": (lambda body: body.pop("retrieval"), "written by another version of this code"),
    "newer format": (
        lambda body: body.update(format=FORMAT + 1),
        f"artefact format {FORMAT + 1}, this code reads {FORMAT}: train a new model",
    ),
    "no format": (lambda body: body.pop("format"), f"artefact format 1, this code reads {FORMAT}: train a new model"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_model_that_this_code_cannot_build_is_refused_with_the_reason(case: str, copy: Path) -> None:
    change, message = UNKNOWN[case]
    edit_manifest(copy, change)
    with pytest.raises(ArtefactError, match=message):
        artefacts.read(DISK, str(copy))


@pytest.mark.parametrize("case", ["retriever", "parameter", "setting", "feature", "manifest", "newer format", "no format"])
def test_an_undamaged_model_that_this_code_cannot_build_is_incompatible_and_named(case: str, copy: Path) -> None:
    edit_manifest(copy, UNKNOWN[case][0])
    sha256 = json.loads((copy / MANIFEST).read_text())["sha256"]
    with pytest.raises(IncompatibleArtefact) as raised:
        artefacts.read(DISK, str(copy), sha256)
    assert raised.value.sha256 == sha256


def test_a_damaged_or_unexpected_model_of_another_format_is_not_incompatible(copy: Path) -> None:
    edit_manifest(copy, lambda body: body.pop("format"))
    with pytest.raises(ArtefactError, match=r"not 0{12}") as unexpected:
        artefacts.read(DISK, str(copy), "0" * 64)
    text = (copy / MANIFEST).read_text()
    (copy / MANIFEST).write_text(text.replace('"seed": 7', '"seed": 8'))
    with pytest.raises(ArtefactError, match="its sha256 does not match") as damaged:
        artefacts.read(DISK, str(copy))
    assert not {type(unexpected.value), type(damaged.value)} & {IncompatibleArtefact}


def test_a_model_made_by_other_code_is_read_with_a_warning(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        artefacts.read(DISK, str(copy))
        assert caplog.messages == []
        edit_manifest(copy, lambda body: body.update(source="0" * 64))
        artefacts.read(DISK, str(copy))
    assert "was made by other code of the recommender" in caplog.messages[0]


def test_the_gate_judges_the_stored_model(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artefact = artefacts.read(DISK, str(written))
    index, sha256 = artefact.model.index, artefact.manifest.sha256
    baselines = {name: partial(index.rank, name) for name in ("popularity", "covisitation")}
    evaluation = tmp_path / "evaluation.npz"
    evaluation.write_bytes(evaluate(sha256, "", {"candidate": artefact.model.rank, **baselines}, QUERIES, QUIET).to_bytes())
    arguments = ["--model", str(written), "--evaluation", str(evaluation), "--sha256"]
    assert gate.main([*arguments, sha256]) == 0
    assert '"passed": true' in capsys.readouterr().out
    assert gate.main([*arguments, "0" * 64]) == 1
    assert "not 000000000000" in capsys.readouterr().out
    evaluation.write_bytes(b"")
    assert gate.main([*arguments, sha256]) == 1
