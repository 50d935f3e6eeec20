"""Erasure of a user from a real lake: no byte of the bucket names the user afterwards, and other users keep their rows."""

import io
import json
import re
import zlib
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from clickstream_contracts import names, schema
from clickstream_contracts.settings import Settings
from tests.tools.backup_lake import tag
from tests.tools.raw_tables import append
from tools.erasure import __main__ as command
from tools.erasure import erasure, ledger, progress
from tools.erasure import tags as erased_tags
from tools.erasure.identity import Identity, erasable_tables
from tools.lake import catalog, nessie
from tools.lake.object_store import list_objects, s3_client
from tools.ledger import offset_gaps
from tools.maintenance import compaction, tags

ANN, BOB = "ann-7f3a91c2", "bob-55e0d1aa"
ANNS = (ANN, "device-of-ann", "session-of-ann", "order-of-ann")
TIME = datetime(2026, 1, 2, 12, tzinfo=UTC)
VALUES = {"string": "x", "int": 1, "long": 1, "double": 0.5, "boolean": True, "date": date(2026, 1, 2), "timestamptz": TIME}
CHECKPOINTS = {"flink.job-id": "job", "flink.operator-id": "operator", "flink.max-committed-checkpoint-id": "7"}
# Offset, user, device and session of the records in raw.clicks; 2 repeats the event of 1, and 7 and later are not published.
CLICKS = [
    (0, ANN, "device-of-ann", "session-of-ann"),
    (1, ANN, "device-of-both", "session-of-ann"),
    (2, ANN, "device-of-both", "session-of-ann"),
    (3, BOB, "device-of-both", "session-of-bob"),
    (4, BOB, "device-of-bob", "session-of-bob"),
    (7, ANN, "device-of-both", "session-of-both"),
    (8, BOB, "device-of-both", "session-of-both"),
    (9, None, "device-of-ann", "session-of-nobody"),
    (10, None, "device-of-both", "session-of-nobody"),
]
PUBLISHED = {"run": "etl_r", "kafka_partition": 0, "day": date(2026, 1, 2), "start_offset": 0, "end_offset": 7}
COUNTS = {"accepted": 4, "duplicates": 1, "quarantined": 2, "late": 0, "gaps": 0, "repeated": 0}


def row(table: str, **columns: Any) -> dict[str, Any]:
    """A row of a table with a value in each required column."""
    fields = schema.tables()[table].fields
    required = {field.name: VALUES.get(field.type, 1) for field in fields if field.required and not field.type.startswith("list")}
    return required | {name: value for name, value in columns.items() if name in {field.name for field in fields}}


def fill(settings: Settings) -> None:
    """Rows of both users in each table that can hold a user's rows."""
    main = catalog.open_catalog(settings)
    clicks = [
        row("raw.clicks", event_id=f"e{1 if offset == 2 else offset}", kafka_partition=0, kafka_offset=offset)
        | {"user_id": user, "device_id": device, "session_id": session, "event_type": "page_view"}
        for offset, user, device, session in CLICKS
    ]
    clicks[0] |= {"order_id": "order-of-ann", "event_type": "purchase"}
    table = main.load_table("raw.clicks")
    append(table, clicks[4:])
    table = main.load_table("raw.clicks")
    table.append(pa.Table.from_pylist(clicks[:4], table.schema().as_arrow()), snapshot_properties=CHECKPOINTS)
    events = [row("curated.events", **click) for click in clicks if click["kafka_offset"] in (0, 1, 3, 4)]
    append(main.load_table("curated.events"), events)
    quarantine = [(5, f'{{"user_id":"{ANN}"'.encode()), (6, f'{{"user_id":"{ANN}2"'.encode())]
    append(
        main.load_table("raw.quarantine"),
        [row("raw.quarantine", kafka_partition=0, kafka_offset=offset, payload=payload) for offset, payload in quarantine],
    )
    ids = {ANN: dict(zip(("user_id", "device_id", "session_id", "order_id"), ANNS, strict=True)), BOB: {"user_id": BOB}}
    ids[BOB] |= {"device_id": "device-of-bob", "session_id": "session-of-bob", "order_id": "order-of-bob"}
    for name in set(erasable_tables()) - {"raw.clicks", "raw.quarantine", "curated.events"}:
        items = {"items": ["p"]} if name == "features.training_sessions" else {}
        append(main.load_table(name), [row(name, **columns, **items, entity=columns["device_id"]) | items for columns in ids.values()])
    append(main.load_table("curated.ingest_ledger"), [PUBLISHED | COUNTS])


