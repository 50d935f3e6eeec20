"""Where backups are kept: a folder, or a bucket of any S3 endpoint."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlparse

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from clickstream_contracts.settings import Settings, SettingsError
from tools.lake.object_store import s3_client

# Objects are already copied side by side; more threads per object would only multiply the memory.
ONE_THREAD = TransferConfig(use_threads=False)


class Storage(Protocol):
    """Named binary files. A name is complete as soon as it is listed: a write that was interrupted leaves none."""

    def names(self, prefix: str) -> Iterator[str]:
        """Returns the names that start with `prefix`, which ends with a slash."""

    def read(self, name: str) -> BinaryIO:
        """Returns the content of a file as a stream."""

    def write(self, name: str, content: BinaryIO) -> None:
        """Write a file from a stream."""

    def delete(self, name: str) -> None:
        """Delete a file."""


@dataclass(frozen=True)
class FolderStorage:
    """Files below a folder."""

    root: Path

    def names(self, prefix: str) -> Iterator[str]:
        files = (path for path in (self.root / prefix).rglob("*") if path.is_file() and not path.name.startswith(".part-"))
        return (str(path.relative_to(self.root)) for path in files)

    def read(self, name: str) -> BinaryIO:
        return (self.root / name).open("rb")

    def write(self, name: str, content: BinaryIO) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as draft:
            shutil.copyfileobj(content, draft)
        Path(draft.name).replace(path)

    def delete(self, name: str) -> None:
        (self.root / name).unlink()


@dataclass(frozen=True)
class BucketStorage:
    """Objects of a bucket below a key prefix, which is empty or ends with a slash."""

    client: Any
    bucket: str
    prefix: str

    def names(self, prefix: str) -> Iterator[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix)
        return (item["Key"].removeprefix(self.prefix) for page in pages for item in page.get("Contents", ()))

    def read(self, name: str) -> BinaryIO:
        body: BinaryIO = self.client.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"]
        return body

    def write(self, name: str, content: BinaryIO) -> None:
        self.client.upload_fileobj(content, self.bucket, self.prefix + name, Config=ONE_THREAD)

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self.prefix + name)


def open_storage(settings: Settings) -> Storage:
    """Returns the storage that the setting `backup_target` names. Raises SettingsError if it is the lake's own bucket."""
    address = urlparse(settings.backup_target)
    if address.scheme != "s3":
        return FolderStorage(Path(settings.backup_target.removeprefix("file://")).resolve())
    target = replace(
        settings,
        s3_endpoint=settings.backup_endpoint or settings.s3_endpoint,
        s3_access_key_file=settings.backup_access_key_file or settings.s3_access_key_file,
        s3_secret_key_file=settings.backup_secret_key_file or settings.s3_secret_key_file,
    )
    if (target.s3_endpoint, address.netloc) == (settings.s3_endpoint, settings.s3_bucket):
        raise SettingsError(f"CLICKSTREAM_BACKUP_TARGET={settings.backup_target} is the bucket of the lake itself: name another bucket")
    prefix = address.path.strip("/")
    storage = BucketStorage(s3_client(target), address.netloc, f"{prefix}/" if prefix else "")
    _create_missing_bucket(storage)
    return storage


def _create_missing_bucket(storage: BucketStorage) -> None:
    try:
        storage.client.head_bucket(Bucket=storage.bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        storage.client.create_bucket(Bucket=storage.bucket)
