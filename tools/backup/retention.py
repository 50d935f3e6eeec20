"""Which backups are kept, and the deletion of the others with the objects that only they hold."""

from datetime import datetime

from tools.backup import manifest
from tools.backup.objects import OBJECTS
from tools.backup.storage import Storage
from tools.common.retention import newest_of_periods


def kept(ids: list[str], daily: int, weekly: int) -> set[str]:
    """Returns the ids to keep.

    All backups of the newest day, and the newest one of each of the newest `daily` days and `weekly` ISO weeks that have a backup.
    """
    days = {backup: datetime.strptime(backup, "%Y%m%dT%H%M%SZ").date() for backup in sorted(ids)}
    newest_day = max(days.values(), default=None)
    return newest_of_periods(days, daily, weekly) | {backup for backup, day in days.items() if day == newest_day}


def prune(storage: Storage, daily: int, weekly: int) -> list[str]:
    """Delete the backups that are not kept, incomplete ones, and objects of no kept backup. Returns the ids of the deleted backups."""
    existing = manifest.complete_ids(storage)
    keep = kept(existing, daily, weekly)
    # The manifest goes first: a backup whose deletion was interrupted is incomplete, not damaged.
    files = sorted(storage.names(manifest.BACKUPS), key=lambda name: not name.endswith("/manifest.json"))
    for name in files:
        if name.split("/")[1] not in keep:
            storage.delete(name)
    needed = {item.stored_name for backup in keep for item in manifest.load_objects(storage, backup)}
    for name in list(storage.names(OBJECTS)):
        if name not in needed:
            storage.delete(name)
    return sorted(set(existing) - keep)
