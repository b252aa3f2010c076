#!/usr/bin/env bash
# Builds a real control plane in a folder, for the end-to-end tests, and prints that folder as its last line:
#
#     export KUBEBUILDER_ASSETS=$(scripts/kubernetes-from-debian.sh [--into FOLDER] [PROGRAM...])
#
# PROGRAM is a command of Kubernetes; the default is kube-apiserver and kube-controller-manager. The script always adds
# etcd. It compiles Kubernetes 1.20.2 from the source package of Debian 12, with Debian's Go, and takes etcd 3.4 from
# Debian's package: everything comes from the Debian archive. It needs root on Debian 12, about three minutes on two
# cores, and 2 GB of temporary space. If the programs exist already, it does nothing.
set -euo pipefail

readonly version=1.20.2
folder=${XDG_CACHE_HOME:-$HOME/.cache}/pod-identity-webhook/kubernetes-$version
if [[ ${1-} == --into ]]; then
  folder=${2:?--into needs a folder}
  shift 2
fi
programs=("$@")
((${#programs[@]})) || programs=(kube-apiserver kube-controller-manager)
for program in "${programs[@]}"; do
  if [[ ! $program =~ ^kube[a-z-]*$ ]]; then
    echo "usage: $0 [--into FOLDER] [PROGRAM...]; $program is not a Kubernetes program" >&2
    exit 2
  fi
done

step() { printf '%4d s  %s\n' "$SECONDS" "$*" >&2; }

# Runs a command and prints its output only if it fails.
quietly() {
  local output
  output=$("$@" 2>&1) || {
    printf '%s\n%s failed\n' "$output" "$*" >&2
    return 1
  }
}

missing_programs() {
  local program
  for program in etcd "${programs[@]}"; do
    [[ -x $folder/$program ]] || echo "$program"
  done
}

install_build_tools() {
  # On a machine with an init system, Debian would start etcd as a service. While this file exists, Debian does not.
  local policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    policy_is_ours=1
  fi
  quietly apt-get -qq update
  DEBIAN_FRONTEND=noninteractive quietly apt-get -qq install --yes --no-install-recommends \
    dpkg-dev etcd-server golang-1.19-go golang-github-modern-go-reflect2-dev
}

unpack_source() {
  # Do not change the machine's package sources: our list of source packages is in the work folder.
  local apt=$work/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$work/package"
  sed 's/^Types:.*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$apt/source.sources"
  local options=(
    -o "Dir::Etc::sourcelist=$apt/source.sources"
    -o Dir::Etc::sourceparts=-
    -o "Dir::State::Lists=$apt/lists"
    -o "Dir::Cache=$apt/cache"
    -o APT::Sandbox::User=root
  )
  quietly apt-get "${options[@]}" -qq update
  (cd "$work/package" && quietly apt-get "${options[@]}" -qq source --download-only kubernetes)
  if ! compgen -G "$work/package/kubernetes_*$version*.dsc" >/dev/null; then
    echo "$0: Debian's source package is no longer version $version: $(cd "$work/package" && echo ./*.dsc)" >&2
    return 1
  fi
  mkdir -p "${source_tree%/*}"
  quietly dpkg-source --extract "$work"/package/kubernetes_*.dsc "$source_tree"
}

# The vendored reflect2 1.0.1 crashes on any map with Go 1.18 or newer. Debian's own package has the fix.
replace_reflect2() {
  rm -r vendor/github.com/modern-go/reflect2
  cp -r /usr/share/gocode/src/github.com/modern-go/reflect2 vendor/github.com/modern-go/
}

# The source package lacks one generated file, the OpenAPI definitions. They cover each package with the marker below.
generate_openapi() {
  local packages
  packages=$(
    grep -rl --include='*.go' '^// +k8s:openapi-gen=' staging/src/k8s.io pkg cmd plugin |
      grep -v -e '_test\.go$' -e code-generator/ -e sample-apiserver/ -e testdata |
      xargs -n1 dirname | LC_ALL=C sort -u |
      sed -e 's#^staging/src/#k8s.io/kubernetes/vendor/#' -e t -e 's#^#k8s.io/kubernetes/#' |
      paste -sd,
  )
  go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  quietly "$work/openapi-gen" --logtostderr \
    --input-dirs "$packages" \
    --output-package k8s.io/kubernetes/pkg/generated/openapi \
    --output-file-base zz_generated.openapi \
    --go-header-file vendor/k8s.io/code-generator/hack/boilerplate.go.txt \
    --report-filename "$work/violations.txt"
}

compile() {
  local program=$1
  local vendored=k8s.io/kubernetes/vendor/k8s.io
  local stamp="-X $vendored/component-base/version"
  local flags="-s -w $stamp.gitVersion=v$version $stamp.gitMajor=1 $stamp.gitMinor=20 $stamp.gitTreeState=archive"
  flags+=" -X $vendored/client-go/pkg/version.gitVersion=v$version"
  go build -trimpath -ldflags "$flags" -o "$finished/$program" "./cmd/$program"
}

clean_up() {
  [[ -z $policy_is_ours ]] || rm -f /usr/sbin/policy-rc.d
  rm -rf "$work" "$finished"
}

mapfile -t missing < <(missing_programs)
if ((${#missing[@]} == 0)); then
  echo "$folder"
  exit 0
fi
step "missing in $folder: ${missing[*]}"
if ((EUID != 0)) || ! grep -qs '^VERSION_CODENAME=bookworm$' /etc/os-release; then
  echo "$0: building needs root on Debian 12; on other systems, set KUBEBUILDER_ASSETS, for example with setup-envtest" >&2
  exit 1
fi

# Build on the folder's own file system, so that moving a finished program into the folder is atomic.
mkdir -p "$folder"
folder=$(realpath "$folder")
policy_is_ours=
work=$(mktemp -d)
finished=$(mktemp -d "$folder/.unfinished.XXXXXX")
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install_build_tools
step "build tools"

source_tree=$work/go/src/k8s.io/kubernetes
unpack_source
step "source"

export GOPATH=$work/go GOCACHE=$work/cache GOROOT=/usr/lib/go-1.19 GO111MODULE=off GOFLAGS='' CGO_ENABLED=0
export PATH=$GOROOT/bin:$PATH
cd "$source_tree"
replace_reflect2
generate_openapi
step "generated code"

for program in "${missing[@]}"; do
  if [[ $program == etcd ]]; then
    cp /usr/bin/etcd "$finished/etcd"
  else
    compile "$program"
  fi
  mv "$finished/$program" "$folder/$program"
  step "$program"
done
echo "$folder"
