"""A model comes back as it was written, or not at all."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import fs

from ray_apps.common.progress import Progress
from ray_apps.jobs import gate
from ray_apps.recommender import artefacts, ranker
from ray_apps.recommender.artefacts import FILES, MANIFEST, Artefact, ArtefactError, Manifest
from ray_apps.recommender.evaluation import evaluate
from ray_apps.recommender.metrics import TOP
from ray_apps.recommender.ranker import Recipe
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


def test_a_model_comes_back_with_the_same_answers(artefact: Artefact, written: Path) -> None:
    found = artefacts.read(DISK, str(written))
    assert (found.model.rank(QUERIES, TOP) == artefact.model.rank(QUERIES, TOP)).all()
    assert (found.ids == artefact.ids).all()
    assert (found.manifest.data, found.manifest.metrics) == ("tag-1", {"hr20": 50.0})
    assert {"lightgbm", "numpy"} <= set(found.manifest.versions)
    assert {path.name for path in written.iterdir()} == {*FILES, MANIFEST}


def test_the_same_model_gets_the_same_name(artefact: Artefact, written: Path, tmp_path: Path) -> None:
    again = artefacts.write(artefact, DISK, str(tmp_path / "again"))
    assert again.sha256 == artefacts.read(DISK, str(written)).manifest.sha256


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.99])
def test_a_flipped_byte_is_refused(copy: Path, name: str, place: float) -> None:
    content = bytearray((copy / name).read_bytes())
    content[int(len(content) * place)] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ArtefactError, match=name):
        artefacts.read(DISK, str(copy))


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ArtefactError, match=f"{name}: cannot be read"):
        artefacts.read(DISK, str(copy))


def test_another_model_than_the_one_asked_for_is_refused(written: Path) -> None:
    with pytest.raises(ArtefactError, match=r"not 0{12}"):
        artefacts.read(DISK, str(written), "0" * 64)


def test_a_model_is_never_written_over_another(artefact: Artefact, copy: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in copy.iterdir()}
    artefacts.write(artefact, DISK, str(copy))
    other = replace(artefact, manifest=replace(artefact.manifest, data="tag-2"))
    with pytest.raises(ArtefactError, match="holds model"):
        artefacts.write(other, DISK, str(copy))
    assert {path.name: path.stat().st_mtime_ns for path in copy.iterdir()} == before


def test_a_writer_that_dies_leaves_no_model(artefact: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(place: fs.FileSystem, path: str, content: bytes) -> None:
        if path.endswith("ranker.txt"):
            raise KeyboardInterrupt
        put(place, path, content)

    put = artefacts._put
    monkeypatch.setattr(artefacts, "_put", die)
    with pytest.raises(KeyboardInterrupt):
        artefacts.write(artefact, DISK, str(tmp_path / "model"))
    with pytest.raises(ArtefactError, match=MANIFEST):
        artefacts.read(DISK, str(tmp_path / "model"))
    monkeypatch.undo()
    artefacts.write(artefact, DISK, str(tmp_path / "model"))


def test_the_gate_judges_what_is_stored(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = artefacts.read(DISK, str(written))
    rivals = {"candidate": model.model.rank, "popularity": lambda queries, top: model.model.index.rank("popularity", queries, top)}
    name = model.manifest.sha256
    file = tmp_path / "evaluation.npz"
    file.write_bytes(evaluate(name, "", rivals, QUERIES, QUIET).to_bytes())
    words = ["--model", str(written), "--evaluation", str(file), "--sha256"]
    assert gate.main([*words, name]) == 0
    assert '"passed": true' in capsys.readouterr().out
    assert gate.main([*words, "0" * 64]) == 1
    assert "not 000000000000" in capsys.readouterr().out
    file.write_bytes(b"")
    assert gate.main([*words, name]) == 1
