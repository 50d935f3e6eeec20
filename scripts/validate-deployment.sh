#!/usr/bin/env bash
# Smoke test of a deployment: tables and topic are readable, the DAGs are loaded, Flink has task slots.
#   scripts/validate-deployment.sh [--overlay local|production] [--dry-run]
# Exit code: 0 all checks passed, 1 a check failed, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "" "$@"
FAILED=0

check() { # NAME COMMAND...
  local name=$1; shift
  if ("$@"); then log "PASS $name"; else FAILED=$((FAILED + 1)); log "FAIL $name"; fi
}

in_scheduler() { run kubectl -n clickstream-airflow exec deploy/airflow-scheduler -c airflow -- "$@"; }

dags_loaded() {
  local errors
  errors=$(in_scheduler airflow dags list-import-errors --output plain) || return 1
  [[ $errors != *Traceback* ]] || { log "$errors"; return 1; }
  errors=$(in_scheduler airflow dags list --output plain) || return 1
  [ -n "$DRY_RUN" ] || [[ $errors == *clickstream_nightly* ]]
}

task_slots_available() {
  in_scheduler python -c '
import json, os, sys, urllib.request
overview = json.load(urllib.request.urlopen(os.environ["CLICKSTREAM_FLINK_URI"] + "/overview", timeout=20))
sys.exit(0 if overview["slots-total"] else "no TaskManager is registered")'
}

check "tables and topic readable" run_job clickstream-tools smoke-test 600
check "Airflow DAGs loaded without import errors" dags_loaded
check "Flink task slots available" task_slots_available
[ "$FAILED" = 0 ] || die "$FAILED of 3 checks failed"
