# Shared functions of the scripts: options, logging, confirmation, kubectl. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail
[ "${BASH_VERSINFO[0]}" -ge 4 ] || { echo "error: bash $BASH_VERSION is too old: bash 4 or newer is needed" >&2; exit 1; }
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OVERLAY=local OVERLAY_DIR='' DRY_RUN='' YES='' EXTRA=()

log() { echo "$*" >&2; }
die() { log "error: $1"; exit "${2:-1}"; }

# Prints the comment at the head of the calling script.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0"; }

# Parses --overlay, --dry-run, --yes and --help; further options KNOWN by the caller are stored in EXTRA.
options() { # KNOWN ARGS...
  local known=" $1 "; shift
  while [ $# -gt 0 ]; do
    case $1 in
      --help) usage; exit 0 ;;
      --dry-run) DRY_RUN=1 ;;
      --yes) YES=1 ;;
      --overlay) OVERLAY=${2:-}; shift ;;
      *) [[ $known == *" $1 "* ]] || die "unknown option $1; see --help" 2; EXTRA+=("$1") ;;
    esac
    shift || die "--overlay needs a value: local, production or a folder" 2
  done
  OVERLAY_DIR=$ROOT/manifests/overlays/$OVERLAY
  # The folder of a kustomization elsewhere, based on one of the two overlays.
  if [[ $OVERLAY == */* ]]; then OVERLAY_DIR=$OVERLAY; fi
  [ -f "$OVERLAY_DIR/kustomization.yaml" ] || die "overlay '$OVERLAY' does not exist: use local, production or a folder with a kustomization" 2
}

has_option() { [[ " ${EXTRA[*]-} " == *" $1 "* ]]; }

# Context and server of the current kubeconfig.
api_server() {
  echo "context $(kubectl config current-context 2>/dev/null || echo none), server $(kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}' 2>/dev/null || echo none)"
}

# Prints which cluster is used. Each script calls it first.
print_cluster() { log "$(basename "$0"): $(api_server), overlay $OVERLAY"; }

# Asks before the cluster is changed. Without a terminal --yes is needed, with --dry-run nothing.
confirm() { # WHAT
  [ -z "$YES$DRY_RUN" ] || return 0
  [ -t 0 ] || die "this would $1; standard input is no terminal, so nothing was changed: add --yes" 2
  local reply=''
  read -r -p "This will $1. Continue? [y/N] " reply || true
  [[ $reply =~ ^[yY] ]] || die "nothing was changed"
}

# Runs a command that changes the cluster; with --dry-run prints it instead.
run() { if [ -n "$DRY_RUN" ]; then log "+ $*"; else "$@"; fi; }

kube() { PYTHONPATH=$ROOT PYTHONDONTWRITEBYTECODE=1 python3 -m "scripts.kube.$1" "${@:2}"; }

render() { kubectl kustomize "$OVERLAY_DIR"; }

namespaces() { awk '$1 == "kind:" {kind = $2} kind == "Namespace" && /^  name:/ {print $2}'; }

# Prints the documents of a render whose kind or whose namespace matches the pattern.
documents() { # PATTERN
  awk -v pattern="^($1)\$" 'function flush() { if (keep) printf "---\n%s", text; text = ""; keep = 0; meta = 0 }
    /^---$/ {flush(); next}
    {text = text $0 "\n"}
    /^[^ ]/ {meta = ($1 == "metadata:")}
    /^kind: / && $2 ~ pattern {keep = 1}
    meta && /^  namespace: / && $2 ~ pattern {keep = 1}
    END {flush()}'
}

# Indents lines of a list.
indent() { while IFS= read -r line; do echo "    $line"; done; }

# Applies standard input.
apply() { if [ -n "$DRY_RUN" ]; then cat >/dev/null; fi; run kubectl apply --server-side --force-conflicts -f -; }

# Runs a command in the scheduler's container.
in_scheduler() { run kubectl -n clickstream-airflow exec deploy/airflow-scheduler -c airflow -- "$@"; }

# Creates a Job from a CronJob, waits for it and prints its log.
run_job() { # NAMESPACE CRONJOB SECONDS
  local name state=0
  name=$2-$(date +%s)-$((RANDOM % 1000))
  log "job $1/$name"
  run kubectl -n "$1" create job "$name" --from="cronjob/$2" || die "job $1/$2 cannot be created: see the message of kubectl above"
  [ -z "$DRY_RUN" ] || return 0
  kube wait job "$3" "$1" "$name" || state=1
  kubectl -n "$1" logs "job/$name" --tail=40 >&2 || true
  [ "$state" = 0 ] || die "job $1/$name did not complete; its last log lines are above"
}
