"""The artefact of a model, on disk or in the object store: plain files, and a manifest with their checksums.

`sessions.npz` holds the sessions that the retrievers are fitted to, `items.arrow` the item ids, `ranker.txt` the trees in
LightGBM's text format, and `retriever_NAME.npz` the arrays of a retriever that stores some. `manifest.json` is written
last, so a folder without it is not a model. It carries the sha256 of each file and of itself. No file is used that the
manifest does not list, and no format is read that can run code (npz without pickle).

The manifest also carries the retrieval configuration, and a model that is read is built from it: its sha256 fixes its
recommendations as long as the code is the same. A digest of the code is in the manifest too, but if it differs from
that of the running code, `read` only logs a warning. Most changes of the code do not change a recommendation, and a
refusal would take all models out of service with each deployment.

The checksums and the format are in `clickstream_contracts.model_artefact`: a rollout verifies them without this package.
"""

import io
import json
import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import version
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import fs

from clickstream_contracts.model_artefact import (
    FORMAT,
    MANIFEST,
    ArtefactError,
    IncompatibleArtefact,
    check_file,
    read_manifest,
    sha256_of,
    sha256_of_fields,
)
from ray_apps.recommender.compiled import SOURCE_DIGEST
from ray_apps.recommender.features import FeatureError, feature_names
from ray_apps.recommender.index import Index
from ray_apps.recommender.ranker import Model
from ray_apps.recommender.retriever import Arrays
from ray_apps.recommender.retrievers import RetrievalConfig, RetrieverError
from ray_apps.recommender.sessions import Sessions

SESSIONS, ITEMS, RANKER = "sessions.npz", "items.arrow", "ranker.txt"
# Files of every model; there is one more for each retriever that stores arrays.
REQUIRED_FILES = (SESSIONS, ITEMS, RANKER)
LIBRARIES = ("lightgbm", "numba", "numpy", "pyarrow", "scipy")
log = logging.getLogger("ray_apps.recommender")


@dataclass(frozen=True)
class Manifest:
    """What a model was made from and its metrics. `write` fills in what it takes from the model: see `_sealed`.

    `data` is the sha256 of the training sessions, `retrieval` the retrieval configuration, `features` the names of the
    trees' features, `source` is the digest of the recommender's code, `files` has the sha256 of each file, `format` is the
    format of the artefact.
    """

    data: str
    seed: int
    parameters: dict[str, Any]
    metrics: dict[str, float]
    retrieval: dict[str, Any] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    source: str = SOURCE_DIGEST
    versions: dict[str, str] = field(default_factory=lambda: {name: version(name) for name in LIBRARIES})
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def sha256(self) -> str:
        """The name of the model: it changes with every byte of every file and with every value in the manifest."""
        return sha256_of_fields(self.__dict__)


@dataclass(frozen=True)
class Artefact:
    """A model, the sorted ids of its items (item number i has the i-th id) and its manifest."""

    model: Model
    ids: NDArray[Any]
    manifest: Manifest


def write(artefact: Artefact, storage: fs.FileSystem, folder: str) -> Manifest:
    """Write a model into its folder. Returns the complete manifest.

    A folder that holds this very model already is not changed. Raises ArtefactError if it holds another one.
    """
    contents = _contents(artefact)
    manifest = _sealed(artefact, contents)
    if storage.get_file_info(f"{folder}/{MANIFEST}").type != fs.FileType.NotFound:
        return read(storage, folder, manifest.sha256).manifest
    storage.create_dir(folder, recursive=True)
    for name, content in contents.items():
        _write_file(storage, f"{folder}/{name}", content)
    text = json.dumps({**manifest.__dict__, "sha256": manifest.sha256}, indent=1, sort_keys=True)
    # The move makes the manifest appear at once: a reader never gets a part of it.
    _write_file(storage, f"{folder}/{MANIFEST}.part", text.encode())
    storage.move(f"{folder}/{MANIFEST}.part", f"{folder}/{MANIFEST}")
    return manifest


