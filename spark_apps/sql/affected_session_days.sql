-- The days that they span.
SELECT DISTINCT explode(sequence(session_day, CAST(ended_at AS DATE))) AS day FROM affected_sessions
