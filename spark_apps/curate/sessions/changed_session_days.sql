-- grain: one row per day
-- The days of sessions that were added, removed or changed.
SELECT DISTINCT explode(array_compact(array(r.session_day, a.session_day))) AS session_day
FROM sessions AS r
FULL OUTER JOIN affected_sessions AS a ON a.session_key = r.session_key
WHERE NOT struct(r.*) <=> struct(a.*)
