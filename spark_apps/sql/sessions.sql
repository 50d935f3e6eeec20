-- The sessions of the changed days: those that nothing touched, and the new ones.
SELECT * FROM {curated.sessions@published} AS s
LEFT ANTI JOIN affected_sessions AS a ON a.session_key = s.session_key
WHERE s.session_day IN ({days})
UNION ALL
SELECT * FROM new_sessions WHERE session_day IN ({days})
