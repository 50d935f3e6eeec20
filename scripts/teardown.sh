#!/usr/bin/env bash
# Deletes all workloads; volumes and secrets stay, so deploy-all.sh restores the same state.
#   scripts/teardown.sh [--overlay local|production] [--dry-run] [--delete-data] [--operators]
# --delete-data also deletes the namespaces with their volumes and secrets; --operators also removes the operators.
# Exit code: 0 deleted, 1 something could not be deleted, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "--delete-data --operators" "$@"
SELECTOR=app.kubernetes.io/part-of=clickstream

delete_custom_resources() { # KIND NAMESPACE: skipped where the CRD is not installed
  if [ -n "$DRY_RUN" ] || kubectl get crd "$1" >/dev/null 2>&1; then run kubectl -n "$2" delete "$1" --all --ignore-not-found; fi
}

delete_custom_resources sparkapplications.sparkoperator.k8s.io clickstream-spark
delete_custom_resources rayservices.ray.io clickstream-ray
delete_custom_resources rayclusters.ray.io clickstream-ray
for namespace in $(render | namespaces); do
  run kubectl -n "$namespace" delete cronjobs,jobs,deployments,statefulsets,services,poddisruptionbudgets -l "$SELECTOR" --ignore-not-found
done
if has_option --delete-data; then
  run kubectl delete namespaces -l "$SELECTOR" --ignore-not-found
  run rm -rf "$(state_dir)"
fi
if has_option --operators; then run kubectl delete --ignore-not-found -k "$ROOT/manifests/operators"; fi
log "deleted"
