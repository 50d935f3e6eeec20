-- grain: one row per event_id
-- Fraud scores of the view `unscored_events`, by the rules that the stream applies, over all events of the lake.
{% import "fraud_macros.sql" as fraud %}
{% import "macros.sql" as macros %}
WITH lake_events AS (
    SELECT
        event_id, event_type, event_day, event_time, user_id, session_id, device_id, order_id, payment_token, coupon,
        CAST({{ macros.amount_of("e") }} AS DOUBLE) AS amount,
        latitude, longitude, ip_hash, {{ macros.currency_of("e") }} AS currency,
        unix_millis(event_time) AS event_ms,
        -- As in the stream: an event whose clock is ahead of the broker's counts at its arrival.
        least(event_time, ingested_at) AS ts
    FROM {{ table('curated.events') }} AS e
    WHERE e.event_day IN ({{ read_days | literal }})
        -- An event that shares no entity with an unscored event cannot change the score of one.
        AND (
            e.event_id IN (SELECT event_id FROM unscored_events)
{% for entity in entities %}
            OR e.{{ entity }} IN (SELECT {{ entity }} FROM unscored_events)
{% endfor %}
        )
),
all_events AS (
    SELECT *, {{ reference_amount }} AS reference_amount FROM lake_events
),
{% for group, source in all_events_groups %}
{{ group.name }} AS (
{{ fraud.group_query(group, source) }}
),
{% endfor %}
risk_events AS (
    SELECT * FROM {{ all_events_view }} WHERE event_type NOT IN ({{ rules.browse_events | list | literal }})
),
{% for group, source in risk_events_groups %}
{{ group.name }} AS (
{{ fraud.group_query(group, source) }}
),
{% endfor %}
scored AS (
    SELECT *, greatest({% for name in pattern_names %}{{ name }}_part{{ "" if loop.last else ", " }}{% endfor %}) AS score
    FROM {{ risk_events_view }}
    WHERE event_id IN (SELECT event_id FROM unscored_events)
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
    CASE WHEN score >= {{ rules.block_from }} THEN 'block' WHEN score >= {{ rules.review_from }} THEN 'review' ELSE 'allow' END AS decision,
    to_json(named_struct({% for name in pattern_names %}'{{ name }}', {{ name }}_part{{ "" if loop.last else ", " }}{% endfor %})) AS parts,
    concat_ws(','{% for name in pattern_names %}, IF({{ name }}_part > 0, '{{ name }}', NULL){% endfor %}) AS patterns,
    concat_ws('; '{% for name in pattern_names %}, {{ name }}_reason{% endfor %}) AS reasons,
    {{ rules.version | literal }} AS rule_version
FROM scored
