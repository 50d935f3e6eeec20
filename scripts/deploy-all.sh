#!/usr/bin/env bash
# Deploys the whole stack and waits until it is ready. The same command again upgrades it.
#   scripts/deploy-all.sh [--overlay local|production] [--dry-run] [--skip-operators] [--skip-check]
# DEPLOY_TIMEOUT says how many seconds each step may take, 600 if unset.
# Exit code: 0 everything is ready, 1 something is not, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "--skip-operators --skip-check" "$@"
VALUES=$(stack)/secrets
WAIT=${DEPLOY_TIMEOUT:-600}

operators() {
  asked --skip-operators && return 0
  run kubectl apply --server-side --force-conflicts -k "$ROOT/manifests/operators"
  established || { sleep 5; established; }
  run kubectl -n spark-operator rollout status deployment --timeout "${WAIT}s"
  run kubectl -n ray-operator rollout status deployment --timeout "${WAIT}s"
}

# A definition that has no condition yet makes kubectl give up instead of waiting: ask a second time.
established() {
  run kubectl wait --for condition=Established --timeout "${WAIT}s" \
    crd/sparkapplications.sparkoperator.k8s.io crd/rayclusters.ray.io crd/rayservices.ray.io
}

# A secret value, made at first use and kept in a file that only its owner reads.
value() { # NAME
  local file=$VALUES/$1
  if [ ! -s "$file" ]; then
    (umask 077; mkdir -p "$VALUES"; generate "$1" >"$file.new"; mv "$file.new" "$file")
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

# Secrets that are there stay as they are: who has the old value could not use a new one.
secrets() {
  [ "$OVERLAY" = local ] || return 0
  local namespace secret
  while read -r namespace secret; do
    if [ -z "$DRY_RUN" ] && kubectl -n "$namespace" get secret "$secret" >/dev/null 2>&1; then continue; fi
    local files=()
    while read -r key name; do
      if [ -n "$DRY_RUN" ]; then files+=("--from-file=$key=$VALUES/$name"); else files+=("--from-file=$key=$(value "$name")"); fi
    done < <(awk -v n="$namespace" -v s="$secret" '$1 == n && $2 == s {print $3, $4}' "$ROOT/manifests/secrets.tsv")
    run kubectl -n "$namespace" create secret generic "$secret" "${files[@]}"
  done < <(awk '!/^#/ {print $1, $2}' "$ROOT/manifests/secrets.tsv" | sort -u)
}

ready() {
  for namespace in $(namespaces <<<"$RENDERED"); do
    if [ -n "$DRY_RUN" ]; then run kubectl -n "$namespace" rollout status ...; continue; fi
    for workload in $(kubectl -n "$namespace" get statefulsets,deployments -l app.kubernetes.io/part-of=clickstream -o name); do
      kubectl -n "$namespace" rollout status "$workload" --timeout "${WAIT}s" \
        || die "$namespace: $workload is not ready; kubectl -n $namespace describe pods says why"
    done
  done
}

if ! asked --skip-check && [ -z "$DRY_RUN" ]; then "$ROOT/scripts/check-prerequisites.sh" --overlay "$OVERLAY"; fi
RENDERED=$(render) || die "manifests/overlays/$OVERLAY does not render: the line above says why"
operators
run kubectl apply --server-side --force-conflicts -f - <<<"$RENDERED"
secrets
job clickstream-tools lake "$WAIT"
ready
say "the stack is up; scripts/validate-deployment.sh asks it questions"
if [ "$OVERLAY" = local ]; then say "passwords of the Airflow page: $VALUES/airflow_passwords"; fi
