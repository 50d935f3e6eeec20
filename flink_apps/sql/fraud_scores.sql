-- Kafka clicks.v1 -> a score for each payment and sign-in, alerts, and what came too late to be judged here.
-- {{...}} is filled from the rules and the contract and belongs to the definition; ${...} is where the job runs.

-- Texts, since a value of another type must not pass for none. What is torn has no fields at all.
CREATE TEMPORARY TABLE records (
{{columns}},
  {{arrived_column}},
  -- Nobody's clock may run ahead of the broker's: it would make everybody else late. What the shop's servers did counts from its
  -- arrival, so that it is never late for having been held up. Clicks keep their time: a phone sends those of a minute at once.
  ts AS CASE
    WHEN event_type IN ({{held_up}}) AND TO_TIMESTAMP_LTZ(event_time, 3) >= {{arrived}} - INTERVAL '{{late_after}}' SECOND THEN {{arrived}}
    ELSE COALESCE(LEAST(TO_TIMESTAMP_LTZ(event_time, 3), {{arrived}}), {{arrived}})
  END,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH (
{{door_records}}
);

-- The clock: when the shop falls silent, it alone tells that time goes on, and the last events are judged. While the shop speaks, the
-- slower of both clocks counts, so this one must not hold the scores back: between two ticks, a second apart, it falls behind by as much,
-- and is half a second ahead of the events' own after a tick and half a second behind it before the next.
CREATE TEMPORARY TABLE ticks (
  tick BIGINT,
  ts AS CAST(CURRENT_ROW_TIMESTAMP() AS TIMESTAMP_LTZ(3)),
  WATERMARK FOR ts AS ts - INTERVAL '1.5' SECOND
) WITH (
{{door_ticks}}
);

-- What breaks the contract is kept by the lake's quarantine and is passed over here.
CREATE TEMPORARY VIEW events AS
SELECT event_id, event_type, event_time AS event_ms, user_id, session_id, device_id, order_id, payment_token, coupon,
  CAST({{price}} * {{quantity}} AS DOUBLE) AS amount, {{latitude}} AS latitude, {{longitude}} AS longitude, ts
FROM records
WHERE {{valid}}
UNION ALL
SELECT CAST(tick AS STRING), 'tick', tick, '', '', '', '', '', '', CAST(0 AS DOUBLE), CAST(0 AS DOUBLE), CAST(0 AS DOUBLE), ts
FROM ticks;

-- The only place where the watermark is asked: each place hears of it at its own moment, and what is late for the late topic must not
-- be prompt for the scores. The joined row keeps the question behind the UNION, where both clocks have been heard.
CREATE TEMPORARY VIEW timed AS
SELECT events.*, IF(is_event, CURRENT_WATERMARK(ts), CAST(NULL AS TIMESTAMP_LTZ(3))) AS clock
FROM events CROSS JOIN UNNEST(ARRAY[event_type <> 'tick']) AS asked (is_event);

CREATE TEMPORARY VIEW prompt AS
SELECT * FROM timed
WHERE event_type <> 'tick' AND (clock IS NULL OR ts > clock);
{{views_of_all}}

CREATE TEMPORARY VIEW risky AS
SELECT * FROM {{all}} WHERE event_type NOT IN ({{looking}});
{{views_of_risk}}

-- Those who only look are judged by the patterns that see every event.
CREATE TEMPORARY VIEW judged AS
SELECT event_id, event_type, event_ms, user_id, session_id, device_id, payment_token, order_id, amount, ts{{columns_of_patterns}}
FROM {{risk}}
UNION ALL
SELECT event_id, event_type, event_ms, user_id, session_id, device_id, payment_token, order_id, amount, ts{{columns_of_patterns}}
FROM (SELECT *{{no_risk_parts}}
  FROM {{all}} WHERE event_type IN ({{looking}}));

CREATE TEMPORARY VIEW alarms AS
{{alarms}};

-- The first alarm after some peace raises the alert; those that follow belong to it. Of alarms of one moment it is the one with
-- the smallest id, so that the alert is the same whatever order they were read in.
CREATE TEMPORARY VIEW first_alarms AS
SELECT * FROM (
  SELECT *, MIN(moment) OVER w AS first_moment, MIN(event_id) OVER w AS first_id
  FROM (SELECT *, CAST(ts AS TIMESTAMP_LTZ(3)) AS moment, IF(score >= {{block_from}}, 'block', 'review') AS decision FROM alarms)
  WINDOW w AS (
    PARTITION BY `pattern`, entity, decision ORDER BY ts RANGE BETWEEN INTERVAL '{{peace}}' MINUTE PRECEDING AND CURRENT ROW
  )
)
WHERE moment = first_moment AND event_id = first_id;

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
  parts ROW<{{parts_row}}>,
  patterns STRING,
  reasons STRING,
  rule_version STRING,
  scored_at TIMESTAMP_LTZ(3)
) WITH (
{{door_scores}}
);

CREATE TEMPORARY VIEW scored AS
SELECT *, GREATEST({{parts}}) AS score FROM {{risk}} WHERE event_type IN ({{scored}});

INSERT INTO scores
SELECT event_id, event_type, event_ms, user_id, session_id, device_id, order_id, amount, score,
  CASE WHEN score >= {{block_from}} THEN 'block' WHEN score >= {{review_from}} THEN 'review' ELSE 'allow' END,
  ROW({{parts}}),
  CONCAT_WS(',', {{codes}}),
  CONCAT_WS('; ', {{reasons}}),
  '{{version}}',
  -- made to depend on the score: it would be taken before the windows otherwise
  IF(score >= 0, CURRENT_ROW_TIMESTAMP(), CAST(NULL AS TIMESTAMP_LTZ(3)))
FROM scored;

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
  raised_at TIMESTAMP_LTZ(3)
) WITH (
{{door_alerts}}
);

INSERT INTO alerts
SELECT MD5(CONCAT(`pattern`, '|', entity, '|', decision, '|', event_id)), `pattern`, entity_type, entity, decision, score, reason,
  event_id, event_type, event_ms, user_id, session_id, device_id, order_id, amount, '{{version}}',
  IF(score >= 0, CURRENT_ROW_TIMESTAMP(), CAST(NULL AS TIMESTAMP_LTZ(3)))
FROM first_alarms;

CREATE TEMPORARY TABLE late (
  event_id STRING NOT NULL,
  event_type STRING,
  event_time BIGINT,
  watermark_ms BIGINT
) WITH (
{{door_late}}
);

INSERT INTO late
SELECT event_id, event_type, event_ms, 1000 * UNIX_TIMESTAMP(CAST(clock AS STRING))
FROM timed
WHERE event_type IN ({{scored}}) AND ts <= clock;
