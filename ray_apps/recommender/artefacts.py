"""A model on disk or in the object store: plain files, and a manifest that seals them.

`sessions.npz` holds the sessions that the retrievers index, `items.arrow` the items' ids, `ranker.txt` LightGBM's own
text. `manifest.json` is written last, so a folder without one is no model; it carries the sha256 of each file and of
itself. Nothing is read that the manifest does not vouch for, and nothing that could run code is read at all.
"""

import hashlib
import io
import json
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import fs

from ray_apps.recommender.features import FEATURES
from ray_apps.recommender.ranker import Model
from ray_apps.recommender.retrieval import Index
from ray_apps.recommender.sessions import Sessions

MANIFEST = "manifest.json"
FILES = ("sessions.npz", "items.arrow", "ranker.txt")
LIBRARIES = ("lightgbm", "numba", "numpy", "pyarrow", "scipy")


class ArtefactError(ValueError):
    """A model is missing something, was changed, or is not of this code; the text says what."""


@dataclass(frozen=True)
class Manifest:
    """What a model was made from and what it reached."""

    data: str
    seed: int
    parameters: dict[str, Any]
    metrics: dict[str, float]
    features: tuple[str, ...] = FEATURES
    versions: dict[str, str] = field(default_factory=lambda: {name: version(name) for name in LIBRARIES})
    files: dict[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The model's name: it changes with every byte of every file and every word here."""
        return _sha256(json.dumps(self.__dict__, sort_keys=True).encode())


@dataclass(frozen=True)
class Artefact:
    """A model, the ids of its items (number i is the i-th) and its manifest."""

    model: Model
    ids: NDArray[Any]
    manifest: Manifest


def write(artefact: Artefact, place: fs.FileSystem, folder: str) -> Manifest:
    """Write a model into its folder. Returns the manifest with the files' sha256.

    A folder that holds this very model already stays as it is. Raises ArtefactError if it holds another one.
    """
    contents = _contents(artefact)
    sealed = Manifest(**artefact.manifest.__dict__ | {"files": {name: _sha256(content) for name, content in contents.items()}})
    if place.get_file_info(f"{folder}/{MANIFEST}").type != fs.FileType.NotFound:
        return read(place, folder, sealed.sha256).manifest
    place.create_dir(folder, recursive=True)
    for name, content in contents.items():
        _put(place, f"{folder}/{name}", content)
    text = json.dumps({**sealed.__dict__, "sha256": sealed.sha256}, indent=1, sort_keys=True)
    # What a reader takes for a whole model appears at once.
    _put(place, f"{folder}/{MANIFEST}.part", text.encode())
    place.move(f"{folder}/{MANIFEST}.part", f"{folder}/{MANIFEST}")
    return sealed


def read(place: fs.FileSystem, folder: str, sha256: str = "") -> Artefact:
    """Read a model back. Raises ArtefactError unless each byte is as it was written, and it is the one called `sha256`."""
    manifest = _manifest(_get(place, folder, MANIFEST), folder)
    if sha256 and manifest.sha256 != sha256:
        raise ArtefactError(f"{folder}: holds model {manifest.sha256[:12]}, not {sha256[:12]}")
    if set(manifest.files) != set(FILES) or tuple(manifest.features) != FEATURES:
        raise ArtefactError(f"{folder}: was written by another version of this code; train it anew")
    contents = {name: _get(place, folder, name) for name in FILES}
    for name, content in contents.items():
        if _sha256(content) != manifest.files[name]:
            raise ArtefactError(f"{folder}/{name}: is not what was written: its sha256 differs from the manifest's")
    sessions, ids = _arrays(contents)
    return Artefact(Model(Index(sessions, len(ids)), lgb.Booster(model_str=contents["ranker.txt"].decode())), ids, manifest)


def _contents(artefact: Artefact) -> dict[str, bytes]:
    sessions, rows = artefact.model.index.sessions, io.BytesIO()
    np.savez_compressed(rows, allow_pickle=False, **{k: v for k, v in sessions.__dict__.items() if v is not None})
    ids = pa.BufferOutputStream()
    table = pa.table({"id": artefact.ids})
    with pa.ipc.new_file(ids, table.schema) as file:
        file.write_table(table)
    return dict(zip(FILES, (rows.getvalue(), ids.getvalue().to_pybytes(), artefact.model.booster.model_to_string().encode()), strict=True))


def _arrays(contents: dict[str, bytes]) -> tuple[Sessions, NDArray[Any]]:
    with np.load(io.BytesIO(contents["sessions.npz"]), allow_pickle=False) as rows:
        sessions = Sessions(**rows)
    return sessions, pa.ipc.open_file(contents["items.arrow"]).read_all()["id"].to_numpy()


def _manifest(content: bytes, folder: str) -> Manifest:
    try:
        body = json.loads(content)
        seal = body.pop("sha256")
        manifest = Manifest(**body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{folder}/{MANIFEST}: is no manifest: {error}") from None
    if manifest.sha256 != seal:
        raise ArtefactError(f"{folder}/{MANIFEST}: is not what was written: its seal does not match")
    return manifest


def _put(place: fs.FileSystem, path: str, content: bytes) -> None:
    with place.open_output_stream(path) as stream:
        stream.write(content)


def _get(place: fs.FileSystem, folder: str, name: str) -> bytes:
    try:
        with place.open_input_stream(f"{folder}/{name}") as stream:
            return bytes(stream.read())
    except (OSError, pa.ArrowException) as error:
        raise ArtefactError(f"{folder}/{name}: cannot be read: {str(error).splitlines()[0]}") from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
