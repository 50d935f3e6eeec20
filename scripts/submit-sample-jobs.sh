#!/usr/bin/env bash
# Sends one day of the simulated shop and runs all DAGs: streams, nightly, features, training, rollout. Safe to repeat: duplicates are dropped.
#   scripts/submit-sample-jobs.sh [--overlay local|production|FOLDER] [--dry-run] [--yes]
# It unpauses these DAGs, and prints which were paused.
# POLL_SECONDS: time between two looks at a run (default 10).
# Exit code: 0 a release is published and served, 1 a step failed, 2 wrong options or not confirmed.
source "$(dirname "$0")/lib.sh"
options "" "$@"
START=$(date -u +%Y-%m-%dT%H:%M:%S)
DAGS=(clickstream_streams clickstream_nightly clickstream_features clickstream_train clickstream_rollout)
POLL=${POLL_SECONDS:-10}
# Calls of the scheduler that may fail one after another: it may restart meanwhile.
MAX_FAILURES=6

airflow() { in_scheduler airflow "$@"; }

# Prints run id and state of the newest run since START whose id matches a pattern; nothing if there is none.
newest_run() { # DAG PATTERN
  local runs
  runs=$(airflow dags list-runs "$1" --output plain) || return 1
  awk -v dag="$1" -v id="$2" -v since="$START" '$1 == dag && $2 ~ id && $4 >= since {print $2, $3; exit}' <<<"$runs"
}

# Prints the tasks of a run that did not succeed.
print_failed_tasks() { # DAG RUN
  log "tasks of $1 $2 that did not succeed:"
  { airflow tasks states-for-dag-run "$1" "$2" --output plain | awk -v dag="$1" '$1 == dag && !/ success/ && !/ skipped/ {print "    " $0}'; } >&2 || true
}

wait_for_run() { # DAG PATTERN SECONDS
  [ -z "$DRY_RUN" ] || return 0
  local start=$SECONDS end=$((SECONDS + $3)) run='' state='' shown='' failures=0 found
  until [ "$state" = success ]; do
    if found=$(newest_run "$1" "$2" 2>&1); then failures=0; else
      failures=$((failures + 1))
      [ $failures -lt $MAX_FAILURES ] || die "the scheduler does not respond, $failures times: $found"
      found=''
    fi
    read -r run state <<<"$(awk -v dag="$1" 'NF == 2' <<<"$found" | tail -n 1)" || true
    if [ -n "$state" ] && [ "$state" != "$shown" ]; then log "  $((SECONDS - start)) s  $1 $run: $state"; shown=$state; fi
    if [ "$state" = failed ]; then
      print_failed_tasks "$1" "$run"
      die "DAG $1: state 'failed' after $((SECONDS - start)) s; see the logs of these tasks in Airflow"
    fi
    [ $SECONDS -lt $end ] || die "DAG $1: state '${state:-no run}' after $3 s; see the run's task logs in Airflow"
    [ "$state" = success ] || sleep "$POLL"
  done
  log "$1 success"
}

run_dag() { # DAG SECONDS
  local id
  id=sample_$(date -u +%Y%m%dT%H%M%S)
  airflow dags trigger "$1" --run-id "$id" >/dev/null || die "the DAG $1 cannot be triggered: see the message above"
  wait_for_run "$1" "^$id\$" "$2"
}

unpause() {
  local list
  list=$(airflow dags list --output plain) || die "cannot list the DAGs in the scheduler's pod: see the message above; is everything deployed?"
  for dag in "${DAGS[@]}"; do
    [ -n "$DRY_RUN" ] || grep -q "^$dag " <<<"$list" || die "the DAG $dag is not loaded: airflow dags list-import-errors in the scheduler's pod says why"
    if grep "^$dag " <<<"$list" | grep -q ' True'; then log "$dag was paused and is unpaused now; to pause it again: airflow dags pause $dag"; fi
    airflow dags unpause "$dag" >/dev/null || die "the DAG $dag cannot be unpaused: see the message above"
  done
}

print_cluster
confirm "send 20,000 simulated events and run all DAGs on $(api_server)"
unpause
run_job clickstream-tools shop 1800
run_dag clickstream_streams 1200
run_dag clickstream_nightly 3600
# Each of these is triggered by the asset event of the one before.
wait_for_run clickstream_features . 3600
wait_for_run clickstream_train . 3600
wait_for_run clickstream_rollout . 3600
log "a release is published and served; next: scripts/validate-deployment.sh"
