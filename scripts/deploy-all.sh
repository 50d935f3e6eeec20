#!/usr/bin/env bash
# Deploys operators, manifests and secrets, and waits until all workloads are ready. Run it again to upgrade.
#   scripts/deploy-all.sh [--overlay local|production] [--dry-run] [--skip-operators] [--skip-check]
# DEPLOY_TIMEOUT: seconds that each step may take (default 600).
# Exit code: 0 all workloads are ready, 1 a step failed, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "--skip-operators --skip-check" "$@"
SECRETS_DIR=$(state_dir)/secrets
TIMEOUT=${DEPLOY_TIMEOUT:-600}

deploy_operators() {
  has_option --skip-operators && return 0
  run kubectl apply --server-side --force-conflicts -k "$ROOT/manifests/operators"
  wait_for_crds || { sleep 5; wait_for_crds; }
  run kubectl -n spark-operator rollout status deployment --timeout "${TIMEOUT}s"
  run kubectl -n ray-operator rollout status deployment --timeout "${TIMEOUT}s"
}

# kubectl wait fails at once for a CRD that has no conditions yet, so the caller tries twice.
wait_for_crds() {
  run kubectl wait --for condition=Established --timeout "${TIMEOUT}s" \
    crd/sparkapplications.sparkoperator.k8s.io crd/rayclusters.ray.io crd/rayservices.ray.io
}

# Path of the file (mode 0600) with a secret value; the value is generated at first use.
secret_file() { # NAME
  local file=$SECRETS_DIR/$1
  if [ ! -s "$file" ]; then
    (umask 077; mkdir -p "$SECRETS_DIR"; generate "$1" >"$file.new"; mv "$file.new" "$file")
  fi
  echo "$file"
}
generate() {
  case $1 in
    airflow_passwords) printf '{"admin": "%s", "viewer": "%s"}' "$(random)" "$(random)" ;;
    airflow_fernet_key) openssl rand -base64 32 | tr '+/' '-_' | tr -d '\n' ;;
    *) random ;;
  esac
}
random() { openssl rand -hex 20 | tr -d '\n'; }

# Creates missing Secrets. Existing ones are kept: databases and S3 were initialised with their values.
create_secrets() {
  [ "$OVERLAY" = local ] || return 0
  local namespace secret
  while read -r namespace secret; do
    if [ -z "$DRY_RUN" ] && kubectl -n "$namespace" get secret "$secret" >/dev/null 2>&1; then continue; fi
    local files=()
    while read -r key name; do
      if [ -n "$DRY_RUN" ]; then files+=("--from-file=$key=$SECRETS_DIR/$name"); else files+=("--from-file=$key=$(secret_file "$name")"); fi
    done < <(awk -v n="$namespace" -v s="$secret" '$1 == n && $2 == s {print $3, $4}' "$ROOT/manifests/secrets.tsv")
    run kubectl -n "$namespace" create secret generic "$secret" "${files[@]}"
  done < <(awk '!/^#/ {print $1, $2}' "$ROOT/manifests/secrets.tsv" | sort -u)
}

wait_for_workloads() { # NAMESPACES...
  local namespace workload workloads
  for namespace in "$@"; do
    if [ -n "$DRY_RUN" ]; then run kubectl -n "$namespace" rollout status ...; continue; fi
    workloads=$(kubectl -n "$namespace" get statefulsets,deployments -l app.kubernetes.io/part-of=clickstream -o name)
    for workload in $workloads; do
      kubectl -n "$namespace" rollout status "$workload" --timeout "${TIMEOUT}s" \
        || die "$namespace: $workload is not ready after $TIMEOUT s; run: kubectl -n $namespace describe pods"
    done
  done
}

if ! has_option --skip-check && [ -z "$DRY_RUN" ]; then "$ROOT/scripts/check-prerequisites.sh" --overlay "$OVERLAY"; fi
RENDERED=$(render) || die "manifests/overlays/$OVERLAY does not render: see the kustomize error above"
deploy_operators
run kubectl apply --server-side --force-conflicts -f - <<<"$RENDERED"
create_secrets
mapfile -t ALL < <(namespaces <<<"$RENDERED")
mapfile -t STORES < <(printf '%s\n' "${ALL[@]}" | grep -E 'object-store|nessie|kafka')
# A connection to a Service without endpoints is dropped and hangs, so the stores must be ready before the first job.
wait_for_workloads "${STORES[@]}"
run_job clickstream-tools lake-bootstrap "$TIMEOUT"
wait_for_workloads "${ALL[@]}"
log "deployed; next: scripts/validate-deployment.sh"
if [ "$OVERLAY" = local ]; then log "Airflow logins: $SECRETS_DIR/airflow_passwords"; fi
