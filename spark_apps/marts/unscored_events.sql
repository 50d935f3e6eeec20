-- grain: one row per event_id
-- The payments and sign-ins of the days that the stream has not scored, with the entities of the fraud patterns.
SELECT
    event_id,
    {{ entities | join(", ") }}
FROM {{ table('curated.events') }} AS e
LEFT ANTI JOIN (
    SELECT event_id FROM {{ table('raw.fraud_scores') }} WHERE CAST(event_time AS DATE) IN ({{ days | literal }})
) AS s ON s.event_id = e.event_id
WHERE e.event_day IN ({{ days | literal }}) AND e.event_type IN ({{ scored_events | literal }})
