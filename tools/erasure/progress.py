"""What a started erasure must remember until it is finished: the offsets of erased records, which nobody could find again."""

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass, field

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.lake.object_store import delete_objects, read_if_exists, write_text
from tools.ledger.offset_ranges import Ranges


def subject(user: str) -> str:
    """Returns the hash under which a user's certificates are kept: whoever knows the id finds them."""
    return hashlib.sha256(user.encode()).hexdigest()[:32]


@dataclass
class Progress:
    """The erased offsets of raw.clicks and raw.quarantine that curated.ingest_ledger does not account for yet, and the counts by table.

    It holds no id of the user.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    clicks: Ranges = field(default_factory=dict)
    quarantine: Ranges = field(default_factory=dict)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)

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
