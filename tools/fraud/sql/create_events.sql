-- grain: one row per event; with each_once one row per event_id
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    event_id TEXT{{ " UNIQUE" if each_once }},
    time INTEGER,
    json TEXT
)
