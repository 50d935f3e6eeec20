-- Events from :start on (milliseconds since 1970).
SELECT
    COUNT(*) AS events,
    COUNT(DISTINCT event_id) AS distinct_events,
    COALESCE(SUM(json_extract(json, '$.event_type') IN (SELECT value FROM json_each(:scored_events))), 0) AS scored,
    COALESCE(MIN(time), 0) AS first,
    COALESCE(MAX(time), 0) AS last
{% for entity in entities %}
    , COUNT(json_extract(json, '$.{{ entity }}')) AS {{ entity }}
{% endfor %}
FROM events
WHERE time >= :start
