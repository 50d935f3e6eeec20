INSERT INTO events (event_id, time, json) VALUES (?, ?, ?)
{% if each_once %}
ON CONFLICT (event_id) DO UPDATE SET time = excluded.time, json = excluded.json WHERE excluded.time < time
{% endif %}
