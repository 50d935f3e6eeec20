#!/usr/bin/env bash
# Downloads the operators' manifests into .operators/, once. Without the internet: copy that folder from a machine that has it.
#   scripts/fetch-operators.sh [--dry-run]
# OPERATORS_DIR: a copy of .operators/ to take them from, instead of a download.
# With `go` on PATH they come as Go modules (GOPROXY counts), else by curl from the repositories' release archives. Each is compared with
# the digest in manifests/operators/sources.tsv.
# Exit code: 0 the manifests are in .operators/, 1 a download failed or a digest differs, 2 wrong options.
source "$(dirname "$0")/lib.sh"
options "" "$@"

sha256() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }

# Digest of the names and contents of all files below a folder.
digest() { # FOLDER
  (cd "$1" && find . -type f | LC_ALL=C sort | while read -r file; do sha256 "$file"; done | sha256 | cut -d ' ' -f 1)
}

# Prints the folder with an operator's manifests.
download() { # MODULE VERSION ARCHIVE PATH
  if command -v go >/dev/null; then
    local folder
    folder=$(cd / && go mod download -json "$1@$2" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') && [ -n "$folder" ] && echo "$folder/config" && return 0
    log "go mod download $1@$2 failed; trying $3"
  fi
  curl -fsSL --max-time 300 "$3" | tar -xzf - -C "$TEMPORARY" && echo "$TEMPORARY/$4"
}

# Copies what is deployed; samples and tests of the repository are not needed.
copy() { # SOURCE TARGET
  mkdir -p "$2"
  (cd "$1" && tar -cf - --exclude ./samples --exclude ./overlays .) | tar -xf - -C "$2"
  chmod -R u+w "$2"
}

fetch() { # NAME MODULE VERSION ARCHIVE PATH SHA256
  local target=$ROOT/.operators/$1 source actual
  if [ -d "$target" ] && [ "$(digest "$target")" = "$6" ]; then return 0; fi
  if [ -n "$DRY_RUN" ]; then log "+ download $2@$3 into .operators/$1"; return 0; fi
  source=${OPERATORS_DIR:+$OPERATORS_DIR/$1}
  [ -n "$source" ] || source=$(download "$2" "$3" "$4" "$5") \
    || die "cannot download $2@$3 with go or from $4: copy .operators/ from a machine that can, or set OPERATORS_DIR"
  [ -d "$source" ] || die "$source does not exist: OPERATORS_DIR must be a copy of .operators/"
  copy "$source" "$TEMPORARY/$1.new"
  actual=$(digest "$TEMPORARY/$1.new")
  [ "$actual" = "$6" ] || die "$2@$3: sha256 is $actual, expected $6 (manifests/operators/sources.tsv): do not use this download"
  mkdir -p "$ROOT/.operators"
  rm -rf "$target"
  mv "$TEMPORARY/$1.new" "$target"
  log "fetched $2@$3 into .operators/$1"
}

TEMPORARY=$(mktemp -d)
trap 'rm -rf "$TEMPORARY"' EXIT
while IFS=$'\t' read -r name module version archive path sha256; do
  fetch "$name" "$module" "$version" "$archive" "$path" "$sha256"
done < <(grep -v '^#' "$ROOT/manifests/operators/sources.tsv")
