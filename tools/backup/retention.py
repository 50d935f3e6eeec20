"""Which backups are kept, and the deletion of the others with the objects that only they hold."""

from datetime import datetime

from tools.backup import manifest
from tools.backup.objects import OBJECTS
from tools.backup.storage import Storage


def kept(ids: list[str], daily: int, weekly: int) -> set[str]:
    """Returns the ids to keep.

    All backups of the newest day, and the newest one of each of the newest `daily` days and `weekly` ISO weeks that have a backup.
    """
    days: dict[str, list[str]] = {}
    weeks: dict[str, list[str]] = {}
    for backup in sorted(ids):
        time = datetime.strptime(backup, "%Y%m%dT%H%M%SZ")
        days.setdefault(f"{time:%Y%m%d}", []).append(backup)
        weeks.setdefault(f"{time:%G%V}", []).append(backup)
    newest_days, newest_weeks = sorted(days, reverse=True)[:daily], sorted(weeks, reverse=True)[:weekly]
    newest = {days[day][-1] for day in newest_days} | {weeks[week][-1] for week in newest_weeks}
    return newest | set(days[newest_days[0]] if newest_days else ())


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
