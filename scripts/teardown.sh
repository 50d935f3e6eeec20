#!/usr/bin/env bash
# Stops the stack; volumes and secrets stay, and deploy-all.sh brings everything back.
#   scripts/teardown.sh [--overlay local|production] [--dry-run] [--delete-data] [--operators]
# --delete-data also deletes the namespaces with their volumes and secrets; --operators also removes the operators.
# Exit code: 0 it is gone, 1 something could not be deleted, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "--delete-data --operators" "$@"
OURS=app.kubernetes.io/part-of=clickstream

custom() { # KIND NAMESPACE: only where the cluster knows the kind
  if [ -n "$DRY_RUN" ] || kubectl get crd "$1" >/dev/null 2>&1; then run kubectl -n "$2" delete "$1" --all --ignore-not-found; fi
}

custom sparkapplications.sparkoperator.k8s.io clickstream-spark
custom rayservices.ray.io clickstream-ray
custom rayclusters.ray.io clickstream-ray
for namespace in $(render | namespaces); do
  run kubectl -n "$namespace" delete cronjobs,jobs,deployments,statefulsets,services,poddisruptionbudgets -l "$OURS" --ignore-not-found
done
if asked --delete-data; then
  run kubectl delete namespaces -l "$OURS" --ignore-not-found
  run rm -rf "$(stack)"
fi
if asked --operators; then run kubectl delete --ignore-not-found -k "$ROOT/manifests/operators"; fi
say "the stack is down"
