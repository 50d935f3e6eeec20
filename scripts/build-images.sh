#!/usr/bin/env bash
# Builds all images with docker, podman or buildah, then loads them into a local cluster or pushes them to a registry.
#   scripts/build-images.sh [--load kind|minikube|containerd] [--registry HOST/PATH] [--push] [--dry-run]
# Names are localhost/clickstream/NAME:VERSION, as overlays/local uses them; with --registry also HOST/PATH/NAME:VERSION.
# BUILDER chooses the program (default: the first that works), BUILD_OPTIONS adds options to each build.
# Exit code: 0 everything is built, 1 a step failed, 2 wrong options.
source "$(dirname "$0")/lib.sh"
LOAD='' REGISTRY='' PUSH=''

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      --help) usage; exit 0 ;;
      --dry-run) DRY_RUN=1 ;;
      --push) PUSH=1 ;;
      --load) LOAD=${2:-}; shift ;;
      --registry) REGISTRY=${2:-}; shift ;;
      *) die "unknown option $1; see --help" 2 ;;
    esac
    shift || die "--load and --registry need a value" 2
  done
  [[ $LOAD =~ ^(|kind|minikube|containerd)$ ]] || die "--load '$LOAD': use kind, minikube or containerd" 2
  [ -z "$PUSH" ] || [ -n "$REGISTRY" ] || die "--push needs --registry HOST/PATH" 2
}

# docker is there but unusable without its daemon.
builder() {
  if [ -n "${BUILDER:-}" ]; then echo "$BUILDER"
  elif docker info >/dev/null 2>&1; then echo docker
  elif command -v podman >/dev/null; then echo podman
  elif command -v buildah >/dev/null; then echo buildah
  fi
}

build() { # NAME DOCKERFILE OPTIONS...
  local name=$1 file=$2
  shift 2
  # shellcheck disable=SC2086  # BUILD_OPTIONS holds several options
  run "$PROGRAM" build ${BUILD_OPTIONS:-} "$@" --build-arg "VERSION=$VERSION" -f "$ROOT/$file" -t "localhost/clickstream/$name:$VERSION" "$ROOT" \
    || die "the image $name cannot be built: see the output above"
}

# An archive is what every cluster tool takes, whatever built the image.
load() { # NAME
  local image=localhost/clickstream/$1:$VERSION archive=$ARCHIVES/$1.tar
  case $PROGRAM in
    buildah) run buildah push -q "$image" "docker-archive:$archive:$image" ;;
    *) run "$PROGRAM" save -o "$archive" "$image" ;;
  esac
  case $LOAD in
    kind) run kind load image-archive "$archive" ;;
    minikube) run minikube image load "$archive" ;;
    containerd) run ctr -n k8s.io images import "$archive" ;;
  esac
  rm -f "$archive"
}

push() { # NAME
  local image=localhost/clickstream/$1:$VERSION target=$REGISTRY/$1:$VERSION
  run "$PROGRAM" tag "$image" "$target"
  [ -z "$PUSH" ] || run "$PROGRAM" push "$target"
}

parse "$@"
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' "$ROOT/pyproject.toml")
PROGRAM=$(builder)
[ -n "$PROGRAM" ] || die "no program that builds images: install docker, podman or buildah"
build base contracts/Dockerfile --target base
build build contracts/Dockerfile --target build
build tools tools/Dockerfile
build spark-apps spark_apps/Dockerfile
build flink-apps flink_apps/Dockerfile
build ray-apps ray_apps/Dockerfile
build airflow plugins/Dockerfile
ARCHIVES=$(mktemp -d)
trap 'rm -rf "$ARCHIVES"' EXIT
for name in tools spark-apps flink-apps ray-apps airflow; do
  if [ -n "$LOAD" ]; then load "$name"; fi
  if [ -n "$REGISTRY" ]; then push "$name"; fi
done
log "built with $PROGRAM, version $VERSION"
