-- grain: one row per day: that of the run, if it has less than a tenth of the published events that it usually has
-- Usual is the number of the same weekday a week before, so that a shop may be closed on Saturdays; in the first week of a lake, which
-- has no such day, the highest number of the days before. No row if a run of this day or a later one is published: its audits have
-- judged the day.
WITH counts AS (
    SELECT event_day, count(*) AS events
    FROM {{ published('curated.events') }}
    WHERE event_day BETWEEN {{ day | literal }} - INTERVAL 7 DAYS AND {{ day | literal }}
    GROUP BY event_day
), runs AS (
    SELECT min(day) AS first_day, max(day) AS newest_day FROM {{ published('curated.ingest_ledger') }}
), volumes AS (
    SELECT
        coalesce(max(CASE WHEN event_day = {{ day | literal }} THEN events END), 0) AS events,
        max(CASE WHEN event_day = {{ day | literal }} - INTERVAL 7 DAYS THEN events END) AS events_a_week_before,
        max(CASE WHEN event_day < {{ day | literal }} THEN events END) AS highest_before
    FROM counts
), usual AS (
    SELECT
        v.events,
        CASE
            WHEN r.first_day <= {{ day | literal }} - INTERVAL 7 DAYS THEN v.events_a_week_before
            ELSE v.highest_before
        END AS usual_events
    FROM volumes AS v CROSS JOIN runs AS r
    WHERE {{ day | literal }} > r.newest_day
)
SELECT {{ day | literal }} AS day, events, usual_events
FROM usual
WHERE usual_events >= {{ enough_events | literal }} AND events * 10 < usual_events
