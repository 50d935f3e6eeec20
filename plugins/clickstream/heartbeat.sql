-- grain: one row; seconds since the newest heartbeat of a running job of a host, null without such a job
SELECT extract(epoch FROM now() - max(latest_heartbeat)) AS age
FROM job
WHERE job_type = %s AND hostname = %s AND state = 'running'
