"""What the ledger reads elsewhere: the broker's end offsets, and only the needed columns of the lake's tables."""

from typing import Any

import httpx
import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.kafka.reader import end_offsets
from tools.lake import catalog as lake
from tools.ledger.balance import Lake
from tools.ledger.kinds import digest

CLICKS, QUARANTINE = "raw.clicks", "raw.quarantine"
CURATED, INGESTED = "curated.events", "curated.ingest_ledger"


def main_commit(settings: Settings) -> str:
    """The commit that main stands at."""
    answer = httpx.get(f"{settings.nessie_uri}/api/v2/trees/{names.MAIN}", timeout=30)
    return str(answer.raise_for_status().json()["reference"]["hash"])


def read(settings: Settings, curated: bool) -> Lake:
    """The lake as the balance wants it."""
    ends = end_offsets(settings)
    catalog = lake.catalog(settings)
    clicks = _columns(catalog, CLICKS, "event_id", "kafka_partition", "kafka_offset")
    bad = _columns(catalog, QUARANTINE, "kafka_partition", "kafka_offset", "reason", "payload")
    digests = pa.array([digest(value.as_py()) for value in bad["payload"]], pa.binary())
    quarantine = bad.drop_columns(["payload"]).append_column("digest", digests)
    if not curated:
        return Lake(clicks, quarantine, ends)
    return Lake(clicks, quarantine, ends, _columns(catalog, CURATED, "event_id"), published(catalog))


def _columns(catalog: RestCatalog, table: str, *columns: str) -> pa.Table:
    found: Any = catalog.load_table(table).scan(selected_fields=columns).to_arrow()
    plain = [(c, pa.string() if pa.types.is_large_string(found.schema.field(c).type) else found.schema.field(c).type) for c in columns]
    return found.select(list(columns)).cast(pa.schema(plain))


def published(catalog: RestCatalog) -> dict[int, int]:
    """Up to which offset the nightly has curated each partition."""
    ledger = _columns(catalog, INGESTED, "kafka_partition", "end_offset")
    ends = ledger.group_by("kafka_partition").aggregate([("end_offset", "max")])
    return dict(zip(ends["kafka_partition"].to_pylist(), ends["end_offset_max"].to_pylist(), strict=True))
