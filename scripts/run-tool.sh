#!/usr/bin/env bash
# Runs a command of ./clickstream in the cluster, as a Job with the image of the tools: repair, refs, trace, ledger, rollout, lake.
#   scripts/run-tool.sh [--dry-run] [--yes] -- repair status
#   scripts/run-tool.sh --yes -- repair accept --reason "test file, sent by mistake"
# It prints what the command prints, and deletes the Job. The command runs once, also if it fails. RUN_SECONDS limits the wait (default 1800).
# Exit code: 0 the command succeeded, 1 it failed or did not end, 2 wrong options or not confirmed.
source "$(dirname "$0")/lib.sh"
OPTIONS=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do OPTIONS+=("$1"); shift; done
options "" ${OPTIONS[@]+"${OPTIONS[@]}"}
[ $# -gt 1 ] || die "name the command after --, for example: scripts/run-tool.sh -- repair status" 2
shift
NAMESPACE=clickstream-tools TEMPLATE=lift-offsets
NAME=run-tool-$(date +%s)-$((RANDOM % 1000))

print_cluster
confirm "run 'clickstream $*' on $(api_server)"
if [ -n "$DRY_RUN" ]; then log "+ kubectl create job $NAME from cronjob/$TEMPLATE in $NAMESPACE: python -m tools.cli $*"; exit 0; fi
JOB=$(kube tool_job "$NAMESPACE" "$TEMPLATE" "$NAME" "$(id -un)" "$@") || exit 1
kubectl create -f - <<<"$JOB" >&2 || die "job $NAMESPACE/$NAME cannot be created: see the message of kubectl above"
STATE=0
kube wait job "${RUN_SECONDS:-1800}" "$NAMESPACE" "$NAME" || STATE=1
kubectl -n "$NAMESPACE" logs "job/$NAME" --tail=-1 || true
[ "$STATE" = 0 ] || die "'clickstream $*' did not succeed; the Job $NAMESPACE/$NAME stays for an hour"
kubectl -n "$NAMESPACE" delete job "$NAME" --wait=false >&2
