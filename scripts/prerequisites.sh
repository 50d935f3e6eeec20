# The checks of check-prerequisites.sh that need the cluster or the rendered manifests ($TEXT, $OPERATORS). Sourced, not run.
# shellcheck shell=bash disable=SC2153
problem() { PROBLEMS=$((PROBLEMS + 1)); log "problem: $1"; log "    fix: $2"; }
note() { log "note: $1"; log "    $2"; }
allowed() { kubectl auth can-i "$@" >/dev/null 2>&1; }

check_versions() {
  local minor client
  minor=$(kubectl get --raw /version | sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p') || minor=0
  if [ "$minor" -lt 29 ]; then problem "the cluster runs Kubernetes 1.$minor; 1.29 or newer is required" "upgrade the cluster"
  elif [ "$minor" -lt 33 ]; then note "the cluster runs Kubernetes 1.$minor; versions before 1.33 were not tried" "upgrade the cluster if something fails"; fi
  client=$(kubectl version --client -o json | sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p' | head -n 1)
  if [ "$client" -lt 27 ]; then problem "kubectl is 1.$client; its kustomize is too old for these manifests" "install kubectl 1.27 or newer"
  elif ((client - minor > 1 || minor - client > 1)); then
    note "kubectl is 1.$client and the cluster 1.$minor: Kubernetes supports one minor version of difference" "install kubectl 1.$minor if a command fails"
  fi
}

check_permissions() {
  local kind kinds='namespaces deployments.apps networkpolicies.networking.k8s.io secrets'
  has_option --skip-operators || kinds+=' customresourcedefinitions clusterroles'
  for kind in $kinds; do
    allowed create "$kind" --all-namespaces || problem "insufficient RBAC: 'create $kind' is denied" "use an account with the ClusterRole cluster-admin"
  done
}

# Volume claims of the manifests name no StorageClass, so without a default one they stay Pending.
check_storage_class() {
  local classes='{range .items[*]}{.metadata.name}{" "}{.metadata.annotations.storageclass\.kubernetes\.io/is-default-class}{"\n"}{end}' list
  list=$(kubectl get storageclass -o jsonpath="$classes") || { problem "cannot list StorageClasses" "use an account with the ClusterRole cluster-admin"; return 0; }
  if [ -z "$list" ]; then problem "no StorageClass" "install a volume provisioner and mark its StorageClass as default"
  elif ! grep -q ' true$' <<<"$list"; then
    problem "no StorageClass is the default; there are: $(awk '{print $1}' <<<"$list" | paste -sd ' ' -)" \
      "kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true"
  fi
}

check_operators() {
  local foreign missing
  if has_option --skip-operators; then
    missing=$(missing_crds) || { problem "cannot read the CRDs of the cluster" "use an account with the ClusterRole cluster-admin"; return 0; }
    [ -z "$missing" ] || problem "the cluster has no CRD $(paste -sd ' ' - <<<"$missing")" "install the operators, or leave --skip-operators out"
    return 0
  fi
  [ -n "$OPERATORS" ] || return 0
  foreign=$(foreign_objects "$OPERATORS") || { problem "cannot read the operators of the cluster" "use an account with the ClusterRole cluster-admin"; return 0; }
  [ -z "$foreign" ] || problem "operators that this project did not install: $(awk '{print $1 "/" $2}' <<<"$foreign" | paste -sd ' ' -)" \
    "deploy with --skip-operators; they must watch clickstream-spark and clickstream-ray"
}

check_secret_store() {
  local store ready crd
  grep -q '^kind: ExternalSecret$' <<<"$TEXT" || return 0
  crd=$(kubectl get crd externalsecrets.external-secrets.io --ignore-not-found -o name 2>/dev/null) || crd=''
  if [ -z "$crd" ]; then problem "the CRD externalsecrets.external-secrets.io is not there" "install the External Secrets Operator: https://external-secrets.io"; return 0; fi
  while read -r store; do
    ready=$(kubectl get clustersecretstore "$store" --ignore-not-found -o 'jsonpath={.metadata.name} {.status.conditions[?(@.type=="Ready")].status}' </dev/null 2>/dev/null) || ready=''
    case $ready in
      '') problem "no ClusterSecretStore $store" "create it: docs/production.md says which keys it must hold" ;;
      *' False') problem "the ClusterSecretStore $store is not ready" "kubectl describe clustersecretstore $store" ;;
    esac
  done < <(awk '/^  secretStoreRef:/ {inside = 1; next} inside && /^    name:/ {print $2; inside = 0}' <<<"$TEXT" | sort -u)
}

