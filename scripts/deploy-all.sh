#!/usr/bin/env bash
# Deploys operators, secrets and manifests, and waits until all workloads are ready. Run it again to upgrade.
#   scripts/deploy-all.sh [--overlay local|production|FOLDER] [--dry-run] [--yes] [--skip-operators] [--skip-check] [--skip-savepoints]
# --skip-operators: the cluster has a Spark operator and KubeRay already. --skip-check: without check-prerequisites.sh.
# --skip-savepoints: upgrade Flink although the running streams cannot take savepoints.
# DEPLOY_TIMEOUT: seconds that each step may take (default 600). A pod that cannot start ends a step at once, with the reason.
# Exit code: 0 all workloads are ready, 1 a step failed, 2 wrong options or not confirmed.
source "$(dirname "$0")/lib.sh"
source "$ROOT/scripts/operators.sh"
source "$ROOT/scripts/secrets.sh"
options "--skip-operators --skip-check --skip-savepoints" "$@"
TIMEOUT=${DEPLOY_TIMEOUT:-600}
STORES='clickstream-(object-store|nessie|kafka)'
JOBMANAGER=(-n clickstream-flink get deployment flink-jobmanager --ignore-not-found)

wait_for_workloads() { # RENDER
  if [ -n "$DRY_RUN" ]; then log "+ wait for the workloads of: $(namespaces_of "$1")"; return 0; fi
  kube wait workloads "$TIMEOUT" <<<"$1" || die "not deployed; the reason is above"
}
namespaces_of() { awk '/^  namespace: / {print $2}' <<<"$1" | sort -u | paste -sd ' ' -; }

# A downgrade works, except for what a newer version has migrated.
warn_about_downgrade() {
  local deployed new
  deployed=$(kubectl get namespace clickstream-airflow --ignore-not-found -o 'jsonpath={.metadata.labels.app\.kubernetes\.io/version}')
  new=$(documents clickstream-airflow <<<"$RENDERED" | sed -n 's|^    app.kubernetes.io/version: ||p' | head -n 1)
  if [ -n "$deployed" ] && [ "$deployed" != "$new" ] && [ "$(printf '%s\n' "$deployed" "$new" | sort -V | tail -n 1)" = "$deployed" ]; then
    log "warning: version $deployed is deployed and $new is older: Airflow's database is not migrated back, restore a backup of before the upgrade"
  fi
}

# A new JobManager starts without jobs, so the running streams first take savepoints, from which they start again.
prepare_upgrade() {
  local existing
  existing=$(kubectl "${JOBMANAGER[@]}" -o name) || die "cannot read the Deployment flink-jobmanager: see the message of kubectl above"
  [ -n "$existing" ] || return 0
  # Exit code 0 is no difference.
  if documents clickstream-flink <<<"$RENDERED" | kubectl diff --server-side --force-conflicts -f - >/dev/null 2>&1; then return 0; fi
  if has_option --skip-savepoints; then log "no savepoints before the upgrade of Flink: the streams start from their last checkpoints"; return 0; fi
  log "savepoints before the upgrade of Flink"
  in_scheduler python -m clickstream.streams.prepare_upgrade \
    || die "the streams took no savepoints, so Flink is not upgraded: see the reason above, or add --skip-savepoints"
}

print_cluster
if ! has_option --skip-operators; then "$ROOT/scripts/fetch-operators.sh" ${DRY_RUN:+--dry-run}; fi
RENDERED=$(render) || die "$OVERLAY_DIR does not render: see the kustomize error above"
confirm "deploy to $(api_server)"
if [ -z "$DRY_RUN" ]; then
  has_option --skip-check || "$ROOT/scripts/check-prerequisites.sh" --overlay "$OVERLAY" ${EXTRA[@]+"${EXTRA[@]}"}
  warn_about_downgrade
fi
if has_option --skip-operators; then
  [ -n "$DRY_RUN" ] || require_crds
elif [ -n "$DRY_RUN" ]; then
  log "+ kubectl apply --server-side --force-conflicts -k manifests/operators"
else
  OPERATORS=$(render_operators) || die "manifests/operators does not render: see the kustomize error above"
  require_own_operators "$OPERATORS"
  deploy_operators "$OPERATORS"
fi
[ -n "$DRY_RUN" ] || prepare_upgrade
documents Namespace <<<"$RENDERED" | apply
create_secrets "$RENDERED"
# The stores and their tables come first: a connection to a Service without endpoints is dropped and hangs.
FIRST=$(documents "$STORES" <<<"$RENDERED")
apply <<<"$FIRST"
documents clickstream-tools <<<"$RENDERED" | apply
wait_for_workloads "$FIRST"
run_job clickstream-tools lake-bootstrap "$TIMEOUT"
apply <<<"$RENDERED"
wait_for_workloads "$RENDERED"
log "deployed; next: scripts/submit-sample-jobs.sh, then scripts/validate-deployment.sh; scripts/show-logins.sh prints Airflow's logins"
