-- severity: error
-- meaning: a session that begins before the pause after another with the same session_id is over
-- owner: lake
WITH with_previous AS (
    SELECT
        session_key,
        session_id,
        started_at,
        ended_at,
        max(ended_at) OVER (PARTITION BY session_id ORDER BY started_at, session_key ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS previous_end
    FROM {{ table('curated.sessions') }}
)
SELECT session_key, session_id, started_at, ended_at, previous_end
FROM with_previous
WHERE started_at <= previous_end + {{ session_pause }} OR ended_at < started_at
