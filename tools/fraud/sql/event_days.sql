SELECT DISTINCT time / 86400000 FROM events WHERE time >= :start
