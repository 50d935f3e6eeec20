#!/usr/bin/env bash
# Asks the running stack what its users ask: tables, topic, DAGs, streams. Pods that run and answer nothing fail here.
#   scripts/validate-deployment.sh [--overlay local|production] [--dry-run]
# Exit code: 0 everything answers, 1 something does not, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "" "$@"
FAILED=0

check() { # WHAT COMMAND...
  local what=$1; shift
  if ("$@"); then say "✓ $what"; else FAILED=$((FAILED + 1)); say "✗ $what"; fi
}

in_scheduler() { run kubectl -n clickstream-airflow exec deploy/airflow-scheduler -c airflow -- "$@"; }

dags_load() {
  local errors
  errors=$(in_scheduler airflow dags list-import-errors --output plain) || return 1
  [[ $errors != *Traceback* ]] || { say "$errors"; return 1; }
  errors=$(in_scheduler airflow dags list --output plain) || return 1
  [ -n "$DRY_RUN" ] || [[ $errors == *clickstream_nightly* ]]
}

slots_are_there() {
  in_scheduler python -c '
import json, os, sys, urllib.request
found = json.load(urllib.request.urlopen(os.environ["CLICKSTREAM_FLINK_URI"] + "/overview", timeout=20))
sys.exit(0 if found["slots-total"] else "no TaskManager is registered")'
}

check "every table and the topic answer" job clickstream-tools answers 600
check "Airflow has read its DAGs" dags_load
check "Flink has slots for the streams" slots_are_there
[ "$FAILED" = 0 ] || die "$FAILED of 3 questions are not answered"
