"""The S3 object store: a client, the bucket, listing and deleting objects, reading a file, and writing a small text such as a receipt."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from clickstream_contracts import lake_clients
from clickstream_contracts.settings import Settings

READ_BYTES = 1 << 20
# The most keys of one request.
DELETED_AT_ONCE = 1000


@dataclass(frozen=True)
class StoredObject:
    """An object of the bucket. `etag` identifies its content."""

    key: str
    size: int
    written_at: datetime
    etag: str = ""


def s3_client(settings: Settings, **options: Any) -> Any:
    """Returns a boto3 client of the object store; `options` are further ones of botocore's Config, e.g. `read_timeout`."""
    retries = {"max_attempts": 8, "mode": "standard"}
    config = Config(**{"s3": {"addressing_style": "path"}, "retries": retries, **options})
    return boto3.client("s3", config=config, **lake_clients.boto3(settings))


def ensure_bucket(settings: Settings) -> None:
    """Create the bucket if it is missing: Nessie is not healthy without it.

    Asks for this bucket only, so keys that are limited to it are enough. Raises OSError if the keys are refused.
    """
    client, bucket = s3_client(settings), settings.s3_bucket
    # S3 accepts no location constraint for its first region.
    location = {} if settings.s3_region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": settings.s3_region}}
    try:
        try:
            client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise
            client.create_bucket(Bucket=bucket, **location)
    except ClientError as error:
        raise OSError(f"bucket {bucket} at {settings.s3_endpoint}: {error}; create the bucket, or give the keys access to it") from None


def list_objects(settings: Settings, prefix: str = "") -> Iterator[StoredObject]:
    """Yields the objects of the lake's bucket whose key begins with a prefix; keys that end with a slash are folders."""
    for page in s3_client(settings).get_paginator("list_objects_v2").paginate(Bucket=settings.s3_bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            if not item["Key"].endswith("/"):
                yield StoredObject(item["Key"], item["Size"], item["LastModified"], item["ETag"].strip('"'))


def delete_objects(settings: Settings, keys: Iterable[str]) -> None:
    """Delete objects of the lake's bucket. Raises OSError if the object store refuses one."""
    client, deleted = s3_client(settings), list(keys)
    for start in range(0, len(deleted), DELETED_AT_ONCE):
        objects = [{"Key": key} for key in deleted[start : start + DELETED_AT_ONCE]]
        response = client.delete_objects(Bucket=settings.s3_bucket, Delete={"Objects": objects, "Quiet": True})
        for error in response.get("Errors", ()):
            raise OSError(f"s3://{settings.s3_bucket}/{error['Key']} was not deleted: {error['Code']} {error.get('Message', '')}")


def is_missing(error: ClientError) -> bool:
    """Returns whether a request failed because the object does not exist."""
    return error.response["Error"]["Code"] in ("NoSuchKey", "404")


def read_if_exists(settings: Settings, key: str) -> bytes | None:
    """Returns the content of an object of the lake's bucket, None if it does not exist."""
    try:
        return bytes(s3_client(settings).get_object(Bucket=settings.s3_bucket, Key=key)["Body"].read())
    except ClientError as error:
        if is_missing(error):
            return None
        raise


def read_chunks(settings: Settings, uri: str) -> Iterator[bytes]:
    """Yields the content of an s3:// or file:// address in parts. Raises OSError if it cannot be read."""
    address = urlparse(uri)
    if address.scheme != "s3":
        yield Path(address.path).read_bytes()
        return
    try:
        yield from s3_client(settings).get_object(Bucket=address.netloc, Key=address.path.lstrip("/"))["Body"].iter_chunks(READ_BYTES)
    except (BotoCoreError, ClientError) as error:
        raise OSError(f"{uri}: {error}") from None


def write_text(settings: Settings, uri: str, text: str) -> None:
    """Write `text` to an s3:// or file:// address. Raises ValueError for another scheme."""
    address = urlparse(uri)
    if address.scheme == "file":
        path = Path(address.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    elif address.scheme == "s3":
        s3_client(settings).put_object(Bucket=address.netloc, Key=address.path.lstrip("/"), Body=text.encode())
    else:
        raise ValueError(f"{uri!r}: scheme {address.scheme!r} is not supported, use s3:// or file://")
