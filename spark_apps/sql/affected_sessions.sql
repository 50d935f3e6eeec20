-- Published sessions that have, or could join, an event of the touched days.
SELECT *
FROM {curated.sessions@published} AS s
LEFT SEMI JOIN (SELECT * FROM VALUES {spans} AS spans (since, until)) AS t
    ON s.started_at < t.until + INTERVAL 30 MINUTES AND s.ended_at >= t.since - INTERVAL 30 MINUTES
WHERE s.ended_at >= {since} - INTERVAL 30 MINUTES
