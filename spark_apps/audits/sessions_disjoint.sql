-- severity: error
-- meaning: a session that begins before the pause after another with the same session_id is over, and not by the midnight after a filled day
-- owner: lake
{% import "macros.sql" as macros %}
WITH with_previous AS (
    SELECT
        session_key,
        session_id,
        started_at,
        ended_at,
        max(struct(ended_at, started_at))
            OVER (PARTITION BY session_id ORDER BY started_at, session_key ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS previous
    FROM {{ table('curated.sessions') }}
    WHERE {{ macros.overlaps("started_at", "ended_at", changed_ranges, session_pause) }}
)
SELECT session_key, session_id, started_at, ended_at, previous.ended_at AS previous_end
FROM with_previous
WHERE ended_at < started_at
    OR (
        started_at <= previous.ended_at + {{ session_pause }}
        AND (CAST(started_at AS DATE) = CAST(previous.ended_at AS DATE) OR {{ macros.visit_part("previous.started_at", "started_at") }} IS NULL)
    )
