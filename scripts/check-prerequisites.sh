#!/usr/bin/env bash
# Checks tools, cluster, permissions, capacity, images, operators and addresses, and prints every problem with its fix. Changes nothing.
#   scripts/check-prerequisites.sh [--overlay local|production|FOLDER] [--skip-operators]
# A note is printed for what cannot be checked from here.
# Exit code: 0 no problem, 1 at least one problem, 2 wrong options.
source "$(dirname "$0")/lib.sh"
source "$ROOT/scripts/operators.sh"
source "$ROOT/scripts/prerequisites.sh"
options "--skip-operators --skip-savepoints --skip-check" "$@"
PROBLEMS=0 TEXT='' OPERATORS=''

on_path() { command -v "$1" >/dev/null; }

check_tools() {
  on_path kubectl || problem "kubectl is not on PATH" "install kubectl 1.27 or newer: https://kubernetes.io/docs/tasks/tools/"
  on_path openssl || problem "openssl is not on PATH" "install openssl: it generates the passwords of this deployment"
  on_path python3 || problem "python3 is not on PATH" "install Python 3.9 or newer: the scripts wait for workloads and compare capacity with it"
}

check_render() {
  on_path kubectl || return 0
  TEXT=$(render) || { problem "$OVERLAY_DIR does not render" "see the kustomize error above"; TEXT=''; }
  if ! has_option --skip-operators; then
    if "$ROOT/scripts/fetch-operators.sh"; then
      OPERATORS=$(render_operators) || { problem "manifests/operators does not render" "see the kustomize error above"; OPERATORS=''; }
    else problem "the operators' manifests are not in .operators/" "see the message of fetch-operators.sh above, or use --skip-operators"; fi
  fi
  check_placeholders
}

check_cluster() {
  on_path kubectl || return 0
  if ! kubectl get --raw /readyz >/dev/null 2>&1; then
    problem "cannot reach the Kubernetes API ($(api_server))" "set KUBECONFIG, or run: kubectl config use-context NAME"
    return 0
  fi
  check_versions
  check_permissions
  check_storage_class
  check_operators
  check_secret_store
  check_network_plugin
  check_api_server_policy
  if on_path python3; then check_capacity; check_images; fi
}

if on_path kubectl; then print_cluster; fi
check_tools
check_render
check_cluster
[ "$PROBLEMS" = 0 ] || die "$PROBLEMS problems"
log "all prerequisites of the overlay $OVERLAY are met"
