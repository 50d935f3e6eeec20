-- What the stream has not judged, judged by the same rules over all events of the lake.
-- What stands in double braces is filled from the rules.
WITH seen AS (
    SELECT
        event_id, event_type, event_day, event_time, user_id, session_id, device_id, order_id, payment_token, coupon,
        CAST(price * quantity AS DOUBLE) AS amount,
        latitude, longitude,
        unix_millis(event_time) AS event_ms,
        -- As for the stream: nobody's clock may run ahead of the broker's.
        least(event_time, ingested_at) AS ts
    FROM {curated.events} AS e
    WHERE e.event_day IN ({read_days})
        -- Who shares nothing with an unjudged event cannot count for it.
        AND (e.event_id IN (SELECT event_id FROM unjudged) OR {{reach}})
),
{{patterns_of_all}}risky AS (
    SELECT * FROM {{all}} WHERE event_type NOT IN ({{looking}})
),
{{patterns_of_risk}}scored AS (
    SELECT *, greatest({{parts}}) AS score
    FROM {{risk}}
    WHERE event_id IN (SELECT event_id FROM unjudged)
)
SELECT
    event_day AS day,
    event_id,
    event_type,
    event_time,
    user_id,
    session_id,
    device_id,
    order_id,
    amount,
    score,
    CASE WHEN score >= {{block_from}} THEN 'block' WHEN score >= {{review_from}} THEN 'review' ELSE 'allow' END AS decision,
    to_json(named_struct({{named_parts}})) AS parts,
    concat_ws(',', {{codes}}) AS patterns,
    concat_ws('; ', {{reasons}}) AS reasons,
    {{version}} AS rule_version
FROM scored
