"""Copies the lake's objects to the backup storage and back. A version of an object is copied once, however many backups hold it."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import ClientError

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.backup.storage import ONE_THREAD, Storage
from tools.lake.object_store import is_missing, list_objects, s3_client

THREADS = 8
OBJECTS = "objects/"
# Checkpoints and savepoints hold Kafka offsets of their own time, not of the backup: a job that started from them would skip the
# events between the two. After a restore each stream starts at the end offsets of the lake.
NOT_COPIED = tuple(f"{prefix(app)}/" for app in names.STREAM_JOBS for prefix in (names.checkpoint_prefix, names.savepoint_prefix))
# What Airflow and Flink would take for the state of a run or job. Objects that the backup does not hold are deleted here at a restore.
RUN_STATE = ("receipts/", "flink/")
Progress = Callable[[int, int], None]
R = TypeVar("R")


@dataclass(frozen=True)
class LakeObject:
    """One version of an object of the lake's bucket."""

    key: str
    etag: str
    size: int

    @property
    def stored_name(self) -> str:
        """Its name in the backup storage; another content of the same key has another name."""
        return f"{OBJECTS}{self.key}@{self.etag}"


def in_lake(settings: Settings) -> list[LakeObject]:
    """Returns the objects of the lake's bucket, without the Flink state that is not copied."""
    return [item for item in _all(settings) if not item.key.startswith(NOT_COPIED)]


def _all(settings: Settings) -> Iterator[LakeObject]:
    return (LakeObject(item.key, item.etag, item.size) for item in list_objects(settings))


def back_up(settings: Settings, storage: Storage, progress: Progress) -> tuple[list[LakeObject], int]:
    """Copy the lake's objects that the storage lacks; returns all objects of the backup, and the bytes copied now."""
    client, stored = s3_client(settings, max_pool_connections=THREADS), set(storage.names(OBJECTS))

    def copy(item: LakeObject) -> tuple[LakeObject | None, int]:
        if item.stored_name in stored:
            return item, 0
        try:
            response = client.get_object(Bucket=settings.s3_bucket, Key=item.key)
        except ClientError as error:
            # Deleted since it was listed. If a table still needs it, the check of the backup fails.
            if is_missing(error):
                return None, 0
            raise
        # The object may have been written again since it was listed.
        current = LakeObject(item.key, response["ETag"].strip('"'), response["ContentLength"])
        storage.write(current.stored_name, response["Body"])
        return current, current.size

    results = list(_parallel(copy, in_lake(settings), progress))
    return [item for item, _ in results if item], sum(size for _, size in results)


def restore(settings: Settings, storage: Storage, backup: Iterable[LakeObject], progress: Progress) -> None:
    """Copy the objects back that the lake's bucket lacks or holds with other content, and delete later states of runs and jobs."""
    client, wanted, current = s3_client(settings, max_pool_connections=THREADS), set(backup), set(_all(settings))

    def copy(item: LakeObject) -> None:
        with storage.read(item.stored_name) as content:
            client.upload_fileobj(content, settings.s3_bucket, item.key, Config=ONE_THREAD)

    list(_parallel(copy, sorted(wanted - current, key=lambda item: item.key), progress))
    delete_later_run_state(settings, wanted)


def delete_later_run_state(settings: Settings, backup: Iterable[LakeObject]) -> None:
    """Delete receipts and Flink states that the backup does not hold: they describe data that the restored lake lacks."""
    client, keys = s3_client(settings), {item.key for item in backup}
    for item in list(_all(settings)):
        if item.key.startswith(RUN_STATE) and item.key not in keys:
            client.delete_object(Bucket=settings.s3_bucket, Key=item.key)


def _parallel(function: Callable[[LakeObject], R], items: list[LakeObject], progress: Progress) -> Iterator[R]:
    with ThreadPoolExecutor(THREADS) as pool:
        for done, result in enumerate(pool.map(function, items), 1):
            progress(done, len(items))
            yield result
