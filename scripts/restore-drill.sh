#!/usr/bin/env bash
# Restores a backup of the local stack into a temporary stack beside it, compares them, and deletes the temporary stack: docs/backup.md.
#   scripts/restore-drill.sh [BACKUP]     by default the newest one
# Ports: CLICKSTREAM_S3_PORT (default 18333) and CLICKSTREAM_NESSIE_PORT (default 29120) of the temporary stack.
# Exit code: 0 the restored lake equals the backup, 1 it does not or a step failed, 2 wrong options.
source "$(dirname "$0")/lib.sh"
case ${1:-} in
  --help) usage; exit 0 ;;
  -*) die "unknown option $1; see --help" 2 ;;
esac
SCRATCH=$(mktemp -d)
export CLICKSTREAM_STACK_DIR=$SCRATCH/stack
export CLICKSTREAM_S3_PORT=${CLICKSTREAM_S3_PORT:-18333} CLICKSTREAM_NESSIE_PORT=${CLICKSTREAM_NESSIE_PORT:-29120}
clean() { "$ROOT/clickstream" stack clean >/dev/null 2>&1 || true; rm -rf "$SCRATCH"; }
trap clean EXIT
START=$SECONDS
"$ROOT/clickstream" restore "${1:-newest}" --yes
log "the drill took $((SECONDS - START)) s"
