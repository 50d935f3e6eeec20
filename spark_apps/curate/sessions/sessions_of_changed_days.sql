-- grain: one row per session
-- All sessions of the changed days: the published ones that are not affected, and the recomputed ones.
SELECT * FROM {{ published('curated.sessions') }} AS s
LEFT ANTI JOIN affected_sessions AS a ON a.session_key = s.session_key
WHERE s.session_day IN ({{ days | literal }})
UNION ALL
SELECT * FROM sessions WHERE session_day IN ({{ days | literal }})
