-- grain: one row per day
-- The published events of the day and the seven days before; none if a run of a later day is published.
SELECT event_day, count(*) AS events
FROM {{ published('curated.events') }}
WHERE event_day BETWEEN {{ day | literal }} - INTERVAL 7 DAYS AND {{ day | literal }}
    AND {{ day | literal }} >= (SELECT max(day) FROM {{ published('curated.ingest_ledger') }})
GROUP BY event_day
