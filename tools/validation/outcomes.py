"""The checks: each returns what it saw, or raises Unmet with what is missing."""

import time
from collections.abc import Callable

import httpx

from clickstream_contracts import names, schema
from clickstream_contracts.settings import Settings
from tools.kafka.reader import end_offsets
from tools.lake import catalog, nessie
from tools.lake.trace import Row, read_rows
from tools.rollout.serve_client import ServeClient
from tools.validation.planted import PATTERN, Planted

POLL_SECONDS = 5.0
TAG_PREFIX = f"{names.NIGHTLY.removeprefix('clickstream_')}_"


class Unmet(RuntimeError):
    """An outcome is missing; the text says what was seen instead."""


def tables_and_topics(settings: Settings) -> str:
    """Every table of main can be opened, and every topic has end offsets."""
    main = catalog.open_catalog(settings)
    rows = {table: catalog.row_count(main, table) for table in sorted(schema.tables())}
    records = {topic: sum(end_offsets(settings, topic).values()) for topic in names.TOPICS}
    return f"{len(rows)} tables with {sum(rows.values()):,} rows, {len(records)} topics with {sum(records.values()):,} records"


def event_in_lake(settings: Settings, planted: Planted, seconds: float) -> str:
    """Each planted event is a row of raw.clicks; one in raw.quarantine is reported with the reason."""
    start = time.monotonic()
    own_rows = f"user_id = '{planted.user_id}' and ingested_at >= '{planted.sent_after.isoformat()}'"
    rows = _poll(
        lambda: read_rows(settings, "raw.clicks", own_rows, ("event_id", "kafka_partition", "kafka_offset")),
        lambda rows: {row["event_id"] for row in rows} >= set(planted.event_ids),
        seconds,
    )
    missing = set(planted.event_ids) - {row["event_id"] for row in rows}
    if missing:
        quarantined = _quarantined(settings, planted)
        where = f"; raw.quarantine has them for: {', '.join(quarantined)}" if quarantined else ", nor in raw.quarantine"
        raise Unmet(f"{len(missing)} of {len(planted.event_ids)} planted events are not in raw.clicks after {seconds:.0f} s{where}")
    first = min(rows, key=lambda row: row["kafka_offset"])
    return f"partition {first['kafka_partition']} offset {first['kafka_offset']}, {time.monotonic() - start:.0f} s after it was sent"


def _quarantined(settings: Settings, planted: Planted) -> list[str]:
    """Returns the reasons for which planted events are in quarantine."""
    rows = read_rows(settings, "raw.quarantine", f"ingested_at >= '{planted.sent_after.isoformat()}'", ("reason", "payload"))
    return sorted({row["reason"] for row in rows if planted.user_id.encode() in (row["payload"] or b"")})


def fraud_alerted(settings: Settings, planted: Planted, seconds: float) -> str:
    """The planted burst is in raw.fraud_alerts."""
    own_alerts = f"user_id = '{planted.user_id}' and ingested_at >= '{planted.sent_after.isoformat()}'"
    alerts = _poll(
        lambda: read_rows(settings, "raw.fraud_alerts", own_alerts, ("alert_id", "pattern", "decision")),
        lambda rows: any(row["pattern"] == PATTERN for row in rows),
        seconds,
    )
    raised = sorted({f"{row['pattern']} {row['decision']}" for row in alerts})
    if not any(row["pattern"] == PATTERN for row in alerts):
        raise Unmet(f"no alert {PATTERN} for {planted.user_id} after {seconds:.0f} s; alerts of this user: {raised or 'none'}")
    return ", ".join(raised)


def nightly_published(settings: Settings) -> str:
    """A nightly branch was merged and tagged, and its tables have rows on main."""
    tags = [tag for tag in nessie.references(settings, "TAG") if tag["name"].startswith(TAG_PREFIX)]
    if not tags:
        raise Unmet(f"Nessie has no tag {TAG_PREFIX}*: no nightly run was published")
    rows = catalog.row_count(catalog.open_catalog(settings), "curated.events")
    if not rows:
        raise Unmet(f"{len(tags)} tags {TAG_PREFIX}*, but curated.events of main has no rows")
    return f"{len(tags)} published, the newest {max(tag['name'] for tag in tags)}; curated.events has {rows:,} rows"


def served_by_model(settings: Settings) -> str:
    """Serve returns neighbours of a known product, and they come from the trained model, not from a fallback."""
    table = catalog.open_catalog(settings).load_table("features.item_neighbours")
    products = table.scan(selected_fields=("product_id",), limit=1).to_arrow().to_pylist()
    if not products:
        raise Unmet("features.item_neighbours of main has no rows: no features were published")
    with ServeClient(settings) as serve:
        response = serve.get_by_id("/similar", products[0]["product_id"], k=5)
    if not response["model"] or response["fallback"]:
        raise Unmet(f"variant {response['variant']}, model '{response['model'] or 'none'}', fallback '{response['fallback']}'")
    return f"release {response['release']}, model {response['model'][:12]}, {len(response['items'])} products"


def _poll(read: Callable[[], list[Row]], enough: Callable[[list[Row]], bool], seconds: float) -> list[Row]:
    """Returns what `read` returns once it is enough, or at the end; an outage of the lake in between is not the end."""
    deadline, rows = time.monotonic() + seconds, list[Row]()
    while True:
        try:
            rows = read()
        except (httpx.TransportError, OSError):
            if time.monotonic() >= deadline:
                raise
        if enough(rows) or time.monotonic() >= deadline:
            return rows
        time.sleep(POLL_SECONDS)
