"""Each audit sees the violation that is planted for it; all are content with good data."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickstream_contracts.schema import tables
from spark_apps import audit, features
from spark_apps.engine import Catalog, Lake
from spark_apps.entry import WorkFailed
from tests.spark_apps.little_lake import LittleLake, at

NUMBERS = count()
WORDS = ["--ref", "b", "--run", "r", "--day", "2026-01-02", "--receipt", "file:///tmp/none.json"]
Change = Callable[[DataFrame], DataFrame]


@dataclass
class Planted:
    """A catalog in which one table is replaced by a changed view of itself."""

    good: Catalog
    table: str
    view: str

    def conf(self) -> dict[str, str]:
        return self.good.conf()

    def file_io(self) -> dict[str, str]:
        return self.good.file_io()

    def name(self, table: str) -> str:
        return self.view if table == self.table else self.good.name(table)

    def published(self, table: str) -> str:
        return self.good.published(table)


def plant(good: Lake, table: str, change: Change) -> Lake:
    view = f"planted_{next(NUMBERS)}"
    change(good.table(table)).createOrReplaceTempView(view)
    return Lake(good.spark, Planted(good.catalog, table, view))


@pytest.fixture(scope="module")
def good(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = LittleLake(spark, 950, tmp_path_factory.mktemp("good"))
    buy = {"product_id": "p1", "user_id": "u1", "price": "5.00", "quantity": 1, "currency": "EUR", "order_id": "o1"}
    lake.insert("landing.users", {"user_id": "u1", "country": "DE", "updated_at": at("1 00:00")})
    lake.insert("landing.users", {"user_id": "u1", "country": "FR", "updated_at": at("3 00:00")})
    lake.insert("landing.products", {"product_id": "p1", "category": "shoes", "updated_at": at("1 00:00")})
    lake.send(
        {"event_id": "a", "event_type": "view_item", "event_time": "2 10:00", "session_id": "s1", **buy},
        {"event_id": "b", "event_type": "purchase", "event_time": "2 10:01", "session_id": "s1", **buy},
        {"event_id": "c", "event_type": "view_item", "event_time": "2 18:00", "session_id": "s1", **buy},
        {"event_id": "c", "event_type": "view_item", "event_time": "2 18:00", "session_id": "s1", **buy},
        {"event_id": "d", "event_type": "page_view", "event_time": "1 09:00", "session_id": "s0"},
        {"event_id": "l", "event_type": "login", "event_time": "2 12:30", "session_id": "s3"},
        *(
            {"event_id": f"v{n}", "event_type": "view_item", "event_time": f"2 12:0{n}", "session_id": "s2", "product_id": f"p{n}"}
            for n in (1, 2, 3)
        ),
    )
    lake.quarantine(1)
    judged = {"kafka_partition": 0, "kafka_offset": 0, "event_id": "b", "event_time": at("2 10:01"), "ingested_at": at("2 10:02")}
    lake.insert("raw.fraud_scores", judged | {"event_type": "purchase", "decision": "block", "patterns": "card_velocity", "amount": 5.0})
    lake.insert("raw.fraud_alerts", judged | {"alert_id": "a1", "pattern": "card_velocity", "entity_type": "user_id", "entity": "u1"})
    lake.night(day="2026-01-02")
    assert lake.run(features, day="2026-01-02")[0] == 0
    # Newer than the run: no audit may take offence at it.
    lake.send({"event_id": "z", "event_type": "view_item", "event_time": "2 19:00", "session_id": "s1"})
    return lake.lake


def put(**values: str) -> Change:
    """Other values in every row."""
    return lambda frame: frame.withColumns({name: F.expr(text) for name, text in values.items()})


def where(condition: str) -> Change:
    return lambda frame: frame.where(condition)


def doubled(frame: DataFrame) -> DataFrame:
    return frame.unionAll(frame)


def plus(**values: str) -> Change:
    """One row more: a copy of the first with other values."""
    return lambda frame: frame.unionAll(
        frame.limit(1).withColumns({k: F.expr(v).cast(frame.schema[k].dataType) for k, v in values.items()})
    )


def many_on_the_first_day(frame: DataFrame) -> DataFrame:
    return frame.unionAll(frame.where("event_id = 'd'").crossJoin(frame.sparkSession.range(99)).drop("id"))


PLANTED: list[tuple[str, str, Change]] = [
    ("events_unique", "curated.events", doubled),
    ("events_complete", "curated.events", where("event_id <> 'a'")),
    ("events_complete", "curated.events", plus(event_id="'ghost'")),
    ("event_day_matches", "curated.events", put(event_day="event_day + INTERVAL 1 DAY")),
    ("event_values", "curated.events", put(price="CAST(-1 AS DECIMAL(18, 2))")),
    ("event_versions_exist", "curated.events", put(user_country="'XX'")),
    ("event_versions_exist", "curated.users", where("is_current")),
    ("day_volume_usual", "curated.events", many_on_the_first_day),
    ("users_versions", "curated.users", put(valid_to="valid_to - INTERVAL 1 HOUR")),
    ("users_versions", "curated.users", put(is_current="true")),
    ("products_versions", "curated.products", doubled),
    ("sessions_disjoint", "curated.sessions", put(started_at="timestamp'2026-01-02 10:00:00'")),
    ("sessions_cover_events", "curated.sessions", where("purchases = 0")),
    ("orders_match_events", "curated.orders", put(revenue="revenue + 1")),
    ("order_refunds_bounded", "curated.orders", put(refunded="revenue + 1")),
    ("refunds_have_orders", "curated.orders", put(lines="0")),
    ("ledger_gapless", "curated.ingest_ledger", plus(start_offset="7", end_offset="9")),
    ("ledger_balances", "curated.ingest_ledger", put(accepted="accepted + 1")),
    ("ledger_balances", "raw.clicks", where("event_id <> 'b'")),
    ("ledger_balances", "raw.quarantine", where("false")),
    ("offsets_unique", "raw.clicks", doubled),
    ("offsets_unique", "raw.quarantine", plus(kafka_offset="0")),
    ("quarantine_rate", "curated.ingest_ledger", plus(run="'new'", start_offset="900", end_offset="1100", quarantined="101")),
    ("funnel_monotone", "marts.funnel_daily", put(carted="sessions + 1")),
    ("funnel_matches_sessions", "marts.funnel_daily", where("day <> '2026-01-02'")),
    ("revenue_matches_orders", "marts.revenue_daily", put(revenue="revenue + 0.01")),
    ("products_match_events", "marts.product_daily", put(views="views + 1")),
    ("retention_bounded", "marts.retention_weekly", put(retention="1.5")),
    ("retention_bounded", "marts.retention_weekly", where("false")),
    ("fraud_daily_matches_scores", "marts.fraud_daily", where("pattern <> 'all'")),
    ("fraud_daily_matches_scores", "raw.fraud_scores", where("false")),
    ("fraud_daily_matches_scores", "raw.fraud_alerts", where("false")),
    ("fraud_daily_matches_scores", "marts.late_fraud_scores", where("false")),
    ("payments_judged", "raw.fraud_scores", where("false")),
    ("payments_judged", "marts.late_fraud_scores", where("false")),
    ("payments_judged", "marts.late_fraud_scores", doubled),
    ("fraud_daily_bounded", "marts.fraud_daily", put(blocked="events + 1")),
    ("fraud_daily_bounded", "marts.fraud_daily", put(amount_blocked="amount_blocked + IF(pattern = 'all', 0, 1)")),
    ("fraud_daily_bounded", "marts.fraud_daily", where("pattern <> 'all'")),
    ("training_sessions_valid", "features.training_sessions", doubled),
    ("training_sessions_valid", "features.training_sessions", put(items="array('p1')")),
    ("training_sessions_valid", "features.training_sessions", put(event_day="event_day + INTERVAL 1 DAY")),
    ("training_sessions_match_events", "features.training_sessions", where("false")),
    ("training_sessions_match_events", "features.training_sessions", put(items="slice(items, 1, 2)")),
    ("training_sessions_match_events", "curated.events", where("event_id <> 'v1'")),
    ("neighbours_ranked", "features.item_neighbours", put(position="position + 1")),
    ("neighbours_ranked", "features.item_neighbours", put(weight="CAST(position AS DOUBLE)")),
    ("neighbours_ranked", "features.item_neighbours", put(neighbour_id="product_id")),
    ("neighbours_cover_sessions", "features.item_neighbours", where("product_id <> 'p1'")),
    ("neighbours_cover_sessions", "features.item_neighbours", plus(product_id="'ghost'")),
    ("neighbours_mutual", "features.item_neighbours", where("neighbour_id <> 'p1'")),
    ("neighbours_mutual", "features.item_neighbours", put(weight="IF(product_id = 'p1', 10 * weight, weight)")),
]  # fmt: skip


def named(name: str) -> audit.Audit:
    return audit.read(audit.AUDITS / f"{name}.sql")


@pytest.mark.parametrize(("name", "table", "change"), PLANTED, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(PLANTED)])
def test_an_audit_sees_what_is_planted_for_it(good: Lake, name: str, table: str, change: Change) -> None:
    answer = audit.ask(plant(good, table, change), named(name))
    assert answer.crash == ""
    assert answer.rows > 0
    assert answer.sample


def test_every_audit_has_a_planted_violation() -> None:
    assert {name for name, _, _ in PLANTED} == {one.name for one in audit.audits()}


def test_good_data_passes_all(good: Lake) -> None:
    receipt = audit.work(good, audit.arguments().parse_args(WORDS))
    assert {one["name"]: one["rows"] for one in receipt.facts["audits"]} == {one.name: 0 for one in audit.audits()}


def test_the_audits_are_the_rules_of_the_contract() -> None:
    rules = {(rule.name, rule.severity) for contract in tables().values() for rule in contract.rules}
    assert rules == {(one.name, one.severity) for one in audit.audits()}


def test_only_the_audits_of_the_namespaces_are_asked(good: Lake) -> None:
    receipt = audit.work(good, audit.arguments().parse_args([*WORDS, "--namespaces", "features"]))
    rules = {rule.name for contract in tables().values() if contract.namespace == "features" for rule in contract.rules}
    assert {one["name"] for one in receipt.facts["audits"]} == rules
    assert len(rules) == 5


def test_an_audit_that_no_contract_names_is_asked_everywhere(tmp_path: Path) -> None:
    folder = copied(tmp_path, "events_unique", "neighbours_ranked")
    (folder / "mine.sql").write_text("-- severity: error\n-- meaning: m\n-- owner: o\nSELECT 1")
    assert [one.name for one in audit.audits(folder, ["curated"])] == ["events_unique", "mine"]
    assert [one.name for one in audit.audits(folder, ["features"])] == ["mine", "neighbours_ranked"]


def test_namespaces_without_an_audit_are_a_failure_and_unknown_ones_a_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"no audit found in .* for landing"):
        audit.audits(namespaces=["landing"])
    with pytest.raises(SystemExit):
        audit.main([*WORDS, "--namespaces", "features,martz"])
    assert "'martz' is no namespace: use some of curated," in capsys.readouterr().err


def copied(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / f"{name}.sql").write_text((audit.AUDITS / f"{name}.sql").read_text())
    return folder


def test_a_failed_audit_names_the_rule_and_shows_rows(good: Lake, tmp_path: Path) -> None:
    lake = plant(good, "curated.orders", put(revenue="revenue + 1"))
    with pytest.raises(WorkFailed) as failed:
        audit.work(lake, audit.arguments().parse_args(WORDS), copied(tmp_path, "orders_match_events", "events_unique"))
    receipt = failed.value.receipt
    assert receipt.error.startswith("orders_match_events: 1 rows")
    assert [(one["name"], one["sample"][0]["order_id"]) for one in receipt.facts["failures"]] == [("orders_match_events", "o1")]


def test_a_published_run_is_not_judged_again_by_its_quarantine(good: Lake) -> None:
    assert audit.ask(plant(good, "curated.ingest_ledger", put(quarantined="101")), named("quarantine_rate")).rows == 0


def test_a_warning_blocks_nothing(good: Lake, tmp_path: Path) -> None:
    lake = plant(good, "curated.orders", put(lines="0"))
    receipt = audit.work(lake, audit.arguments().parse_args(WORDS), copied(tmp_path, "refunds_have_orders"))
    assert (receipt.error, receipt.facts["audits"][0]["rows"]) == ("", 1)


def test_an_audit_that_cannot_be_asked_has_not_passed(good: Lake, tmp_path: Path) -> None:
    (tmp_path / "broken.sql").write_text("-- severity: warn\n-- meaning: m\n-- owner: o\nSELECT nothing FROM {curated.events}")
    with pytest.raises(WorkFailed, match=r"broken: .*nothing"):
        audit.work(good, audit.arguments().parse_args(WORDS), tmp_path)


def test_no_audit_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no audit found"):
        audit.audits(tmp_path)


def test_an_audit_without_owner_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.sql").write_text("-- severity: error\n-- meaning: m\nSELECT 1")
    with pytest.raises(ValueError, match=r"x\.sql: needs the header lines"):
        audit.audits(tmp_path)
