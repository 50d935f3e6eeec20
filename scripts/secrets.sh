# Functions for Secrets. The cluster is the only place where values are kept: nothing is written to a disk here. Sourced, not run.
# shellcheck shell=bash
TABLE=$ROOT/manifests/secrets.tsv
declare -A VALUES=()

# Prints the Secrets of a table of namespace, secret, key and value name, that belong to namespaces of the render.
secret_names() { awk '!/^#/ {print $1, $2}' "$TABLE" | sort -u; }

# A value as base64, from any Secret of the cluster that holds it. Databases, S3 and Airflow were initialised with it.
stored_value() { # VALUE_NAME
  local namespace secret key name data
  while read -r namespace secret key name; do
    [ "$name" = "$1" ] || continue
    data=$(kubectl -n "$namespace" get secret "$secret" --ignore-not-found -o "jsonpath={.data.${key//./\\.}}") || return 1
    if [ -n "$data" ]; then echo "$data"; return 0; fi
  done < <(grep -v '^#' "$TABLE")
}

generate() { # VALUE_NAME
  case $1 in
    airflow_passwords) printf '{"admin": "%s", "viewer": "%s"}' "$(random)" "$(random)" ;;
    airflow_fernet_key) openssl rand -base64 32 | tr '+/' '-_' | tr -d '\n' ;;
    *) random ;;
  esac
}
random() { openssl rand -hex 20 | tr -d '\n'; }

# Sets VALUES[name] to a value as base64: the cluster's, or else a new one.
load_value() { # VALUE_NAME
  [ -z "${VALUES[$1]-}" ] || return 0
  VALUES[$1]=$(stored_value "$1") || die "cannot read the Secrets of the cluster: no value of $1 is generated, because the cluster may have one"
  if [ -z "${VALUES[$1]}" ]; then
    VALUES[$1]=$(generate "$1" | openssl base64 -A)
    log "generated: $1"
  fi
}

# Creates the Secrets that are missing and never changes one. Values do not appear on a command line.
create_secrets() { # RENDER
  local namespace secret key name rest existing text
  ! grep -q '^kind: ExternalSecret$' <<<"$1" || { log "Secrets come from the external store"; return 0; }
  while read -r namespace secret; do
    grep -q "^  namespace: $namespace\$" <<<"$1" || continue
    if [ -n "$DRY_RUN" ]; then run kubectl -n "$namespace" create -f - "# Secret $secret, if it is missing"; continue; fi
    existing=$(kubectl -n "$namespace" get secret "$secret" --ignore-not-found -o name) || die "cannot read the Secrets of $namespace"
    [ -z "$existing" ] || continue
    text="{apiVersion: v1, kind: Secret, metadata: {name: $secret, namespace: $namespace}, type: Opaque, data: {"
    while read -r key name rest; do
      load_value "$name"
      text+="\"$key\": \"${VALUES[$name]}\", "
    done < <(awk -v n="$namespace" -v s="$secret" '$1 == n && $2 == s {print $3, $4}' "$TABLE")
    kubectl create -f - <<<"${text%, }}}" || die "Secret $namespace/$secret cannot be created: see the message of kubectl above"
  done < <(secret_names)
}
