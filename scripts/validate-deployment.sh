#!/usr/bin/env bash
# Checks the outcomes of a deployment: Airflow and its DAGs, streams, planted events and fraud, a published nightly run, the model's answer.
#   scripts/validate-deployment.sh [--overlay local|production|FOLDER] [--dry-run] [--before-first-nightly]
# It plants 9 logins of one user, all called validation-...: they are in raw.clicks and among the fraud alerts, and in no order or revenue.
# --before-first-nightly: without what only a nightly run and a training make.
# Exit code: 0 all checks passed, 1 a check failed, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "--before-first-nightly" "$@"
LINES=$(mktemp)
trap 'rm -f "$LINES"' EXIT

checks_in_scheduler() {
  if [ -n "$DRY_RUN" ]; then in_scheduler python -; return 0; fi
  kubectl -n clickstream-airflow exec -i deploy/airflow-scheduler -c airflow -- python - <"$ROOT/scripts/kube/scheduler_checks.py" >>"$LINES" \
    || log "the scheduler's pod ran no checks: see the message of kubectl above"
}

# A subshell: a job that fails leaves the other checks' results to print.
checks_in_tool() {
  (run_job clickstream-tools validation 1200 2>&1) | { [ -n "$DRY_RUN" ] && cat >&2 || tee -a "$LINES" | grep -v '^{"check":' >&2; } || true
}

print_cluster
checks_in_scheduler
checks_in_tool
[ -z "$DRY_RUN" ] || exit 0
SKIPPED=()
if has_option --before-first-nightly; then SKIPPED=("nightly run published" "recommendations from the model"); fi
kube report "$ROOT/scripts/kube/expected_checks.txt" ${SKIPPED[@]+"${SKIPPED[@]}"} <"$LINES" || die "the deployment does not do what it should: fix the checks above"
