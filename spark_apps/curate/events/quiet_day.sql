-- grain: one row per day: that of the run, if it has less than a tenth of the published events of a day in the week before
-- No row if a run of this day or a later one is published: its audits have judged the day.
WITH counts AS (
    SELECT event_day, count(*) AS events
    FROM {{ published('curated.events') }}
    WHERE event_day BETWEEN {{ day | literal }} - INTERVAL 7 DAYS AND {{ day | literal }}
    GROUP BY event_day
), volumes AS (
    SELECT
        coalesce(max(CASE WHEN event_day = {{ day | literal }} THEN events END), 0) AS events,
        max(CASE WHEN event_day < {{ day | literal }} THEN events END) AS highest_before
    FROM counts
)
SELECT {{ day | literal }} AS day, events, highest_before
FROM volumes
WHERE highest_before >= {{ usual_events | literal }} AND events * 10 < highest_before
    AND {{ day | literal }} > (SELECT max(day) FROM {{ published('curated.ingest_ledger') }})
