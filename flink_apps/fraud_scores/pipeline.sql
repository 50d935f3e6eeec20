-- From Kafka clicks.v1: a score for each payment and sign-in, alerts, and the events that came too late to be scored here.
-- The nightly run scores the late events.
{% import "formulas.sql" as formulas %}
{% import "macros.sql" as macros %}
{% set event_columns %}
event_id, event_type, event_ms, user_id, session_id, device_id, payment_token, ip_hash, order_id, amount, is_late, ts
{%- endset %}
{% set emit_from %}
TO_TIMESTAMP_LTZ({{ connectors.emit_from }}, 3)
{%- endset %}
{# The present time, evaluated after `column`. On its own, the planner would evaluate it before the windows. #}
{% macro now_after(column) %}
IF({{ column }} >= 0, CURRENT_ROW_TIMESTAMP(), CAST(NULL AS TIMESTAMP_LTZ(3)))
{%- endmacro %}

CREATE TEMPORARY FUNCTION places AS 'io.clickstream.Places';
CREATE TEMPORARY FUNCTION jump AS 'io.clickstream.Jump';

-- All fields are read as text, so that a value of a wrong type is not read as NULL. A record that is no JSON has only NULL fields.
CREATE TEMPORARY TABLE records (
{% for field in fields %}
  `{{ field.name }}` {{ "BIGINT" if field.type == "timestamptz" else "STRING" }},
{% endfor %}
  {{ connectors.arrived_column }},
  -- Event time, at most the time of arrival: a clock that is ahead would advance the watermark and make all other events late.
  -- An event of the shop's servers that was delayed by at most {{ allowed_lateness_minutes }} minutes counts from its arrival, so that
  -- the delay does not make it late. Clicks keep their own time: a phone sends the clicks of a minute in one batch.
  ts AS CASE
    WHEN event_type IN ({{ server_events | literal }})
      AND TO_TIMESTAMP_LTZ(event_time, 3) >= {{ connectors.arrived }} - INTERVAL '{{ allowed_lateness_minutes }}' MINUTE
      THEN {{ connectors.arrived }}
    ELSE COALESCE(LEAST(TO_TIMESTAMP_LTZ(event_time, 3), {{ connectors.arrived }}), {{ connectors.arrived }})
  END,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH (
{{ macros.table_options(connectors.records, connectors.startup) }}
);

-- Ticks advance the watermark while no events arrive, so that the last events before a pause are scored. While events arrive, the
-- smaller of both watermarks counts, and ticks must not delay the scores. One tick per second with a delay of 1.5 s: its watermark is
-- 0.5 s ahead of the events' watermark (2 s) right after a tick, and 0.5 s behind it right before the next one.
CREATE TEMPORARY TABLE ticks (
  tick BIGINT,
  ts AS CAST(CURRENT_ROW_TIMESTAMP() AS TIMESTAMP_LTZ(3)),
  WATERMARK FOR ts AS ts - INTERVAL '1.5' SECOND
) WITH (
{{ macros.table_options(connectors.ticks) }}
);

-- Valid clicks only: clicks_to_lake puts the others into quarantine.
-- grain: one row per valid click or tick
CREATE TEMPORARY VIEW events AS
SELECT
  event_id, event_type, event_time AS event_ms, user_id, session_id, device_id, order_id, payment_token, coupon,
  CAST({{ formulas.amount(price, quantity) }} AS DOUBLE) AS amount,
  {{ latitude }} AS latitude,
  {{ longitude }} AS longitude,
  ip_hash,
  UPPER(TRIM(currency)) AS currency,
  TO_TIMESTAMP_LTZ(event_time, 3) < {{ connectors.arrived }} - INTERVAL '{{ late_after_seconds }}' SECOND AS is_late,
  ts
FROM records
WHERE `schema_version` = '{{ event_version }}'
{% for condition in invalid_conditions %}
  AND ({{ condition }}) IS NOT TRUE
{% endfor %}
UNION ALL
SELECT CAST(tick AS STRING), 'tick', tick, '', '', '', '', '', '', CAST(0 AS DOUBLE), CAST(0 AS DOUBLE), CAST(0 AS DOUBLE), '', '', FALSE, ts
FROM ticks;

-- CURRENT_WATERMARK is evaluated only here: each operator sees the watermark at another moment, and an event that is late for
-- late_events must not be on time for the scores. The join with one row keeps the planner from evaluating it below the UNION,
-- where only one source's watermark is known.
CREATE TEMPORARY VIEW events_with_watermark AS
SELECT events.*, IF(is_event, CURRENT_WATERMARK(ts), CAST(NULL AS TIMESTAMP_LTZ(3))) AS watermark_ts
FROM events CROSS JOIN UNNEST(ARRAY[event_type <> 'tick']) AS flags (is_event);

CREATE TEMPORARY VIEW on_time_events AS
SELECT *, {{ reference_amount }} AS reference_amount
FROM events_with_watermark
WHERE event_type <> 'tick' AND (watermark_ts IS NULL OR ts > watermark_ts);

{% for group, source in all_events_groups %}
{% include "pattern.sql" %}


{% endfor %}
CREATE TEMPORARY VIEW risk_events AS
SELECT * FROM {{ all_events_view }} WHERE event_type NOT IN ({{ browse_events | literal }});

{% for group, source in risk_events_groups %}
{% include "pattern.sql" %}


{% endfor %}
-- Browse events have only the patterns that look at all events; the others give them 0.
-- grain: one row per on-time event
CREATE TEMPORARY VIEW evaluated_events AS
SELECT {{ event_columns }},
{% for pattern in patterns %}
  {{ pattern.name }}_part, {{ pattern.name }}_reason{{ "" if loop.last else "," }}
{% endfor %}
FROM {{ risk_events_view }}
UNION ALL
SELECT {{ event_columns }},
{% for pattern in all_events_patterns %}
  {{ pattern.name }}_part, {{ pattern.name }}_reason,
{% endfor %}
{% for pattern in risk_events_patterns %}
  CAST(0 AS DOUBLE) AS {{ pattern.name }}_part, CAST(NULL AS STRING) AS {{ pattern.name }}_reason{{ "" if loop.last else "," }}
{% endfor %}
FROM {{ all_events_view }}
WHERE event_type IN ({{ browse_events | literal }});

CREATE TEMPORARY TABLE scores (
  event_id STRING NOT NULL,
  event_type STRING,
  event_time BIGINT,
  user_id STRING,
  session_id STRING,
  device_id STRING,
  order_id STRING,
  amount DOUBLE,
  score DOUBLE,
  decision STRING,
  parts ROW<{% for pattern in patterns %}`{{ pattern.name }}` DOUBLE{{ "" if loop.last else ", " }}{% endfor %}>,
  patterns STRING,
  reasons STRING,
  rule_version STRING,
  is_late BOOLEAN,
  scored_at TIMESTAMP_LTZ(3)
) WITH (
{{ macros.table_options(connectors.scores) }}
);

CREATE TEMPORARY VIEW scored_events AS
SELECT *, GREATEST({{ part_columns }}) AS score
FROM {{ risk_events_view }}
WHERE event_type IN ({{ scored_events | literal }}) AND ts >= {{ emit_from }};

-- grain: one row per on-time event whose type is scored
INSERT INTO scores
SELECT
  event_id, event_type, event_ms, user_id, session_id, device_id, order_id, amount, score,
  CASE WHEN score >= {{ block_from }} THEN 'block' WHEN score >= {{ review_from }} THEN 'review' ELSE 'allow' END,
  ROW({{ part_columns }}),
  CONCAT_WS(',',
{% for pattern in patterns %}
    IF({{ pattern.name }}_part > 0, '{{ pattern.name }}', CAST(NULL AS STRING)){{ "" if loop.last else "," }}
{% endfor %}
  ),
  CONCAT_WS('; '{% for pattern in patterns %}, {{ pattern.name }}_reason{% endfor %}),
  {{ version | literal }},
  is_late,
  {{ now_after("score") }}
FROM scored_events;

{% include "alerts.sql" %}


CREATE TEMPORARY TABLE late_events (
  event_id STRING NOT NULL,
  event_type STRING,
  event_time BIGINT,
  watermark_ms BIGINT
) WITH (
{{ macros.table_options(connectors.late_events) }}
);

-- Late events are excluded from the scores (ts <= watermark): the nightly run scores them.
-- grain: one row per late event whose type is scored
INSERT INTO late_events
SELECT event_id, event_type, event_ms, 1000 * UNIX_TIMESTAMP(CAST(watermark_ts AS STRING))
FROM events_with_watermark
WHERE event_type IN ({{ scored_events | literal }}) AND ts <= watermark_ts;
