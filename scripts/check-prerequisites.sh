#!/usr/bin/env bash
# Says everything that a deployment lacks, each with its cure. Changes nothing.
#   scripts/check-prerequisites.sh [--overlay local|production]
# Exit code: 0 nothing is missing, 1 something is, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "" "$@"
MISSES=0

miss() { MISSES=$((MISSES + 1)); say "missing: $1"; say "   cure: $2"; }
has() { command -v "$1" >/dev/null; }
may() { kubectl auth can-i "$@" >/dev/null 2>&1; }

tools() {
  has kubectl || miss "kubectl is not on PATH" "install it, 1.25 or newer: https://kubernetes.io/docs/tasks/tools/"
  [ "$OVERLAY" != local ] || has openssl || miss "openssl is not on PATH" "install it: it makes the passwords of this deployment"
}

cluster() {
  has kubectl || return 0
  if ! kubectl get --raw /readyz >/dev/null 2>&1; then
    miss "no cluster answers" "name one: kubectl config use-context NAME, or export KUBECONFIG=FILE"
    return 0
  fi
  local minor
  minor=$(kubectl get --raw /version | sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p')
  [ "$minor" -ge 24 ] || miss "the cluster is Kubernetes 1.$minor" "upgrade it to 1.24 or newer"
  for kind in namespaces customresourcedefinitions clusterroles; do
    may create "$kind" || miss "you may not create $kind" "use an account with the role cluster-admin"
  done
  [ -n "$(kubectl get storageclass -o name)" ] || miss "no StorageClass" "install a provisioner and mark its class as default"
  size
}

# The sums of what can be allocated, against what the local overlay asks for.
size() {
  [ "$OVERLAY" = local ] || return 0
  local cpu memory
  cpu=$(allocatable cpu | awk '/m$/ {s += $1 / 1000; next} {s += $1} END {print int(s)}')
  memory=$(allocatable memory | awk '/Ki$/ {s += $1 / 1048576; next} /Mi$/ {s += $1 / 1024; next} /Gi$/ {s += $1; next} {s += $1 / 1073741824} END {print int(s + 0.5)}')
  [ "$cpu" -ge 7 ] || miss "the nodes have $cpu CPUs to give" "give the cluster at least 7"
  [ "$memory" -ge 13 ] || miss "the nodes have $memory GiB of memory to give" "give the cluster at least 14 GB"
}
allocatable() { kubectl get nodes -o jsonpath="{range .items[*]}{.status.allocatable.$1}{'\n'}{end}"; }

addresses() {
  has kubectl || return 0
  local text
  text=$(render) || { miss "manifests/overlays/$OVERLAY does not render" "the line above says why"; return 0; }
  for placeholder in 192.0.2.1 192.0.2.2 example.org; do
    [[ $text != *"$placeholder"* ]] || miss "manifests/overlays/$OVERLAY still holds $placeholder" \
      "write your own address: $(grep -rl "$placeholder" "$ROOT/manifests/overlays/$OVERLAY" | sed "s|$ROOT/||" | paste -sd ' ')"
  done
}

tools
cluster
addresses
[ "$MISSES" = 0 ] || die "$MISSES missing"
say "nothing is missing for the overlay $OVERLAY"
