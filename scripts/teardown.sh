#!/usr/bin/env bash
# Deletes all workloads; volumes and secrets stay, so deploy-all.sh restores the same state.
#   scripts/teardown.sh [--overlay local|production|FOLDER] [--dry-run] [--yes] [--delete-data] [--operators]
# --delete-data also deletes the namespaces with their volumes and secrets; --operators also removes the operators that this project
# installed, unless other namespaces use them.
# DELETE_TIMEOUT: seconds that each step may take (default 180).
# Exit code: 0 deleted, 1 something could not be deleted, 2 wrong options or not confirmed.
source "$(dirname "$0")/lib.sh"
source "$ROOT/scripts/operators.sh"
options "--delete-data --operators" "$@"
SELECTOR=app.kubernetes.io/part-of=clickstream
TIMEOUT=${DELETE_TIMEOUT:-180}

delete() { # NAMESPACE KINDS SELECTION...
  run kubectl -n "$1" delete "${@:2}" --ignore-not-found --timeout "${TIMEOUT}s" || explain_finalizers "$@"
}

# Objects with a finalizer stay until its controller has removed it.
explain_finalizers() { # NAMESPACE KINDS ...
  log "in namespace $1 these are still there, with their finalizers:"
  kubectl -n "$1" get "$2" -o jsonpath='{range .items[*]}{"    "}{.kind}{" "}{.metadata.name}{" "}{.metadata.finalizers}{"\n"}{end}' >&2 || true
  die "not deleted after $TIMEOUT s. If the operator that removes a finalizer is gone, deploy it again, or remove the finalizer: kubectl -n $1 patch KIND NAME --type merge -p '{\"metadata\": {\"finalizers\": null}}'"
}

# Custom resources go before the operators and the namespaces, whose deletion would wait for their finalizers.
delete_custom_resources() { # NAMESPACE CRD
  local crd
  if [ -z "$DRY_RUN" ]; then
    crd=$(kubectl get crd "$2" --ignore-not-found -o name) || die "cannot read the CRDs of the cluster: see the message of kubectl above"
    [ -n "$crd" ] || return 0
  fi
  delete "$1" "$2" --all
}

print_cluster
NAMESPACES=$(render | namespaces) || die "$OVERLAY_DIR does not render: see the kustomize error above"
if has_option --delete-data; then
  confirm "delete all workloads, and ALL DATA: volumes, tables, Airflow's history and secrets in $(paste -sd ' ' - <<<"$NAMESPACES"), from $(api_server)"
else
  confirm "delete all workloads (volumes and secrets stay) from $(api_server)"
fi
# Airflow first: its scheduler creates the pods, Spark applications and Ray jobs.
delete clickstream-airflow deployments -l "$SELECTOR"
delete_custom_resources clickstream-ray rayjobs.ray.io
delete_custom_resources clickstream-spark sparkapplications.sparkoperator.k8s.io
delete clickstream-tools cronjobs,jobs -l "$SELECTOR"
delete clickstream-tools pods --all
delete_custom_resources clickstream-ray rayservices.ray.io
delete_custom_resources clickstream-ray rayclusters.ray.io
for namespace in $NAMESPACES; do
  delete "$namespace" cronjobs,jobs,deployments,statefulsets,services,poddisruptionbudgets -l "$SELECTOR"
done
if has_option --delete-data; then run kubectl delete namespaces -l "$SELECTOR" --ignore-not-found --timeout "${TIMEOUT}s" \
  || die "the namespaces are not deleted after $TIMEOUT s: kubectl get namespace NAME -o yaml says what is left in one"; fi
if has_option --operators; then delete_operators; fi
log "deleted"
