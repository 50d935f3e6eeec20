-- grain: one row per day
-- The days of all published events: as they were written, and in the time zone of this run.
SELECT DISTINCT explode(array(event_day, CAST(event_time AS DATE))) AS day FROM {{ published('curated.events') }}
