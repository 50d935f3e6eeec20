-- The days of sessions that came, went or changed.
SELECT DISTINCT explode(array_compact(array(n.session_day, a.session_day))) AS session_day
FROM new_sessions AS n
FULL OUTER JOIN affected_sessions AS a ON a.session_key = n.session_key
WHERE NOT struct(n.*) <=> struct(a.*)
