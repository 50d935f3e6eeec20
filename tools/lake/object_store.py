"""The S3 object store: a client, the bucket, reading a file, and writing a small text such as a receipt."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from clickstream_contracts import lake_clients
from clickstream_contracts.settings import Settings

READ_BYTES = 1 << 20


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
