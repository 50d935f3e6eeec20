"""The stream fraud_scores: scores and alerts seconds after a payment or a sign-in, by the patterns of rules/fraud.yaml."""

from collections.abc import Iterator
from pathlib import Path

from clickstream_contracts import names, schema
from clickstream_contracts.fraud_rules import ALL_EVENTS, RISK_EVENTS, rules
from clickstream_contracts.fraud_sql import FLINK, chain_output, pattern_chain, reference_amount
from clickstream_contracts.settings import Settings
from flink_apps.common import sql
from flink_apps.common.cli import Stream
from flink_apps.common.validation import FieldText, out_of_range
from flink_apps.fraud_scores import connectors
from flink_apps.fraud_scores.connectors import Connectors

TEMPLATE = Path(__file__).with_name("pipeline.sql")


def render(settings: Settings, tables: Connectors | None = None) -> str:
    """Returns the statements. `tables` replaces the Kafka connectors.

    What is known only at submission stays a Jinja expression, see common/connectors.py.
    """
    tables = tables or connectors.kafka()
    fraud = rules()
    fields = {field.name: FieldText(field, f"`{field.name}`") for field in schema.event().fields}
    all_events_patterns, risk_events_patterns = fraud.in_scope(ALL_EVENTS), fraud.in_scope(RISK_EVENTS)
    all_events_groups = pattern_chain(all_events_patterns, "on_time_events", FLINK)
    risk_events_groups = pattern_chain(risk_events_patterns, "risk_events", FLINK)
    values = vars(fraud) | {
        "connectors": tables,
        "fields": fields.values(),
        "event_version": names.EVENT_VERSION,
        "invalid_conditions": list(_invalid_conditions(fields, tables.arrived, settings)),
        **{name: fields[name].value for name in ("price", "quantity", "latitude", "longitude")},
        "reference_amount": reference_amount(fraud, "amount", "currency"),
        "all_events_patterns": all_events_patterns,
        "all_events_groups": all_events_groups,
        "all_events_view": chain_output(all_events_groups, "on_time_events"),
        "risk_events_patterns": risk_events_patterns,
        "risk_events_groups": risk_events_groups,
        "risk_events_view": chain_output(risk_events_groups, "risk_events"),
        "part_columns": ", ".join(f"{pattern.name}_part" for pattern in fraud.patterns),
    }
    return sql.render(TEMPLATE, values)


def _invalid_conditions(fields: dict[str, FieldText], arrived: str, settings: Settings) -> Iterator[str]:
    """Yields the conditions of clicks_to_lake under which a record is no valid click, for the columns of the table `records`.

    schema_version is not among them: the statements compare it with the one supported version.
    """
    for field in fields.values():
        if field.name == "schema_version":
            continue
        if field.required:
            yield field.is_missing
        if field.type == "timestamptz":
            yield out_of_range(field.text, arrived, settings)
            continue
        if field.type != "string":
            yield field.has_wrong_type
        yield from (limit.condition for limit in field.limits)


# Longer than a deployment takes: what the job before did not score has a score.
EMIT_SECONDS = 30 * 60
# Without state it first fills the windows of the events that it scores, and those of the alerts that suppress theirs.
STREAM = Stream(
    names.FRAUD_SCORES_JOB,
    render,
    topics={"records": names.CLICKS_TOPIC},
    uses_lake=False,
    look_back_seconds=EMIT_SECONDS + 60 * rules().alert_suppression_minutes + rules().longest_seconds,
    emit_seconds=EMIT_SECONDS,
    checkpoint_factor=3,
    java_functions=("Places", "Jump"),
    # An event crosses one exchange per pattern; with the default of 100 ms it would wait half a second in network buffers.
    options={"execution.buffer-timeout.interval": "10ms", "pipeline.auto-watermark-interval": "100ms"},
)
