"""Finds the checkpoints and savepoints of the streams that no job uses and none will be started from.

Kept are the folder with the newest complete state of each stream, the savepoint that its last good definition remembers, and every
folder with a file that is younger than the minimum age: a running job writes checkpoints all the time. The folder of a job is kept or
deleted as a whole, because its checkpoints can share files.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.lake.object_store import StoredObject, delete_objects, list_objects, read_if_exists

MIN_AGE = timedelta(days=7)
METADATA = "/_metadata"


def unused(files: Iterable[StoredObject], app: str, cutoff: datetime, remembered: str) -> dict[str, list[StoredObject]]:
    """Returns the files of one stream that may be deleted, by the folder of their job or savepoint.

    remembered: key of the savepoint of the last good definition; '' without one.
    """
    folders: dict[str, list[StoredObject]] = defaultdict(list)
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


def _age_order(file: StoredObject) -> tuple[datetime, int, str]:
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


def find(settings: Settings, now: datetime, min_age: timedelta = MIN_AGE) -> dict[str, list[StoredObject]]:
    """Returns the files of all streams that may be deleted, by folder."""
    folders: dict[str, list[StoredObject]] = {}
    for app in names.STREAM_JOBS:
        prefixes = (names.checkpoint_prefix(app), names.savepoint_prefix(app))
        files = [file for prefix in prefixes for file in list_objects(settings, f"{prefix}/")]
        folders |= unused(files, app, now - min_age, _remembered_savepoint(settings, app))
    return folders


def delete(settings: Settings, folders: dict[str, list[StoredObject]]) -> None:
    """Delete the files, those that make a state complete first: what is left of an interrupted deletion is no state."""
    for files in folders.values():
        delete_objects(settings, (file.key for file in files if file.key.endswith(METADATA)))
        delete_objects(settings, (file.key for file in files if not file.key.endswith(METADATA)))


def _remembered_savepoint(settings: Settings, app: str) -> str:
    good: dict[str, Any] = json.loads(read_if_exists(settings, names.last_good_key(app)) or b"{}")
    return str(good.get("savepoint", "")).removeprefix(f"s3://{settings.s3_bucket}/").rstrip("/")
