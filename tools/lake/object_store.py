"""Small texts in the object store: receipts mostly."""

from pathlib import Path
from urllib.parse import urlparse

from clickstream_contracts.settings import Settings
from tools.lake.catalog import s3_client


def write_text(settings: Settings, uri: str, text: str) -> None:
    """Write `text` to an s3:// or file:// address."""
    where = urlparse(uri)
    if where.scheme == "file":
        path = Path(where.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    elif where.scheme == "s3":
        s3_client(settings).put_object(Bucket=where.netloc, Key=where.path.lstrip("/"), Body=text.encode())
    else:
        raise ValueError(f"{uri!r}: write to s3:// or file://")
