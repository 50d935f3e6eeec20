#!/usr/bin/env bash
# Checks tools, cluster, permissions, capacity and addresses, and prints every problem with its fix. Changes nothing.
#   scripts/check-prerequisites.sh [--overlay local|production]
# Exit code: 0 no problem, 1 at least one problem, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "" "$@"
PROBLEMS=0

problem() { PROBLEMS=$((PROBLEMS + 1)); log "problem: $1"; log "    fix: $2"; }
on_path() { command -v "$1" >/dev/null; }
allowed() { kubectl auth can-i "$@" >/dev/null 2>&1; }

check_tools() {
  on_path kubectl || problem "kubectl is not on PATH" "install kubectl 1.25 or newer: https://kubernetes.io/docs/tasks/tools/"
  [ "$OVERLAY" != local ] || on_path openssl || problem "openssl is not on PATH" "install openssl: it generates the passwords of this deployment"
}

check_cluster() {
  on_path kubectl || return 0
  if ! kubectl get --raw /readyz >/dev/null 2>&1; then
    problem "cannot reach the Kubernetes API ($(api_server))" "set KUBECONFIG, or run: kubectl config use-context NAME"
    return 0
  fi
  local minor
  minor=$(kubectl get --raw /version | sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p')
  [ "$minor" -ge 29 ] || problem "the cluster runs Kubernetes 1.$minor; 1.29 or newer is required" "upgrade the cluster"
  for kind in namespaces customresourcedefinitions clusterroles; do
    allowed create "$kind" || problem "insufficient RBAC: 'create $kind' is denied" "use an account with the ClusterRole cluster-admin"
  done
  [ -n "$(kubectl get storageclass -o name)" ] || problem "no StorageClass" "install a volume provisioner and mark its StorageClass as default"
  check_capacity
}

# Compares the nodes' allocatable CPU and memory with the requests of the local overlay.
check_capacity() {
  [ "$OVERLAY" = local ] || return 0
  local cpu memory
  cpu=$(allocatable cpu | awk '/m$/ {s += $1 / 1000; next} {s += $1} END {print int(s)}')
  memory=$(allocatable memory | awk '/Ki$/ {s += $1 / 1048576; next} /Mi$/ {s += $1 / 1024; next} /Gi$/ {s += $1; next} {s += $1 / 1073741824} END {print int(s + 0.5)}')
  [ "$cpu" -ge 7 ] || problem "allocatable CPU is $cpu; at least 7 is required" "add nodes or CPUs"
  [ "$memory" -ge 16 ] || problem "allocatable memory is $memory GiB; at least 16 GiB is required" "add nodes or memory"
}
allocatable() { kubectl get nodes -o jsonpath="{range .items[*]}{.status.allocatable.$1}{'\n'}{end}"; }

# Context and server of the current kubeconfig, for messages.
api_server() {
  echo "context $(kubectl config current-context 2>/dev/null || echo none), server $(kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}' 2>/dev/null || true)"
}

in_cidr() { # IPV4 CIDR
  local part IFS=./
  read -ra part <<<"$1/$2"
  (((((part[0] << 24 | part[1] << 16 | part[2] << 8 | part[3]) ^ (part[4] << 24 | part[5] << 16 | part[6] << 8 | part[7])) >> (32 - part[8])) == 0))
}

# The scheduler, Spark drivers and Ray's autoscaler reach the API server only at addresses that the network policy names.
check_api_server_policy() {
  local patch=manifests/overlays/$OVERLAY/common/api-server-network.patch.yaml address cidr cidrs
  kubectl get --raw /readyz >/dev/null 2>&1 || return 0
  mapfile -t cidrs < <(grep -oE '[0-9.]+/[0-9]+' "$ROOT/$patch")
  for address in $(kubectl -n default get service kubernetes -o jsonpath='{.spec.clusterIP}') \
    $(kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes -o jsonpath='{.items[*].endpoints[*].addresses[*]}'); do
    for cidr in "${cidrs[@]}"; do in_cidr "$address" "$cidr" && continue 2; done
    problem "$patch does not allow the API server's address $address" "add its CIDR there; pods that call the API server time out otherwise"
  done
}

check_addresses() {
  on_path kubectl || return 0
  local text
  text=$(render) || { problem "manifests/overlays/$OVERLAY does not render" "see the kustomize error above"; return 0; }
  for placeholder in 192.0.2.1 192.0.2.2 example.org sha256:0000; do
    [[ $text != *"$placeholder"* ]] || problem "manifests/overlays/$OVERLAY still contains the placeholder $placeholder" \
      "write your own value into: $(grep -rl "$placeholder" "$ROOT/manifests/overlays/$OVERLAY" "$ROOT/manifests/components" | sed "s|$ROOT/||" | paste -sd ' ' -)"
  done
}

check_tools
check_cluster
check_addresses
check_api_server_policy
[ "$PROBLEMS" = 0 ] || die "$PROBLEMS problems"
log "all prerequisites of the overlay $OVERLAY are met"
