-- severity: error
-- meaning: a pattern with a count above that of the pattern 'all' of the day, more decisions than events, or more entities than alerts
-- owner: marts
SELECT p.day, p.pattern, p.alerts, p.entities, p.events, p.late, p.reviewed, p.blocked, p.amount_blocked
FROM {{ table('marts.fraud_daily') }} AS p
LEFT JOIN {{ table('marts.fraud_daily') }} AS total ON total.day = p.day AND total.pattern = 'all'
WHERE NOT coalesce(
    p.events <= total.events AND p.alerts <= total.alerts AND p.entities <= total.entities AND p.amount_blocked <= total.amount_blocked
        AND p.reviewed <= total.reviewed AND p.blocked <= total.blocked AND p.late <= total.late
        AND p.reviewed + p.blocked <= p.events AND p.late <= p.events AND p.entities <= p.alerts,
    false
)
