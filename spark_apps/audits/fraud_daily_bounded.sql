-- severity: error
-- meaning: a pattern that says more of a day than all patterns together, or has more decisions than events or entities than alerts
-- owner: marts
SELECT p.day, p.pattern, p.alerts, p.entities, p.events, p.late, p.reviewed, p.blocked, p.amount_blocked
FROM {marts.fraud_daily} AS p
LEFT JOIN {marts.fraud_daily} AS a ON a.day = p.day AND a.pattern = 'all'
WHERE NOT coalesce(
    p.events <= a.events AND p.alerts <= a.alerts AND p.entities <= a.entities AND p.amount_blocked <= a.amount_blocked
        AND p.reviewed <= a.reviewed AND p.blocked <= a.blocked AND p.late <= a.late
        AND p.reviewed + p.blocked <= p.events AND p.late <= p.events AND p.entities <= p.alerts,
    false
)
