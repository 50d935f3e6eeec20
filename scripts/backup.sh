#!/usr/bin/env bash
# Writes a backup now, besides the daily ones: docs/backup.md. Everything goes on running.
#   scripts/backup.sh [--overlay local|production] [--dry-run]
# BACKUP_TIMEOUT: seconds that it may take (default 21600).
# Exit code: 0 the backup is complete, 1 it failed, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "" "$@"
run_job clickstream-backup backup "${BACKUP_TIMEOUT:-21600}"
