-- grain: one row per day
-- The days on which the affected sessions have events.
SELECT DISTINCT explode(sequence(session_day, CAST(ended_at AS DATE))) AS day FROM affected_sessions
