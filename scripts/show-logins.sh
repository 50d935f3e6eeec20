#!/usr/bin/env bash
# Prints Airflow's users and passwords, and the token of the recommendation API, from the Secrets of the cluster.
#   scripts/show-logins.sh
# Exit code: 0 printed, 1 a Secret is missing or may not be read, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "" "$@"

secret() { # NAMESPACE NAME KEY
  local data
  data=$(kubectl -n "$1" get secret "$2" -o "jsonpath={.data.${3//./\\.}}") || die "cannot read Secret $1/$2: deploy first, or ask for the right to read it"
  openssl base64 -A -d <<<"$data"
}

print_cluster
if [ -n "$DRY_RUN" ]; then log "+ kubectl get secret"; exit 0; fi
PASSWORDS=$(secret clickstream-airflow airflow passwords.json)
TOKEN=$(secret clickstream-tools lake-keys serve_token)
echo "Airflow  kubectl -n clickstream-airflow port-forward svc/airflow-api-server 8080, then http://localhost:8080: $PASSWORDS"
echo "Serve    kubectl -n clickstream-ray port-forward svc/serve-serve-svc 8000, header Authorization: Bearer $TOKEN"
