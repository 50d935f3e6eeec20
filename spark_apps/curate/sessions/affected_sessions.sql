-- grain: one row per published session
-- Sessions that have an event in the time ranges, or end or begin at most a pause from one: a new event may extend them.
SELECT *
FROM {{ published('curated.sessions') }} AS s
LEFT SEMI JOIN (SELECT * FROM VALUES {{ ranges | literal }} AS ranges (since, until)) AS r
    ON s.started_at < r.until + {{ session_pause }} AND s.ended_at >= r.since - {{ session_pause }}
-- The start of the first range is a constant, with which Iceberg skips older files.
WHERE s.ended_at >= {{ since | literal }} - {{ session_pause }}
