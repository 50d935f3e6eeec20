-- grain: one row per event_id
-- The payments and sign-ins of the days that the stream has not scored, with the entities of the fraud patterns.
-- A score is looked up by its event_id whatever its day: of an event that was sent again with another time, the stream may
-- have scored only the repeat. It scores no event before the broker has it, so older scores are not read.
SELECT
    event_id,
    {{ entities | join(", ") }}
FROM {{ table('curated.events') }} AS e
LEFT ANTI JOIN (
    SELECT event_id FROM {{ table('raw.fraud_scores') }} WHERE ingested_at >= {{ scores_since | literal }}
) AS s ON s.event_id = e.event_id
WHERE e.event_day IN ({{ days | literal }}) AND e.event_type IN ({{ scored_events | literal }})
