-- The days of sessions that came, went or changed.
SELECT DISTINCT session_day
FROM (
    (TABLE new_sessions EXCEPT TABLE affected_sessions)
    UNION ALL
    (TABLE affected_sessions EXCEPT TABLE new_sessions)
)
