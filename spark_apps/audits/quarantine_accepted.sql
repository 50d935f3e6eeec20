-- severity: warn
-- meaning: this run is published without records in quarantine, because a decision accepts them
-- owner: stream
{% import "quarantine_macros.sql" as quarantine %}
WITH {{ quarantine.new_quarantine(table, published, lowest_start) }}
SELECT decision_id, reason, decided_by, count(*) AS records
FROM accepted
GROUP BY decision_id, reason, decided_by
