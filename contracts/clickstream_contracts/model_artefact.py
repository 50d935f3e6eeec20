"""The artefact of a model as files: a manifest with the checksum of each file and of itself. It is verified here without any engine.

FORMAT is raised when the fields of the manifest or the files change, or when code is removed that stored models need. All formats
have the same checksum of the manifest, so an undamaged model of another format is distinguished from a damaged one.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

MANIFEST = "manifest.json"
# A manifest without the field `format` has format 1.
FORMAT = 2


class ArtefactError(ValueError):
    """A model is incomplete, was changed, or cannot be built by this code; the message says what is wrong."""


class IncompatibleArtefact(ArtefactError):
    """The manifest is undamaged, but this code cannot build its model: another format, an unknown retriever or feature.

    `sha256` is the model's.
    """

    def __init__(self, message: str, sha256: str) -> None:
        super().__init__(message)
        self.sha256 = sha256


def sha256_of(chunks: Iterable[bytes]) -> str:
    """The checksum of a file's content."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def sha256_of_fields(manifest_fields: Mapping[str, Any]) -> str:
    """The checksum of a manifest, from its fields without `sha256`."""
    return sha256_of([json.dumps(manifest_fields, sort_keys=True).encode()])


def read_manifest(content: bytes, folder: str, expected_sha256: str = "") -> dict[str, Any]:
    """The fields of a manifest, without `sha256`.

    Raises ArtefactError unless it is undamaged and, if `expected_sha256` is given, of that model. Raises IncompatibleArtefact if it
    is of another format.
    """
    try:
        body: dict[str, Any] = json.loads(content)
        sha256 = body.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{folder}/{MANIFEST}: is not a manifest: {error}") from None
    if sha256_of_fields(body) != sha256:
        raise ArtefactError(f"{folder}/{MANIFEST}: is not what was written: its sha256 does not match")
    if expected_sha256 and sha256 != expected_sha256:
        raise ArtefactError(f"{folder}: holds model {sha256[:12]}, not {expected_sha256[:12]}")
    if (stored_format := body.get("format", 1)) != FORMAT:
        raise IncompatibleArtefact(
            f"{folder}/{MANIFEST}: artefact format {stored_format}, this code reads {FORMAT}: train a new model", sha256
        )
    return body


def check_file(folder: str, name: str, sha256: str, manifest_fields: Mapping[str, Any]) -> None:
    """Raises ArtefactError unless `sha256` is the checksum of a file in the manifest."""
    if sha256 != manifest_fields["files"][name]:
        raise ArtefactError(f"{folder}/{name}: is not what was written: its sha256 differs from the manifest's")


def verify(read: Callable[[str], Iterable[bytes]], folder: str, expected_sha256: str) -> None:
    """Verify a model: the manifest and the checksum of each file. `read` yields the content of a file of the folder by its name.

    Raises ArtefactError unless each byte is as it was written and it is that model; IncompatibleArtefact if it is of another format.
    """
    manifest = read_manifest(b"".join(read(MANIFEST)), folder, expected_sha256)
    for name in manifest["files"]:
        check_file(folder, name, sha256_of(read(name)), manifest)
