SELECT json FROM events ORDER BY time, id
