"""What a started erasure must remember until it is finished: what was erased, which nobody could find again."""

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass, field, replace

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.lake.object_store import delete_objects, read_if_exists, write_text
from tools.ledger.offset_ranges import Ranges


def subject(user: str) -> str:
    """Returns the hash under which a user's certificates are kept: whoever knows the id finds them."""
    return hashlib.sha256(user.encode()).hexdigest()[:32]


@dataclass
class Progress:
    """What was erased, over all attempts. It holds no id of the user.

    clicks, quarantine: erased offsets of raw.clicks and raw.quarantine that curated.ingest_ledger does not account for yet.
    tags: what became of each tag. days: those to compute again. commit: that of main with the last change.
    deleted: number and bytes of the files that were deleted at once.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    clicks: Ranges = field(default_factory=dict)
    quarantine: Ranges = field(default_factory=dict)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    days: list[str] = field(default_factory=list)
    commit: str = ""
    deleted: dict[str, int] = field(default_factory=dict)

    def accounted(self) -> "Progress":
        """Returns the progress when the ledger accounts for its offsets: further ones belong to another id."""
        return replace(self, id=uuid.uuid4().hex, clicks={}, quarantine={})

    def count(self, table: str, rows: int, files: int) -> None:
        """Count the erased rows and replaced files of one commit."""
        counts = self.tables.setdefault(table, {"rows": 0, "files": 0, "commits": 0})
        for name, number in (("rows", rows), ("files", files), ("commits", 1)):
            counts[name] += number


def load(settings: Settings, user: str) -> Progress | None:
    """Returns the progress of an erasure of the user that was not finished."""
    content = read_if_exists(settings, _key(user))
    if content is None:
        return None
    saved = json.loads(content)
    for kind in ("clicks", "quarantine"):
        saved[kind] = {int(partition): [(first, end) for first, end in ranges] for partition, ranges in saved[kind].items()}
    return Progress(**saved)


def save(settings: Settings, user: str, progress: Progress) -> None:
    """Write the progress to the bucket."""
    write_text(settings, f"s3://{settings.s3_bucket}/{_key(user)}", json.dumps(asdict(progress)))


def clear(settings: Settings, user: str) -> None:
    """Delete the progress of a finished erasure."""
    delete_objects(settings, [_key(user)])


def _key(user: str) -> str:
    return f"{names.erasure_prefix(subject(user))}/running.json"
