#!/usr/bin/env bash
# Builds the newest Kubernetes that we support into a folder, for the end-to-end tests, and prints that folder as its
# last line:
#
#     export KUBEBUILDER_ASSETS=$(scripts/kubernetes-from-modules.sh)
#
# tests/kubernetes/go.mod pins the version and the modules; go.sum has their hashes. The script needs Go 1.26, about 20
# minutes on two cores, and 5 GB of space, most of it in Go's own caches. It builds only the programs that are missing.
set -euo pipefail
module=$(cd "$(dirname "$0")/../tests/kubernetes" && pwd)

version=$(sed -n 's#^\tk8s\.io/kubernetes v\([0-9.]*\).*#\1#p' "$module/go.mod")
folder=${XDG_CACHE_HOME:-$HOME/.cache}/pod-identity-webhook/kubernetes-$version
readonly programs=(etcd kubectl kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)

step() { printf '%4d s  %s\n' "$SECONDS" "$*" >&2; }

missing_programs() {
  local program
  for program in "${programs[@]}"; do
    [[ -x $folder/$program ]] || echo "$program"
  done
}

# If Go 1.27 compiles the API server, its OpenAPI is broken, so kubectl's validation and server-side apply fail.
require_go() {
  local found
  found=$(go env GOVERSION 2>/dev/null) || found='no go command'
  if [[ ! $found =~ ^go1\.26([.-]|$) ]]; then
    echo "$0: building Kubernetes $version needs Go 1.26, but found: $found" >&2
    exit 1
  fi
}

# The linker flags that set the version, as in hack/lib/version.sh of Kubernetes. A module does not contain its commit.
version_flags() {
  local package minor=${version#*.}
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- '-X %s ' \
      "$package.gitVersion=v$version" "$package.gitMajor=${version%%.*}" "$package.gitMinor=${minor%%.*}" \
      "$package.gitCommit=" "$package.gitTreeState=archive" "$package.buildDate=$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  done
}

compile() {
  local program=$1 package=k8s.io/kubernetes/cmd/$1
  [[ $program != etcd ]] || package=go.etcd.io/etcd/server/v3
  go build -mod=readonly -trimpath -ldflags "-s -w $flags" -o "$finished/$program" "$package"
}

mapfile -t missing < <(missing_programs)
if ((${#missing[@]} == 0)); then
  echo "$folder"
  exit 0
fi
step "missing in $folder: ${missing[*]}"
# Fix the settings that change the result of the build. The machine's own settings decide where modules come from.
export GOTOOLCHAIN=local GOFLAGS='' GOWORK=off CGO_ENABLED=0
require_go

# Build on the folder's own file system, so that moving a finished program into the folder is atomic.
mkdir -p "$folder"
folder=$(realpath "$folder")
finished=$(mktemp -d "$folder/.unfinished.XXXXXX")
trap 'rm -rf "$finished"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cd "$module"
flags=$(version_flags)
for program in "${missing[@]}"; do
  compile "$program"
  mv "$finished/$program" "$folder/$program"
  step "$program"
done
echo "$folder"
