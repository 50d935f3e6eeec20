"""Reads what the ledger is compared with: the end offsets of Kafka, and the needed columns of the lake's tables."""

from dataclasses import replace

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog

from clickstream_contracts.settings import Settings
from tools.kafka.reader import end_offsets
from tools.lake.catalog import open_catalog
from tools.ledger import offset_gaps
from tools.ledger.balance import LakeState, without_offsets
from tools.ledger.record_kinds import digest

CLICKS, QUARANTINE = "raw.clicks", "raw.quarantine"
EVENTS, INGEST_LEDGER = "curated.events", "curated.ingest_ledger"


def read(settings: Settings, with_curated: bool) -> LakeState:
    """Returns the state of Kafka and of main; with_curated adds the published events and their end offsets."""
    # Kafka is read first: records that arrive meanwhile are in the lake beyond these offsets, never missing in it.
    ends = end_offsets(settings)
    main = open_catalog(settings)
    clicks = _columns(main, CLICKS, "event_id", "kafka_partition", "kafka_offset")
    quarantine = _columns(main, QUARANTINE, "kafka_partition", "kafka_offset", "reason", "payload")
    digests = pa.array([digest(payload.as_py()) for payload in quarantine["payload"]], pa.binary())
    quarantine = quarantine.drop_columns(["payload"]).append_column("digest", digests)
    starts = dict.fromkeys(ends, 0)
    gaps, deleted = offset_gaps.recorded(main, starts), offset_gaps.recorded(main, starts, offset_gaps.ERASED, offset_gaps.RETENTION)
    state = LakeState(clicks, quarantine, ends, gaps=gaps, deleted=deleted)
    if not with_curated:
        return state
    # What raw.clicks keeps no longer is not compared.
    curated = without_offsets(_columns(main, EVENTS, "event_id", "kafka_partition", "kafka_offset"), deleted, "kafka_")
    return replace(state, curated=curated, published=published_end_offsets(main))


def _columns(catalog: RestCatalog, table: str, *columns: str) -> pa.Table:
    """Returns columns of a table, with string instead of large_string, which compute functions do not mix."""
    rows = catalog.load_table(table).scan(selected_fields=columns).to_arrow()
    fields = []
    for name in columns:
        column_type = rows.schema.field(name).type
        fields.append((name, pa.string() if pa.types.is_large_string(column_type) else column_type))
    return rows.select(list(columns)).cast(pa.schema(fields))


def published_end_offsets(catalog: RestCatalog) -> dict[int, int]:
    """Returns for each partition the end offset of the newest published nightly run."""
    ledger = _columns(catalog, INGEST_LEDGER, "kafka_partition", "end_offset")
    ends = ledger.group_by("kafka_partition").aggregate([("end_offset", "max")])
    return dict(zip(ends["kafka_partition"].to_pylist(), ends["end_offset_max"].to_pylist(), strict=True))