def read(storage: fs.FileSystem, folder: str, sha256: str = "") -> Artefact:
    """Read a model.

    Raises ArtefactError unless each byte is as it was written and, if `sha256` is given, it is that model. Raises
    IncompatibleArtefact if it is, but this code cannot build the model.
    """
    manifest = _manifest(_read_file(storage, folder, MANIFEST), folder, sha256)
    retrieval = _retrieval(manifest, folder)
    contents = {name: _read_file(storage, folder, name) for name in manifest.files}
    for name, content in contents.items():
        check_file(folder, name, sha256_of([content]), manifest.__dict__)
    if manifest.source != SOURCE_DIGEST:
        log.warning("%s: model %s was made by other code of the recommender; it may rank differently", folder, manifest.sha256[:12])
    ids = pa.ipc.open_file(contents[ITEMS]).read_all()["id"].to_numpy()
    stored = {_retriever(name): _arrays(content) for name, content in contents.items() if name not in REQUIRED_FILES}
    index = Index(Sessions(**_arrays(contents[SESSIONS])), len(ids), retrieval, stored)
    model = Model(index, lgb.Booster(model_str=contents[RANKER].decode()))
    if model.features != tuple(manifest.features):
        raise ArtefactError(f"{folder}/{RANKER}: its features differ from the manifest's")
    return Artefact(model, ids, manifest)


def _contents(artefact: Artefact) -> dict[str, bytes]:
    """The files of a model by their names."""
    model, ids = artefact.model, pa.BufferOutputStream()
    table = pa.table({"id": artefact.ids})
    with pa.ipc.new_file(ids, table.schema) as file:
        file.write_table(table)
    sessions = {name: array for name, array in model.index.sessions.__dict__.items() if array is not None}
    contents = {
        SESSIONS: _npz(sessions),
        ITEMS: ids.getvalue().to_pybytes(),
        RANKER: model.booster.model_to_string().encode(),
    }
    return contents | {_file(retriever): _npz(arrays) for retriever, arrays in model.index.save().items()}


def _sealed(artefact: Artefact, contents: dict[str, bytes]) -> Manifest:
    """The manifest, completed by what the model itself says."""
    model = artefact.model
    return replace(
        artefact.manifest,
        retrieval=model.index.retrieval.to_json(),
        features=model.features,
        files={name: sha256_of([content]) for name, content in contents.items()},
    )


def _retrieval(manifest: Manifest, folder: str) -> RetrievalConfig:
    """The retrieval configuration of a manifest. Raises IncompatibleArtefact if this code does not have it."""
    try:
        retrieval = RetrievalConfig.from_json(manifest.retrieval)
        if unknown := sorted(set(manifest.features) - set(feature_names(retrieval))):
            raise FeatureError(f"unknown feature {', '.join(unknown)}")
    except (RetrieverError, FeatureError) as error:
        message = f"{folder}: this code cannot build the model: {error}; train a new one, or run the code that made it"
        raise IncompatibleArtefact(message, manifest.sha256) from None
    expected = {*REQUIRED_FILES, *(_file(name) for name in retrieval.parameters)}
    files = set(manifest.files)
    if not files >= set(REQUIRED_FILES) or not files <= expected:
        raise ArtefactError(f"{folder}/{MANIFEST}: lists the files {', '.join(sorted(files))}; a model has {', '.join(REQUIRED_FILES)}")
    return retrieval


def _manifest(content: bytes, folder: str, expected_sha256: str) -> Manifest:
    """The manifest in these bytes. Raises ArtefactError, or IncompatibleArtefact if it is undamaged and of another format."""
    body = read_manifest(content, folder, expected_sha256)
    if different := sorted(set(body) ^ {entry.name for entry in fields(Manifest)}):
        raise IncompatibleArtefact(
            f"{folder}/{MANIFEST}: was written by another version of this code (differs in {', '.join(different)}): train a new model",
            sha256_of_fields(body),
        )
    return Manifest(**body)


def _file(retriever: str) -> str:
    return f"retriever_{retriever}.npz"


def _retriever(file: str) -> str:
    return file.removeprefix("retriever_").removesuffix(".npz")


def _npz(arrays: Mapping[str, Any]) -> bytes:
    """Returns the arrays in the format of numpy.savez, as the same bytes with each Python and zlib: the model's sha256 covers them.

    numpy.savez itself asks for ZIP64 headers, which versions of Python write differently; builds of zlib compress differently.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, values in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.asanyarray(values), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue())
    return file.getvalue()


def _arrays(content: bytes) -> Arrays:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return dict(file)


def _write_file(storage: fs.FileSystem, path: str, content: bytes) -> None:
    with storage.open_output_stream(path) as stream:
        stream.write(content)


def _read_file(storage: fs.FileSystem, folder: str, name: str) -> bytes:
    try:
        with storage.open_input_stream(f"{folder}/{name}") as stream:
            return bytes(stream.read())
    except (OSError, pa.ArrowException) as error:
        raise ArtefactError(f"{folder}/{name}: cannot be read: {str(error).splitlines()[0]}") from None