# No API reports whether network policies are enforced; the DaemonSet of a plugin that does tells.
check_network_plugin() {
  local daemonsets
  daemonsets=$(kubectl get daemonsets -A -o jsonpath='{.items[*].metadata.name}' 2>/dev/null) || daemonsets=''
  [[ $daemonsets =~ calico|cilium|antrea|weave-net|kube-router|canal|ovn|aws-node|anetd|kindnet ]] \
    || note "no network plugin is known to enforce network policies here (DaemonSets: ${daemonsets:-none})" "without one every pod can reach every other: install Calico, Cilium or another that enforces them"
  if [[ $daemonsets =~ aws-node|kindnet ]]; then note "aws-node and kindnet enforce network policies in recent versions only, and aws-node only when enabled" "see docs/kubernetes.md, Allowed connections"; fi
}

in_cidr() { # IPV4 CIDR
  local part IFS=./
  read -ra part <<<"$1/$2"
  (((((part[0] << 24 | part[1] << 16 | part[2] << 8 | part[3]) ^ (part[4] << 24 | part[5] << 16 | part[6] << 8 | part[7])) >> (32 - part[8])) == 0))
}

# The scheduler, Spark drivers and Ray's autoscaler reach the API server only at addresses that the network policy names.
check_api_server_policy() {
  local address cidr cidrs policy=manifests/overlays/$OVERLAY/common/api-server-network.patch.yaml
  [[ $OVERLAY != */* ]] || policy="$OVERLAY (policies to-api-server)"
  mapfile -t cidrs < <(awk '/^---$/ {named = 0} /^  name: to-api-server$/ {named = 1} {line[NR] = $0; doc[NR] = document} /^---$/ {document++} named {policy[document] = 1}
    END {for (i = 1; i <= NR; i++) if (policy[doc[i]]) print line[i]}' <<<"$TEXT" | grep -oE '[0-9.]+/[0-9]+' | sort -u)
  for address in $(kubectl -n default get service kubernetes -o jsonpath='{.spec.clusterIP}') \
    $(kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes -o jsonpath='{.items[*].endpoints[*].addresses[*]}'); do
    for cidr in "${cidrs[@]}"; do in_cidr "$address" "$cidr" && continue 2; done
    problem "$policy does not allow the API server's address $address" "add its CIDR there; pods that call the API server time out otherwise"
  done
}

check_placeholders() {
  local placeholder
  for placeholder in 192.0.2.1 example.org sha256:0000; do
    [[ $TEXT != *"$placeholder"* ]] || problem "${OVERLAY_DIR#"$ROOT"/} still contains the placeholder $placeholder" \
      "write your own value into: $(grep -rl "$placeholder" "$OVERLAY_DIR" "$ROOT/manifests/components" | sed "s|$ROOT/||" | paste -sd ' ' -)"
  done
}

check_capacity() {
  local text fix
  [ -n "$TEXT" ] || return 0
  while IFS=$'\t' read -r text fix; do [ -z "$text" ] || problem "$text" "$fix"; done \
    < <(printf '%s\n---\n%s\n' "$TEXT" "$OPERATORS" | kube capacity)
}

check_images() {
  local kind text fix
  [ -n "$TEXT" ] || return 0
  while IFS=$'\t' read -r kind text fix; do [ -z "$kind" ] || "$kind" "$text" "$fix"; done \
    < <(printf '%s\n---\n%s\n' "$TEXT" "$OPERATORS" | kube images)
}
