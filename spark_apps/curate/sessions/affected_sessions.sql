-- grain: one row per published session
-- Sessions that have an event in the time ranges, or end or begin at most a pause from one: a new event may extend them.
{% import "macros.sql" as macros %}
SELECT *
FROM {{ published('curated.sessions') }} AS s
WHERE {{ macros.overlaps("s.started_at", "s.ended_at", ranges, session_pause) }}
