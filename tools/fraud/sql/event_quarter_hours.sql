SELECT DISTINCT time / 900000 FROM events WHERE time >= :start
