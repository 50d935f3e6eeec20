#!/usr/bin/env bash
# Restores the lake (Nessie's database and the bucket) and Airflow's database from a backup, and checks the result: docs/backup.md.
# What was written since the backup is lost. Nessie, Flink and Airflow are stopped meanwhile. Safe to repeat after a failure.
#   scripts/restore.sh --from BACKUP|newest --yes [--new-kafka] [--overlay local|production] [--dry-run]
# --new-kafka: Kafka's topics are new and empty; their offsets are lifted to those of the restored lake.
# RESTORE_TIMEOUT: seconds that each step may take (default 3600).
# Exit code: 0 restored and checked, 1 a step failed and the writers are left stopped, 2 wrong options.
source "$(dirname "$0")/lib.sh"
FROM='' CONFIRMED='' NEW_KAFKA='' ARGUMENTS=()
while [ $# -gt 0 ]; do
  case $1 in
    --from) FROM=${2:-}; shift; [ $# -gt 0 ] || die "--from needs a value: the id of a backup, or newest" 2 ;;
    --yes) CONFIRMED=1 ;;
    --new-kafka) NEW_KAFKA=1 ;;
    --dry-run) CONFIRMED=1; ARGUMENTS+=("$1") ;;
    *) ARGUMENTS+=("$1") ;;
  esac
  shift
done
options "" ${ARGUMENTS[@]+"${ARGUMENTS[@]}"}
[[ $FROM =~ ^(newest|[0-9]{8}T[0-9]{6}Z)$ ]] || die "--from '$FROM': name a backup such as 20260131T014000Z, or newest" 2
[ -n "$CONFIRMED" ] || die "a restore replaces the lake and Airflow's database, and what was written since the backup is lost: add --yes" 2
TIMEOUT=${RESTORE_TIMEOUT:-3600}
print_cluster
REPLICAS=clickstream/replicas-before-restore
NESSIE=(nessie) FLINK=(flink-jobmanager flink-taskmanager)
AIRFLOW=(airflow-api-server airflow-scheduler airflow-dag-processor airflow-triggerer)

# Scales Deployments to 0, remembers how many replicas they had, and waits until their pods are gone.
stop() { # NAMESPACE DEPLOYMENTS...
  local namespace=$1 name replicas; shift
  for name in "$@"; do
    if [ -z "$DRY_RUN" ]; then
      replicas=$(kubectl -n "$namespace" get deployment "$name" -o jsonpath='{.spec.replicas}')
      # After a failed restore they are 0 already, and the number is that of the first try.
      [ "$replicas" = 0 ] || kubectl -n "$namespace" annotate deployment "$name" "$REPLICAS=$replicas" --overwrite >/dev/null
    fi
    run kubectl -n "$namespace" scale deployment "$name" --replicas 0
  done
  [ -z "$DRY_RUN" ] || return 0
  local end=$((SECONDS + TIMEOUT)) pods
  pods="app.kubernetes.io/name in ($(IFS=,; echo "$*"))"
  until [ -z "$(kubectl -n "$namespace" get pods -l "$pods" --field-selector status.phase!=Succeeded,status.phase!=Failed -o name)" ]; do
    [ $SECONDS -lt $end ] || die "$namespace: pods of $* are not gone after $TIMEOUT s; run: kubectl -n $namespace get pods"
    sleep 2
  done
}

# Scales Deployments to the replicas that they had before `stop`, and waits until they are ready.
start() { # NAMESPACE DEPLOYMENTS...
  local namespace=$1 name replicas=1; shift
  for name in "$@"; do
    if [ -z "$DRY_RUN" ]; then
      replicas=$(kubectl -n "$namespace" get deployment "$name" -o jsonpath="{.metadata.annotations.$REPLICAS}")
    fi
    run kubectl -n "$namespace" scale deployment "$name" --replicas "${replicas:-1}"
  done
  for name in "$@"; do run kubectl -n "$namespace" rollout status deployment "$name" --timeout "${TIMEOUT}s"; done
}

# The Flink jobs end with their cluster, and so do the jobs that Airflow has started: they would write into the restored lake.
stop clickstream-airflow "${AIRFLOW[@]}"
run kubectl -n clickstream-spark delete sparkapplications.sparkoperator.k8s.io --all --ignore-not-found
run kubectl -n clickstream-ray delete rayjobs.ray.io --all --ignore-not-found
run kubectl -n clickstream-tools delete jobs,pods --all --ignore-not-found
stop clickstream-flink "${FLINK[@]}"
# With these a JobManager would start the jobs again from checkpoints that are not those of the backup.
run kubectl -n clickstream-flink delete configmaps -l type=flink-native-kubernetes --ignore-not-found
stop clickstream-nessie "${NESSIE[@]}"
run kubectl -n clickstream-backup delete jobs --all --ignore-not-found
run kubectl -n clickstream-backup patch configmap restore --type merge --patch "{\"data\": {\"BACKUP\": \"$FROM\"}}"
run_job clickstream-backup restore "$TIMEOUT"
start clickstream-nessie "${NESSIE[@]}"
# Before anything writes again: refs, rows and files are those of the backup. Prints the Kafka offsets that the lake holds.
run_job clickstream-backup verify "$TIMEOUT"
# Otherwise new events would have the offsets of events that the lake holds already.
[ -z "$NEW_KAFKA" ] || run_job clickstream-tools lift-offsets "$TIMEOUT"
start clickstream-flink "${FLINK[@]}"
start clickstream-airflow "${AIRFLOW[@]}"
log "restored; clickstream_streams starts the streams at the end offsets of the lake, within 5 minutes"
