"""Finds the checkpoints and savepoints of the streams that no job uses and none will be started from.

Kept are the folder with the newest complete state of each stream, the savepoint that its last good definition remembers, and every
folder with a file that is younger than the minimum age: a running job writes checkpoints all the time. The folder of a job is kept or
deleted as a whole, because its checkpoints can share files.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.lake.object_store import s3_client

MIN_AGE = timedelta(days=7)
METADATA = "/_metadata"


@dataclass(frozen=True)
class StateFile:
    """A file of a checkpoint or savepoint."""

    key: str
    size: int
    written_at: datetime


def unused(files: Iterable[StateFile], app: str, cutoff: datetime, remembered: str) -> dict[str, list[StateFile]]:
    """Returns the files of one stream that may be deleted, by the folder of their job or savepoint.

    remembered: key of the savepoint of the last good definition; '' without one.
    """
    folders: dict[str, list[StateFile]] = defaultdict(list)
    for file in files:
        folder = _folder(file.key, app)
        if folder:
            folders[folder].append(file)
    complete = [file for members in folders.values() for file in members if file.key.endswith(METADATA)]
    newest = max(complete, key=_age_order, default=None)
    kept = {_folder(newest.key, app)} if newest else set()
    return {
        folder: members
        for folder, members in sorted(folders.items())
        if folder not in kept and folder != remembered and max(file.written_at for file in members) < cutoff
    }


def _age_order(file: StateFile) -> tuple[datetime, int, str]:
    # The same order as that of the deployer: object stores may round times to seconds.
    number = re.search(r"/chk-(\d+)/", file.key)
    return file.written_at, int(number[1]) if number else -1, file.key


def _folder(key: str, app: str) -> str:
    """Returns the folder of the job or of the savepoint that a file belongs to, '' if it is in none."""
    prefixes = (names.checkpoint_prefix(app), names.upgrade_savepoint_prefix(app), names.savepoint_prefix(app))
    prefix = next((prefix for prefix in prefixes if key.startswith(f"{prefix}/")), None)
    if prefix is None:
        return ""
    name, slash, _ = key.removeprefix(f"{prefix}/").partition("/")
    return f"{prefix}/{name}" if slash and name else ""


def find(settings: Settings, now: datetime, min_age: timedelta = MIN_AGE) -> dict[str, list[StateFile]]:
    """Returns the files of all streams that may be deleted, by folder."""
    folders: dict[str, list[StateFile]] = {}
    for app in names.STREAM_JOBS:
        files = [file for prefix in (names.checkpoint_prefix(app), names.savepoint_prefix(app)) for file in _list(settings, f"{prefix}/")]
        folders |= unused(files, app, now - min_age, _remembered_savepoint(settings, app))
    return folders


def delete(settings: Settings, folders: dict[str, list[StateFile]]) -> None:
    """Delete the files, those that make a state complete first: what is left of an interrupted deletion is no state."""
    client = s3_client(settings)
    for files in folders.values():
        for file in sorted(files, key=lambda each: not each.key.endswith(METADATA)):
            client.delete_object(Bucket=settings.s3_bucket, Key=file.key)


def _list(settings: Settings, prefix: str) -> list[StateFile]:
    pages = s3_client(settings).get_paginator("list_objects_v2").paginate(Bucket=settings.s3_bucket, Prefix=prefix)
    items = (item for page in pages for item in page.get("Contents", ()) if not item["Key"].endswith("/"))
    return [StateFile(item["Key"], item["Size"], item["LastModified"]) for item in items]


def _remembered_savepoint(settings: Settings, app: str) -> str:
    try:
        body = s3_client(settings).get_object(Bucket=settings.s3_bucket, Key=names.last_good_key(app))["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return ""
        raise
    good: dict[str, Any] = json.loads(body)
    return str(good.get("savepoint", "")).removeprefix(f"s3://{settings.s3_bucket}/").rstrip("/")
