#!/usr/bin/env bash
# Sends a day of the simulated shop, starts the streams and publishes a night. Safe to repeat: the same events are kept once.
#   scripts/submit-sample-jobs.sh [--overlay local|production] [--dry-run]
# Exit code: 0 the night is published, 1 a step failed, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "" "$@"

airflow() { run kubectl -n clickstream-airflow exec deploy/airflow-scheduler -c airflow -- airflow "$@"; }

# Runs a DAG to its end.
night() { # DAG SECONDS
  local id
  id=sample_$(date -u +%Y%m%dT%H%M%S)
  airflow dags unpause "$1"
  airflow dags trigger "$1" --run-id "$id"
  [ -z "$DRY_RUN" ] || return 0
  local end=$((SECONDS + $2)) state=running
  while [[ $state =~ ^(queued|running)$ ]] && [ $SECONDS -lt $end ]; do
    sleep 10
    state=$(airflow dags list-runs "$1" --output plain 2>/dev/null | awk -v id="$id" '$2 == id {print $3}')
  done
  [ "$state" = success ] || die "$1 ended as ${state:-unknown}; look at the run $id on the Airflow page"
}

job clickstream-tools shop 1800
night clickstream_streams 1200
night clickstream_nightly 3600
say "a night is published; scripts/validate-deployment.sh shows its rows"
