# What the scripts share: their options, how they speak, and how they run kubectl. Sourced, never run.
# shellcheck shell=bash
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OVERLAY=local DRY_RUN='' EXTRA=()

# Where this deployment's own files are.
stack() { echo "${CLICKSTREAM_STACK_DIR:-$ROOT/.stack}/kubernetes"; }

say() { echo "$*" >&2; }
die() { say "error: $1"; exit "${2:-1}"; }

# The comment at the head of the calling script is its help.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0"; }

# Reads --overlay, --dry-run and --help; what else a script knows is named by its caller and lands in EXTRA.
options() { # KNOWN ARGS...
  local known=" $1 "; shift
  while [ $# -gt 0 ]; do
    case $1 in
      --help) usage; exit 0 ;;
      --dry-run) DRY_RUN=1 ;;
      --overlay) OVERLAY=${2:-}; shift ;;
      *) [[ $known == *" $1 "* ]] || die "unknown option $1; --help lists what is taken" 2; EXTRA+=("$1") ;;
    esac
    shift || die "--overlay needs a name: local or production" 2
  done
  [ -f "$ROOT/manifests/overlays/$OVERLAY/kustomization.yaml" ] || die "no overlay '$OVERLAY': use local or production" 2
}

asked() { [[ " ${EXTRA[*]-} " == *" $1 "* ]]; }

# Changes the cluster, or with --dry-run says how it would.
run() { if [ -n "$DRY_RUN" ]; then say "+ $*"; else "$@"; fi; }

render() { kubectl kustomize "$ROOT/manifests/overlays/$OVERLAY"; }

namespaces() { awk '$1 == "kind:" {kind = $2} kind == "Namespace" && /^  name:/ {print $2}'; }

# A job made of a CronJob that waits for the hand; its log is ours.
job() { # NAMESPACE CRONJOB SECONDS
  local name
  name=$2-$(date +%s)
  run kubectl -n "$1" create job "$name" --from="cronjob/$2"
  [ -z "$DRY_RUN" ] || return 0
  local end=$((SECONDS + $3)) state=''
  until [ -n "$state" ] || [ $SECONDS -ge $end ]; do
    sleep 2
    state=$(kubectl -n "$1" get job "$name" -o jsonpath='{.status.conditions[?(@.status=="True")].type}')
  done
  kubectl -n "$1" logs "job/$name" --tail=40 >&2 || true
  [[ $state == *Complete* ]] || die "$1/$name: ${state:-not finished after $3 s}; kubectl -n $1 describe job $name says more"
}
