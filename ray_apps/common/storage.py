"""Reads and writes small files on disk or in the object store by their URI."""

from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from pyarrow import fs

from clickstream_contracts import lake_clients
from clickstream_contracts.settings import Settings


def open_storage(uri: str, settings: Settings) -> tuple[fs.FileSystem, str]:
    """The file system, and the path in it, of s3://bucket/key, file:///path or a plain path."""
    parts = urlparse(uri)
    if parts.scheme == "file":
        return fs.LocalFileSystem(), url2pathname(parts.path)
    if parts.scheme != "s3":
        return fs.LocalFileSystem(), uri
    s3: Any = fs.S3FileSystem(**lake_clients.pyarrow(settings))
    return s3, f"{parts.netloc}{parts.path}".rstrip("/")


def read_bytes(uri: str, settings: Settings) -> bytes:
    """The content of a file. Raises OSError."""
    storage, path = open_storage(uri, settings)
    with storage.open_input_stream(path) as stream:
        return bytes(stream.read())


def write_bytes(uri: str, content: bytes, settings: Settings) -> None:
    """Write a file and create the folders above it. Raises OSError."""
    storage, path = open_storage(uri, settings)
    storage.create_dir(path.rpartition("/")[0], recursive=True)
    with storage.open_output_stream(path) as stream:
        stream.write(content)
