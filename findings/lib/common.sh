# Sourced by the findings: packages of stated versions in a temporary folder, namespaces, and how a finding ends.
# shellcheck shell=bash disable=SC2034 # root and libraries are for those who source this
# Status 0: as described. 1: the behaviour has changed. 2: it could not be tried; the last line says why.
set -euo pipefail

unable() { printf '%s: cannot be tried: %s\n' "${0##*/}" "$*" >&2; exit 2; }
changed() { printf '%s: CHANGED: %s\n' "${0##*/}" "$*" >&2; exit 1; }
# expect WHAT SEEN EXPECTED
expect() {
  printf '%s: %s\n' "$1" "$2"
  [[ $2 == "$3" ]] || changed "$1 was: $3"
}

(($(id -u) == 0)) || unable "network namespaces want root: run it with sudo"
folder=$(mktemp -d)
root=$folder/root
libraries=$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu
processes=() namespaces=()
cleanup() {
  local each
  for each in "${processes[@]}"; do kill "$each" 2>/dev/null || true; done
  for each in "${processes[@]}"; do wait "$each" 2>/dev/null || true; done
  for each in "${namespaces[@]}"; do ip netns delete "$each" || true; done
  rm -rf "$folder"
}
trap cleanup EXIT

# packages NAME=VERSION...: unpacks them below $root; nothing is installed.
packages() {
  local package
  mkdir -p "$root" "$folder/packages"
  cd "$folder/packages"
  for package; do
    apt-get -q -o APT::Sandbox::User=root download "$package" >/dev/null 2>"$folder/apt" \
      || unable "apt serves no $package here (Debian 12, amd64; apt-get update, or snapshot.debian.org): $(tail -n 1 "$folder/apt")"
  done
  for package in *.deb; do dpkg -x "$package" "$root"; done
  cd "$folder"
  printf '%s\n' "$@"
}

# cable: two namespaces $here and $there, with port0 in each, wired to the other.
cable() {
  here=finding-$$-here there=finding-$$-there
  local each
  for each in "$here" "$there"; do ip netns add "$each"; namespaces+=("$each"); ip -n "$each" link set lo up; done
  ip -n "$here" link add port0 address 02:00:00:00:00:01 type veth peer name port0 address 02:00:00:00:00:02 netns "$there"
  for each in "$here" "$there"; do ip -n "$each" link set port0 up; done
}

# start LOG COMMAND...: in the background, ended with the script.
start() {
  local log=$folder/$1
  shift
  "$@" >"$log" 2>&1 </dev/null &
  processes+=("$!")
}

# eventually SECONDS WHAT COMMAND...: until the command succeeds.
eventually() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || unable "$what, not so within the time"
    sleep 0.2
  done
}
