"""Small files on disk or in the object store, through one interface."""

from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from pyarrow import fs

from clickstream_contracts.settings import Settings


def open_place(uri: str, settings: Settings) -> tuple[fs.FileSystem, str]:
    """The file system and the path there of s3://bucket/key, file:///path or a plain path."""
    where = urlparse(uri)
    if where.scheme != "s3":
        return fs.LocalFileSystem(), url2pathname(where.path) if where.scheme == "file" else uri
    key, secret = settings.s3_credentials()
    store: Any = fs.S3FileSystem(access_key=key, secret_key=secret, endpoint_override=settings.s3_endpoint, region=settings.s3_region)
    return store, f"{where.netloc}{where.path}".rstrip("/")


def read_bytes(uri: str, settings: Settings) -> bytes:
    """A file's content. Raises OSError."""
    place, path = open_place(uri, settings)
    with place.open_input_stream(path) as stream:
        return bytes(stream.read())


def write_bytes(uri: str, content: bytes, settings: Settings) -> None:
    """Write a file, and the folders above it."""
    place, path = open_place(uri, settings)
    place.create_dir(path.rpartition("/")[0], recursive=True)
    with place.open_output_stream(path) as stream:
        stream.write(content)