def texts(settings: Settings) -> dict[str, str]:
    """All objects of the bucket as text: raw, and unpacked where they are Parquet or Avro."""
    client, found = s3_client(settings), {}
    for item in list_objects(settings):
        content = client.get_object(Bucket=settings.s3_bucket, Key=item.key)["Body"].read()
        text = content.decode("latin-1")
        if content.startswith(b"PAR1"):
            text += str(pq.read_table(io.BytesIO(content)).to_pydict()) + str(pq.read_metadata(io.BytesIO(content)).to_dict())
        elif content.startswith(b"Obj\x01"):
            text += "".join(unpacked(block) for block in content.split(content[-16:])[1:-1])
        found[item.key] = text
    return found


def unpacked(block: bytes) -> str:
    """A block of an Avro file: two numbers of variable length, then deflated records."""
    for _ in range(2):
        block = re.sub(rb"\A[\x80-\xff]*[\x00-\x7f]", b"", block)
    return zlib.decompress(block, -15).decode("latin-1")


def as_text(values: dict[str, Any]) -> str:
    return json.dumps(values, default=str)


def rows(settings: Settings, ref: str = names.MAIN) -> dict[str, list[str]]:
    """The rows of each table as text."""
    lake = catalog.open_catalog(settings, ref)
    return {name: sorted(map(as_text, lake.load_table(name).scan().to_arrow().to_pylist())) for name in erasable_tables()}


def positions(table: str) -> list[str]:
    """What is left of a row of the user in a table of fraud scores or alerts: its position in Kafka."""
    values = row(table)
    return [as_text({field.name: values.get(field.name) for field in schema.tables()[table].fields})]


def of_others(tables: dict[str, list[str]]) -> dict[str, list[str]]:
    anns = re.compile("|".join(rf"{each}(?!\d)" for each in ANNS))
    others = {name: [text for text in texts if not anns.search(text)] for name, texts in tables.items()}
    return {name: sorted(texts + (positions(name) if name.startswith("raw.fraud") else [])) for name, texts in others.items()}


