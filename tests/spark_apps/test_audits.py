"""Each audit returns rows for a violation planted for it, and none for correct data."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame

from clickstream_contracts.schema import tables
from spark_apps.audits import app as audits
from spark_apps.common.cli import AppFailed
from spark_apps.common.lake import Lake
from spark_apps.features import app as features
from tests.spark_apps.local_lake import LocalLake, at
from tests.spark_apps.planted import Change, add_row, doubled, plant, set_columns, where

ARGUMENTS = ["--ref", "b", "--run", "r", "--day", "2026-01-02", "--receipt", "file:///tmp/none.json"]


@pytest.fixture(scope="module")
def correct_lake(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = LocalLake(spark, tmp_path_factory.mktemp("correct"))
    columns = {"product_id": "p1", "user_id": "u1", "device_id": "d0", "price": "5.00", "quantity": 1, "currency": "EUR", "order_id": "o1"}
    lake.insert("landing.users", {"user_id": "u1", "country": "DE", "updated_at": at("1 00:00")})
    lake.insert("landing.users", {"user_id": "u1", "country": "FR", "updated_at": at("3 00:00")})
    lake.insert("landing.products", {"product_id": "p1", "category": "shoes", "updated_at": at("1 00:00")})
    rate = {"reporting_currency": "CHF", "day": date(2026, 1, 1), "rate": Decimal("0.93")}
    lake.insert("landing.currency_rates", rate | {"currency": "EUR"}, rate | {"currency": "USD"})
    lake.send(
        {"event_id": "a", "event_type": "view_item", "event_time": "2 10:00", "session_id": "s1", **columns},
        {"event_id": "b", "event_type": "purchase", "event_time": "2 10:01", "session_id": "s1", **columns},
        {"event_id": "c", "event_type": "view_item", "event_time": "2 18:00", "session_id": "s1", **columns},
        {"event_id": "c", "event_type": "view_item", "event_time": "2 18:00", "session_id": "s1", **columns},
        {"event_id": "back", "event_type": "refund", "event_time": "2 18:05", "session_id": "s1", **columns},
        {"event_id": "d", "event_type": "page_view", "event_time": "1 09:00", "session_id": "s0"},
        {"event_id": "l", "event_type": "login", "event_time": "2 12:30", "session_id": "s3"},
        *(
            {"event_id": f"v{n}", "event_type": "view_item", "event_time": f"2 12:0{n}", "session_id": "s2", "product_id": f"p{n}"}
            for n in (1, 2, 3)
        ),
    )
    lake.quarantine(1)
    scored = {"kafka_partition": 0, "kafka_offset": 0, "event_id": "b", "event_time": at("2 10:01"), "ingested_at": at("70 10:02")}
    lake.insert("raw.fraud_scores", scored | {"event_type": "purchase", "decision": "block", "patterns": "card_velocity", "amount": 5.0})
    lake.insert("raw.fraud_alerts", scored | {"alert_id": "a1", "pattern": "card_velocity", "entity_type": "user_id", "entity": "u1"})
    lake.recompute(day="2026-01-02")
    assert lake.run(features, day="2026-01-02")[0] == 0
    # They arrived after the run, so no audit may count them.
    lake.quarantine(101)
    lake.send({"event_id": "z", "event_type": "view_item", "event_time": "2 19:00", "session_id": "s1"})
    return lake.lake


def with_many_events_on_the_first_day(frame: DataFrame) -> DataFrame:
    return frame.unionAll(frame.where("event_id = 'd'").crossJoin(frame.sparkSession.range(99)).drop("id"))


def with_an_expired_offset(frame: DataFrame) -> DataFrame:
    return frame.sparkSession.sql(
        "SELECT 0 AS kafka_partition, 2 AS first_offset, 3 AS end_offset, 'expired' AS reason, now() AS recorded_at"
    )


def with_a_decision(frame: DataFrame) -> DataFrame:
    columns = {field.name: "CAST(NULL AS STRING)" for field in tables()["landing.quarantine_decisions"].fields}
    columns |= {"decision_id": "'d1'", "reason": "'a test'", "decided_by": "'me'", "decided_at": "now()"}
    columns |= {"kafka_partition": "0", "start_offset": "0L", "end_offset": "100L"}
    return frame.sparkSession.range(1).selectExpr(*(f"{value} AS {name}" for name, value in columns.items()))


def copies(frame: DataFrame, event_id: str, number: int, **columns: str) -> DataFrame:
    """Returns copies of one event with some columns set to SQL expressions."""
    return set_columns(**columns)(frame.where(f"event_id = '{event_id}'")).crossJoin(frame.sparkSession.range(number)).drop("id")


def with_many_events_a_week_before(frame: DataFrame) -> DataFrame:
    return frame.unionAll(copies(frame, "l", 99, event_day="event_day - INTERVAL 7 DAYS"))


def with_many_purchases_the_day_before(frame: DataFrame) -> DataFrame:
    return frame.unionAll(copies(frame, "b", 200, event_day="event_day - INTERVAL 1 DAY"))


def with_products_on_the_newest_day_only(frame: DataFrame) -> DataFrame:
    before = copies(frame, "l", 50, event_day="event_day - INTERVAL 7 DAYS")
    return frame.unionAll(before).unionAll(copies(frame, "l", 50, product_id="'p1'"))


def with_prices_the_day_before_only(frame: DataFrame) -> DataFrame:
    before = copies(frame, "b", 50, event_day="event_day - INTERVAL 1 DAY")
    return frame.unionAll(before).unionAll(copies(frame, "b", 50, price="CAST(NULL AS DECIMAL(18, 2))"))


PLANTED: list[tuple[str, str, Change]] = [
    ("events_unique", "curated.events", doubled),
    ("events_complete", "curated.events", where("event_id <> 'a'")),
    ("events_complete", "curated.events", add_row(event_id="'ghost'")),
    ("event_day_matches", "curated.events", set_columns(event_day="event_day + INTERVAL 1 DAY")),
    ("event_values", "curated.events", set_columns(price="CAST(-1 AS DECIMAL(18, 2))")),
    ("event_values", "curated.events", set_columns(amount="CAST(amount + 1 AS DECIMAL(18, 2))")),
    ("event_versions_exist", "curated.events", set_columns(user_country="'XX'")),
    ("event_versions_exist", "curated.users", where("is_current")),
    ("day_volume_usual", "curated.events", with_many_events_on_the_first_day),
    ("users_versions", "curated.users", set_columns(valid_to="valid_to - INTERVAL 1 HOUR")),
    ("users_versions", "curated.users", set_columns(is_current="true")),
    ("products_versions", "curated.products", doubled),
    ("sessions_disjoint", "curated.sessions", set_columns(started_at="timestamp'2026-01-02 10:00:00'")),
    ("sessions_cover_events", "curated.sessions", where("purchases = 0")),
    ("orders_match_events", "curated.orders", set_columns(revenue="revenue + 1")),
    ("order_lines_match_events", "curated.order_lines", where("false")),
    ("order_lines_counted_once", "curated.order_lines", set_columns(counted="false")),
    ("order_lines_repeated", "curated.order_lines", set_columns(reason="'repeat'")),
    ("orders_one_currency", "curated.orders", set_columns(currencies="2L")),
    ("events_match_raw", "curated.events", set_columns(product_id="'p2'")),
    ("events_match_raw", "curated.events", set_columns(device_id="'d1'")),
    ("event_type_volume_usual", "curated.events", with_many_events_a_week_before),
    ("event_type_lost", "curated.events", with_many_purchases_the_day_before),
    ("event_fields_usual", "curated.events", with_products_on_the_newest_day_only),
    ("purchase_fields_present", "curated.events", set_columns(price="CAST(NULL AS DECIMAL(18, 2))")),
    ("purchase_fields_lost", "curated.events", with_prices_the_day_before_only),
    ("order_refunds_bounded", "curated.orders", set_columns(refunded="revenue + 1")),
    ("refunds_have_orders", "curated.orders", set_columns(lines="0")),
    ("ledger_gapless", "curated.ingest_ledger", add_row(start_offset="7", end_offset="9")),
    ("ledger_balances", "curated.ingest_ledger", set_columns(accepted="accepted + 1")),
    ("ledger_balances", "raw.clicks", where("event_id <> 'b'")),
    ("ledger_balances", "raw.quarantine", where("false")),
    ("ledger_matches_events", "curated.ingest_ledger", set_columns(accepted="accepted + 1")),
    ("offsets_unique", "raw.clicks", doubled),
    ("offsets_unique", "raw.quarantine", add_row(kafka_offset="0")),
    ("ledger_balances", "curated.ingest_ledger", set_columns(gaps="CAST(1 AS BIGINT)")),
    ("records_expired", "landing.offset_gaps", with_an_expired_offset),
    ("quarantine_rate", "curated.ingest_ledger", set_columns(end_offset="CAST(200 AS BIGINT)")),
    ("quarantine_accepted", "landing.quarantine_decisions", with_a_decision),
    ("funnel_monotone", "marts.funnel_daily", set_columns(carted="sessions + 1")),
    ("funnel_matches_sessions", "marts.funnel_daily", where("day <> '2026-01-02'")),
    ("revenue_matches_orders", "marts.revenue_daily", set_columns(revenue="revenue + 0.01")),
    ("refunds_match_lines", "marts.refunds_daily", set_columns(refunded="refunded + 0.01")),
    ("refunds_match_lines", "marts.refunds_daily", where("false")),
    ("reporting_amounts_match_rate", "marts.revenue_daily", set_columns(reporting_revenue="reporting_revenue + 0.01")),
    ("reporting_amounts_match_rate", "marts.revenue_daily", set_columns(reporting_rate="CAST(NULL AS DECIMAL(18, 8))")),
    ("reporting_amounts_match_rate", "marts.revenue_daily", set_columns(currency="reporting_currency")),
    ("reporting_rates_known", "landing.currency_rates", where("currency <> 'EUR'")),
    ("sessions_match_events", "curated.sessions", set_columns(ended_at="ended_at + INTERVAL 1 MINUTE")),
    ("device_users_match_events", "curated.device_users", where("false")),
    ("device_users_match_events", "curated.device_users", set_columns(last_seen="last_seen + INTERVAL 1 MINUTE")),
    ("device_users_match_events", "curated.device_users", set_columns(events="events + 1")),
    ("product_revenue_matches_lines", "marts.product_revenue_daily", set_columns(revenue="revenue + 1")),
    ("products_match_events", "marts.product_daily", set_columns(views="views + 1")),
    ("retention_bounded", "marts.retention_weekly", set_columns(retention="1.5")),
    ("retention_bounded", "marts.retention_weekly", where("false")),
    ("products_match_events", "marts.product_daily", set_columns(viewers="0L")),
    ("fraud_daily_matches_scores", "marts.fraud_daily", where("pattern <> 'all'")),
    ("fraud_daily_matches_scores", "raw.fraud_scores", where("false")),
    ("fraud_daily_matches_scores", "raw.fraud_alerts", where("false")),
    ("fraud_daily_matches_scores", "marts.late_fraud_scores", where("false")),
    ("payments_scored", "raw.fraud_scores", where("false")),
    ("payments_scored", "marts.late_fraud_scores", where("false")),
    ("payments_scored", "marts.late_fraud_scores", doubled),
    ("fraud_daily_bounded", "marts.fraud_daily", set_columns(blocked="events + 1")),
    ("fraud_daily_bounded", "marts.fraud_daily", set_columns(amount_blocked="amount_blocked + IF(pattern = 'all', 0, 1)")),
    ("fraud_daily_bounded", "marts.fraud_daily", where("pattern <> 'all'")),
    ("training_sessions_valid", "features.training_sessions", doubled),
    ("training_sessions_valid", "features.training_sessions", set_columns(items="array('p1')")),
    ("training_sessions_valid", "features.training_sessions", set_columns(event_day="event_day + INTERVAL 1 DAY")),
    ("training_sessions_match_events", "features.training_sessions", where("false")),
    ("training_sessions_match_events", "features.training_sessions", set_columns(items="slice(items, 1, 2)")),
    ("training_sessions_match_events", "curated.events", where("event_id <> 'v1'")),
    ("neighbours_ranked", "features.item_neighbours", set_columns(position="position + 1")),
    ("neighbours_ranked", "features.item_neighbours", set_columns(weight="CAST(position AS DOUBLE)")),
    ("neighbours_ranked", "features.item_neighbours", set_columns(neighbour_id="product_id")),
    ("neighbours_cover_sessions", "features.item_neighbours", where("product_id <> 'p1'")),
    ("neighbours_cover_sessions", "features.item_neighbours", add_row(product_id="'ghost'")),
    ("neighbours_mutual", "features.item_neighbours", where("neighbour_id <> 'p1'")),
    ("neighbours_mutual", "features.item_neighbours", set_columns(weight="IF(product_id = 'p1', 10 * weight, weight)")),
]


def audit_named(name: str) -> audits.Audit:
    return audits.read_audit(audits.FOLDER / f"{name}.sql")


@pytest.mark.parametrize(("name", "table", "change"), PLANTED, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(PLANTED)])
def test_an_audit_returns_rows_for_a_planted_violation(correct_lake: Lake, name: str, table: str, change: Change) -> None:
    result = audits.run_audit(plant(correct_lake, table, change), audit_named(name))
    assert result.error == ""
    assert result.rows > 0
    assert result.sample


def test_every_audit_has_a_planted_violation() -> None:
    assert {name for name, _, _ in PLANTED} == {audit.name for audit in audits.select_audits()}


def test_correct_data_passes_all_audits(correct_lake: Lake) -> None:
    receipt = audits.compute(correct_lake, audits.arguments().parse_args(ARGUMENTS))
    assert {fact["name"]: fact["rows"] for fact in receipt.facts["audits"]} == {audit.name: 0 for audit in audits.select_audits()}


def test_the_audits_are_the_rules_of_the_contract() -> None:
    rules = {(rule.name, rule.severity) for contract in tables().values() for rule in contract.rules}
    assert rules == {(audit.name, audit.severity) for audit in audits.select_audits()}


def test_only_the_audits_of_the_namespaces_run(correct_lake: Lake) -> None:
    receipt = audits.compute(correct_lake, audits.arguments().parse_args([*ARGUMENTS, "--namespaces", "features"]))
    rules = {rule.name for contract in tables().values() if contract.namespace == "features" for rule in contract.rules}
    assert {fact["name"] for fact in receipt.facts["audits"]} == rules
    assert len(rules) == 5


def test_an_audit_that_no_contract_names_runs_for_every_namespace(tmp_path: Path) -> None:
    folder = copy_audits(tmp_path, "events_unique", "neighbours_ranked")
    (folder / "mine.sql").write_text("-- severity: error\n-- meaning: m\n-- owner: o\nSELECT 1")
    assert [audit.name for audit in audits.select_audits(folder, ["curated"])] == ["events_unique", "mine"]
    assert [audit.name for audit in audits.select_audits(folder, ["features"])] == ["mine", "neighbours_ranked"]


def test_namespaces_without_an_audit_and_unknown_namespaces_are_errors(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"no audits in .* for landing"):
        audits.select_audits(namespaces=["landing"])
    with pytest.raises(SystemExit):
        audits.main([*ARGUMENTS, "--namespaces", "features,martz"])
    assert "'martz' is not a namespace: use some of curated," in capsys.readouterr().err


def copy_audits(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / f"{name}.sql").write_text((audits.FOLDER / f"{name}.sql").read_text())
    return folder


def test_a_failed_audit_is_reported_with_sample_rows(correct_lake: Lake, tmp_path: Path) -> None:
    lake = plant(correct_lake, "curated.orders", set_columns(revenue="revenue + 1"))
    with pytest.raises(AppFailed) as failure:
        audits.compute(lake, audits.arguments().parse_args(ARGUMENTS), copy_audits(tmp_path, "orders_match_events", "events_unique"))
    receipt = failure.value.receipt
    assert receipt.error.startswith("orders_match_events: 1 rows")
    assert [(fact["name"], fact["sample"][0]["order_id"]) for fact in receipt.facts["failures"]] == [("orders_match_events", "o1")]
    passed, failed = receipt.facts["audits"]
    assert passed == {"name": "events_unique", "severity": "error", "rows": 0}
    assert (failed["name"], failed["rows"], failed["error"], failed["sample"][0]["order_id"]) == ("orders_match_events", 1, "", "o1")
    assert failed["meaning"]
    assert failed["owner"]


def test_a_warning_does_not_fail_the_run(correct_lake: Lake, tmp_path: Path) -> None:
    lake = plant(correct_lake, "curated.orders", set_columns(lines="0"))
    receipt = audits.compute(lake, audits.arguments().parse_args(ARGUMENTS), copy_audits(tmp_path, "refunds_have_orders"))
    assert (receipt.error, receipt.facts["audits"][0]["rows"]) == ("", 1)
    assert receipt.facts["audits"][0]["sample"], "the grid shows the rows of a warning"


def test_an_audit_whose_query_fails_fails_the_run(correct_lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "broken.sql").write_text("-- severity: warn\n-- meaning: m\n-- owner: o\nSELECT nothing FROM {{ table('curated.events') }}")
    with pytest.raises(AppFailed, match=r"broken: .*nothing"):
        audits.compute(correct_lake, audits.arguments().parse_args(ARGUMENTS), tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no audits in"):
        audits.select_audits(tmp_path)


def test_an_audit_without_owner_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.sql").write_text("-- severity: error\n-- meaning: m\nSELECT 1")
    with pytest.raises(ValueError, match=r"x\.sql: needs the header lines"):
        audits.select_audits(tmp_path)
