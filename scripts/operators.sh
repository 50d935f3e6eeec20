# Functions for the Spark operator and KubeRay, which a cluster may share with other teams. Sourced, not run.
# shellcheck shell=bash
OPERATORS_LABEL=app.kubernetes.io/part-of=clickstream-operators
# The CRDs that Airflow's tasks and the manifests need, with their versions.
REQUIRED_CRDS='sparkapplications.sparkoperator.k8s.io/v1beta2 rayclusters.ray.io/v1 rayservices.ray.io/v1 rayjobs.ray.io/v1'

render_operators() { kubectl kustomize "$ROOT/manifests/operators"; }

# Prints KIND NAME of the objects of a render that exist on the cluster without this project's label. Fails if kubectl fails.
foreign_objects() { # RENDER
  local objects
  objects=$(kubectl get --ignore-not-found --no-headers -f - \
    -o 'custom-columns=KIND:.kind,NAME:.metadata.name,OWNER:.metadata.labels.app\.kubernetes\.io/part-of' <<<"$1") || return 1
  awk -v own="${OPERATORS_LABEL#*=}" 'NF && $3 != own {print $1, $2}' <<<"$objects"
}

# Prints the required CRD versions that the cluster does not serve.
missing_crds() {
  local entry versions
  for entry in $REQUIRED_CRDS; do
    versions=$(kubectl get crd "${entry%/*}" --ignore-not-found -o jsonpath='{.spec.versions[?(@.served==true)].name}') || return 1
    [[ " $versions " == *" ${entry#*/} "* ]] || echo "$entry"
  done
}

# Refuses to change operators of somebody else.
require_own_operators() { # RENDER
  local foreign
  foreign=$(foreign_objects "$1") || die "cannot read the operators of the cluster: see the message of kubectl above"
  [ -n "$foreign" ] || return 0
  log "on this cluster, but not installed by this project (label $OPERATORS_LABEL):"
  log "$(indent <<<"$foreign")"
  local missing
  missing=$(missing_crds) || die "cannot read the CRDs of the cluster: see the message of kubectl above"
  [ -n "$missing" ] || die "other operators are installed, and their CRDs have the versions that are needed: add --skip-operators; they must also watch the namespaces clickstream-spark and clickstream-ray"
  die "other operators are installed, without the CRD versions $(paste -sd ' ' - <<<"$missing"): ask their owner for an upgrade, then use --skip-operators; if an earlier version of this project installed them, give these objects the label"
}

# Checks operators that are not installed by deploy-all.sh.
require_crds() {
  local missing
  missing=$(missing_crds) || die "cannot read the CRDs of the cluster: see the message of kubectl above"
  [ -z "$missing" ] || die "--skip-operators, but the cluster has no CRD $(paste -sd ' ' - <<<"$missing"): install the operators, or leave the option out"
}

# The CRDs come first: an operator that starts before its CRDs are served ends and is restarted.
deploy_operators() { # RENDER
  documents CustomResourceDefinition <<<"$1" | apply
  wait_for_crds || { sleep 5; wait_for_crds; }
  apply <<<"$1"
  run kubectl -n spark-operator rollout status deployment --timeout "${TIMEOUT}s"
  run kubectl -n ray-operator rollout status deployment --timeout "${TIMEOUT}s"
}

# kubectl wait fails at once for a CRD that has no conditions yet, so the caller tries twice.
wait_for_crds() {
  local crds
  read -ra crds <<<"$(sed 's|/[^ ]*||g; s|[^ ]* *|crd/&|g' <<<"$REQUIRED_CRDS")"
  run kubectl wait --for condition=Established --timeout "${TIMEOUT}s" "${crds[@]}"
}

# Prints the namespaces of other teams with objects of our operators' CRDs.
foreign_resources() {
  local crds crd objects
  crds=$(kubectl get crd -l "$OPERATORS_LABEL" -o name) || return 1
  for crd in $crds; do
    objects=$(kubectl get "${crd#*/}" -A --no-headers -o custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name) || return 1
    awk -v kind="${crd#*/}" 'NF && $1 !~ /^clickstream-/ {print kind, $1 "/" $2}' <<<"$objects"
  done
}

# Deletes the operators and CRDs with our label, and nothing else.
delete_operators() {
  local foreign
  if [ -z "$DRY_RUN" ]; then
    foreign=$(foreign_resources) || die "cannot list the custom resources of other namespaces: the operators stay"
    [ -z "$foreign" ] || die "the operators stay, because other namespaces use them:
$(indent <<<"$foreign")
    fix: their owners delete these, or keep the operators"
  fi
  run kubectl delete --ignore-not-found --timeout 180s crd,clusterrolebindings,clusterroles,namespaces -l "$OPERATORS_LABEL"
}