def erase(lake: Settings, monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
    monkeypatch.setattr(command, "current_settings", lambda: lake)
    done = CliRunner().invoke(command.app, ["--user", ANN, "--without-kafka", *options])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.engine
def test_no_byte_of_the_bucket_names_an_erased_user(s3_and_nessie: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = s3_and_nessie
    fill(lake)
    tag(lake, "nightly_2026-01-02_1a2b3c4d")
    # A model was trained on a commit without a tag.
    trained_on = nessie.commit_hash(lake)
    append(catalog.open_catalog(lake).load_table("landing.users"), [row("landing.users", user_id=BOB)])
    model = row("ml.models", data_commit=trained_on, model_sha256="m", created_at=TIME)
    append(catalog.open_catalog(lake).load_table("ml.models"), [model])
    before, tagged = rows(lake), rows(lake, "nightly_2026-01-02_1a2b3c4d")
    assert any(ANN in text for text in texts(lake).values())

    assert "raw.clicks: would have erased 5 rows of 2 files" in erase(lake, monkeypatch, "--dry-run")
    assert rows(lake) == before
    # Killed when the records of raw are gone, and again when all is erased.
    for module, function in ((erasure, "_erase_published"), (progress, "clear")):
        with monkeypatch.context() as patched:
            patched.setattr(module, function, kill)
            patched.setattr(command, "current_settings", lambda: lake)
            assert CliRunner().invoke(command.app, ["--user", ANN, "--without-kafka"]).exit_code != 0
    document = json.loads(erase(lake, monkeypatch, "--now", "--reason", "request 12"))

    named = {key: ann for key, text in texts(lake).items() for ann in ANNS if re.search(rf"{ann}(?!\d)", text)}
    assert named == {}
    assert rows(lake) == of_others(before)
    assert rows(lake, "nightly_2026-01-02_1a2b3c4d") == of_others(tagged)
    [replacement] = tags.commits_of_models(lake)
    assert replacement != trained_on
    assert nessie.metadata_locations(lake, replacement)
    assert document["tables"]["raw.clicks"] == {"rows": 5, "files": 2, "commits": 1}
    assert document["tables"]["curated.events"]["rows"] == 2
    assert document["tags"] == {"nightly_2026-01-02_1a2b3c4d": "rewrite"}
    assert document["days_to_recompute"] == ["2026-01-02", "2026-01-03"]
    check_accounts(lake)
    assert progress.load(lake, ANN) is None
    assert "nothing to do" in erase(lake, monkeypatch)


def kill(*arguments: Any) -> None:
    raise KeyboardInterrupt


def check_accounts(lake: Settings) -> None:
    """The streams find their checkpoint, and each offset is accounted for."""
    main = catalog.open_catalog(lake)
    snapshot = main.load_table("raw.clicks").current_snapshot()
    assert snapshot is not None
    assert compaction.carried_properties(snapshot).items() >= CHECKPOINTS.items()
    assert offset_gaps.recorded(main, {}, offset_gaps.ERASED) == {0: [(0, 3), (5, 6), (7, 8), (9, 10)]}
    [account] = main.load_table("curated.ingest_ledger").scan().to_arrow().to_pylist()
    assert account == PUBLISHED | COUNTS | {"accepted": 2, "duplicates": 0, "quarantined": 1, "erased": 4}
    assert main.load_table("curated.events").properties[names.ERASED_DAYS_PROPERTY] == "2026-01-02,2026-01-03"
    assert [each["name"] for each in nessie.references(lake, "BRANCH")] == [names.MAIN]


def test_erased_records_have_their_own_column_in_the_ledger() -> None:
    account = PUBLISHED | COUNTS | {"erased": None}
    later = account | {"start_offset": 7, "end_offset": 20, "accepted": 13, "duplicates": 0, "quarantined": 0, "late": 13}
    changed = ledger.without_erased([account, later], {0: [(1, 3), (7, 9)]}, {0: [(1, 2), (7, 9)]}, {0: [(5, 6)]})
    assert changed[0] == account | {"accepted": 3, "duplicates": 0, "quarantined": 1, "erased": 3}
    assert changed[1] == later | {"accepted": 11, "late": 11, "erased": 2}


def test_of_the_tags_of_a_commit_the_action_that_keeps_most_counts() -> None:
    nightly, release = (tags.Tag(f"{kind}_2026-01-02_x", "c", TIME) for kind in ("nightly", "release"))
    actions = {"nightly": "drop", "release": "keep", "features": "drop", "other": "rewrite"}
    assert erased_tags.action([nightly], actions) == "drop"
    assert erased_tags.action([nightly, release], actions) == "keep"
    assert erased_tags.action([nightly, tags.Tag("mine", "c", TIME)], actions) == "rewrite"
    assert erased_tags.action([], actions) == "drop"


def test_an_id_in_free_text_is_a_whole_word() -> None:
    identity = Identity("u-1", {"device_id": frozenset({"d-1"})})
    assert [identity.named_in(text) for text in ('{"user_id":"u-1"}', "u-1", "u-10", "xu-1", "u-1-2", "d-1;")] == [
        True,
        True,
        *[False] * 3,
        True,
    ]
