#!/usr/bin/env bash
# Sends one day of the simulated shop, starts the Flink streams and runs the nightly DAG. Safe to repeat: duplicates are dropped.
#   scripts/submit-sample-jobs.sh [--overlay local|production] [--dry-run]
# Exit code: 0 the nightly run is published, 1 a step failed, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "" "$@"

airflow() { run kubectl -n clickstream-airflow exec deploy/airflow-scheduler -c airflow -- airflow "$@"; }

# Triggers a DAG and waits until the run has ended.
run_dag() { # DAG SECONDS
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
  [ "$state" = success ] || die "DAG $1, run $id: state ${state:-unknown}; see the run's task logs in Airflow"
}

run_job clickstream-tools shop 1800
run_dag clickstream_streams 1200
run_dag clickstream_nightly 3600
log "nightly run published; scripts/validate-deployment.sh prints the row counts"
