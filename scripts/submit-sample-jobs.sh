#!/usr/bin/env bash
# Sends one day of the simulated shop and runs all DAGs: streams, nightly, features, training, rollout. Safe to repeat: duplicates are dropped.
#   scripts/submit-sample-jobs.sh [--overlay local|production] [--dry-run]
# Exit code: 0 a release is published and served, 1 a step failed, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "" "$@"
START=$(date -u +%Y-%m-%dT%H:%M:%S)

airflow() { run kubectl -n clickstream-airflow exec deploy/airflow-scheduler -c airflow -- airflow "$@"; }

# State of the newest run since START whose id matches a pattern; empty without one, or if the scheduler does not answer.
state_of() { # DAG PATTERN
  airflow dags list-runs "$1" --output plain 2>/dev/null | awk -v dag="$1" -v id="$2" -v since="$START" \
    '$1 == dag && $2 ~ id && $4 >= since {print $3; exit}' || true
}

wait_for_run() { # DAG PATTERN SECONDS
  [ -z "$DRY_RUN" ] || return 0
  local end=$((SECONDS + $3)) state=''
  until [[ $state =~ ^(success|failed)$ ]] || [ $SECONDS -ge $end ]; do
    sleep 10
    state=$(state_of "$1" "$2")
  done
  [ "$state" = success ] || die "DAG $1: state '${state:-no run}' after $3 s; see the run's task logs in Airflow"
  log "$1 success"
}

run_dag() { # DAG SECONDS
  local id
  id=sample_$(date -u +%Y%m%dT%H%M%S)
  airflow dags trigger "$1" --run-id "$id" >/dev/null
  wait_for_run "$1" "^$id$" "$2"
}

for dag in clickstream_streams clickstream_nightly clickstream_features clickstream_train clickstream_rollout; do
  airflow dags unpause "$dag" >/dev/null
done
run_job clickstream-tools shop 1800
run_dag clickstream_streams 1200
run_dag clickstream_nightly 3600
# Each of these is triggered by the asset event of the one before.
wait_for_run clickstream_features . 3600
wait_for_run clickstream_train . 3600
wait_for_run clickstream_rollout . 3600
log "a release is published and served; scripts/validate-deployment.sh prints the row counts"
