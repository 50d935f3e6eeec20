-- grain: one row per event and pattern whose part score reaches `review`
CREATE TEMPORARY VIEW candidate_alerts AS
{% for pattern in patterns %}
SELECT
  '{{ pattern.name }}' AS `pattern`, '{{ pattern.entity }}' AS entity_type, {{ pattern.entity }} AS entity,
  {{ pattern.name }}_part AS score, {{ pattern.name }}_reason AS reason,
  event_id, event_type, event_ms, user_id, session_id, device_id, order_id, amount, is_late, ts
FROM evaluated_events
WHERE {{ pattern.name }}_part >= {{ review_from }}{{ ";" if loop.last else "\nUNION ALL" }}
{% endfor %}

-- A candidate is suppressed when the same pattern, entity and decision had one on the same day (UTC) within the suppression window
-- before it: an attack without a pause is one alert per day. Of candidates with the same timestamp the smallest event_id is the
-- alert, whatever the order in which they were read.
-- grain: one row per alert
CREATE TEMPORARY VIEW first_alerts AS
WITH decided AS (
  SELECT *, CAST(ts AS TIMESTAMP_LTZ(3)) AS event_ts, CAST(ts AS DATE) AS `day`, IF(score >= {{ block_from }}, 'block', 'review') AS decision
  FROM candidate_alerts
),
windowed AS (
  SELECT *, MIN(event_ts) OVER w AS first_ts, MIN(event_id) OVER w AS first_id
  FROM decided
  WINDOW w AS (
    PARTITION BY `pattern`, entity, decision, `day` ORDER BY ts
    RANGE BETWEEN INTERVAL '{{ alert_suppression_minutes }}' MINUTE PRECEDING AND CURRENT ROW
  )
)
SELECT * FROM windowed
WHERE event_ts = first_ts AND event_id = first_id AND event_ts >= {{ emit_from }};

CREATE TEMPORARY TABLE alerts (
  alert_id STRING NOT NULL,
  `pattern` STRING,
  entity_type STRING,
  entity STRING,
  decision STRING,
  score DOUBLE,
  reason STRING,
  event_id STRING,
  event_type STRING,
  event_time BIGINT,
  user_id STRING,
  session_id STRING,
  device_id STRING,
  order_id STRING,
  amount DOUBLE,
  rule_version STRING,
  is_late BOOLEAN,
  raised_at TIMESTAMP_LTZ(3)
) WITH (
{{ macros.table_options(connectors.alerts) }}
);

-- grain: one row per alert
INSERT INTO alerts
SELECT
  MD5(CONCAT(`pattern`, '|', entity, '|', decision, '|', event_id)),
  `pattern`, entity_type, entity, decision, score, reason,
  event_id, event_type, event_ms, user_id, session_id, device_id, order_id, amount, {{ version | literal }}, is_late,
  {{ now_after("score") }}
FROM first_alerts;
{%- if connectors.flagged_events %}


CREATE TEMPORARY TABLE flagged_events (
  `pattern` STRING,
  entity_type STRING,
  entity STRING,
  score DOUBLE,
  reason STRING,
  event_id STRING,
  event_time BIGINT
) WITH (
{{ macros.table_options(connectors.flagged_events) }}
);

-- Also those that raise no alert, because it is suppressed.
-- grain: one row per event and pattern whose part score reaches `review`
INSERT INTO flagged_events
SELECT `pattern`, entity_type, entity, score, reason, event_id, event_ms FROM candidate_alerts;
{% endif %}
