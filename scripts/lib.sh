# Shared functions of the scripts: options, logging, kubectl. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OVERLAY=local DRY_RUN='' EXTRA=()

# Folder of this deployment's generated files.
state_dir() { echo "${CLICKSTREAM_STACK_DIR:-$ROOT/.stack}/kubernetes"; }

log() { echo "$*" >&2; }
die() { log "error: $1"; exit "${2:-1}"; }

# Prints the comment at the head of the calling script.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0"; }

# Parses --overlay, --dry-run and --help; further options KNOWN by the caller are stored in EXTRA.
options() { # KNOWN ARGS...
  local known=" $1 "; shift
  while [ $# -gt 0 ]; do
    case $1 in
      --help) usage; exit 0 ;;
      --dry-run) DRY_RUN=1 ;;
      --overlay) OVERLAY=${2:-}; shift ;;
      *) [[ $known == *" $1 "* ]] || die "unknown option $1; see --help" 2; EXTRA+=("$1") ;;
    esac
    shift || die "--overlay needs a value: local or production" 2
  done
  [ -f "$ROOT/manifests/overlays/$OVERLAY/kustomization.yaml" ] || die "overlay '$OVERLAY' does not exist: use local or production" 2
}

has_option() { [[ " ${EXTRA[*]-} " == *" $1 "* ]]; }

# Runs a command that changes the cluster; with --dry-run prints it instead.
run() { if [ -n "$DRY_RUN" ]; then log "+ $*"; else "$@"; fi; }

render() { kubectl kustomize "$ROOT/manifests/overlays/$OVERLAY"; }

namespaces() { awk '$1 == "kind:" {kind = $2} kind == "Namespace" && /^  name:/ {print $2}'; }

# Creates a Job from a suspended CronJob, waits for it and prints its log.
run_job() { # NAMESPACE CRONJOB SECONDS
  local name
  name=$2-$(date +%s)
  run kubectl -n "$1" create job "$name" --from="cronjob/$2"
  [ -z "$DRY_RUN" ] || return 0
  # SuccessCriteriaMet and FailureTarget come before Complete and Failed, and are not the end.
  local end=$((SECONDS + $3)) state=''
  until [[ $state =~ Complete|Failed ]] || [ $SECONDS -ge $end ]; do
    sleep 2
    state=$(kubectl -n "$1" get job "$name" -o jsonpath='{.status.conditions[?(@.status=="True")].type}')
  done
  kubectl -n "$1" logs "job/$name" --tail=40 >&2 || true
  [[ $state == *Complete* ]] || die "job $1/$name: ${state:-not finished after $3 s}; run: kubectl -n $1 describe job $name"
}
