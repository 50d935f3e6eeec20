-- grain: one row per published session
-- Sessions that have an event in the time ranges, or end or begin less than 30 minutes from one: a new event may extend them.
SELECT *
FROM {{ published('curated.sessions') }} AS s
LEFT SEMI JOIN (SELECT * FROM VALUES {{ ranges | literal }} AS ranges (since, until)) AS r
    ON s.started_at < r.until + INTERVAL 30 MINUTES AND s.ended_at >= r.since - INTERVAL 30 MINUTES
-- The start of the first range is a constant, with which Iceberg skips older files.
WHERE s.ended_at >= {{ since | literal }} - INTERVAL 30 MINUTES
