# Sourced by Packaging/demo, Packaging/lab, Packaging/deb and Tests/run: what they need before they can start. Not to be run by itself.
# shellcheck shell=bash disable=SC2034 # the lists are for those who source this

# What a bare Debian 12 needs beside the Swift toolchain: to compile and link, to fetch packages, and evbd's own libraries.
BUILD_PACKAGES=(
  binutils gcc git ca-certificates libc6-dev libgcc-12-dev libstdc++-12-dev zlib1g-dev pkg-config
  libcurl4 libxml2 libsqlite3-0 libncurses6 libedit2 tzdata
  libnl-3-dev libnl-route-3-dev libyaml-dev libnftables-dev libcurl4-openssl-dev
)
# To lay a lab of namespaces. lldpad, lldpd, frr and prometheus, with their libraries, are unpacked into the lab, never installed.
LAB_PACKAGES=(iproute2 iputils-ping nftables python3 python3-yaml util-linux)
# libvirtd, virsh and QEMU without libvirt-daemon-system, which adds no programs, but services that a host would start at once.
LIBVIRT_PACKAGES=(libvirt-daemon libvirt-clients qemu-system-x86)
# What the demo wants beside those, and its guests. Their kernel and busybox are unpacked too, never installed.
DEMO_PACKAGES=(tcpdump)
GUEST_PACKAGES=(qemu-system-x86 cpio)
# What makes a package of the programs; their libraries, so that it depends on them.
DEB_PACKAGES=(build-essential debhelper python3 pkg-config libnl-3-dev libnl-route-3-dev libyaml-dev libnftables-dev libcurl4-openssl-dev)

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

require_root() {
  (($(id -u) == 0)) || die "this makes network namespaces and installs packages: run it as root (sudo $0)"
}

# Installs those of the packages that are not there, and says which.
install_missing() {
  local package missing=()
  command -v apt-get >/dev/null || die "this wants Debian 12 (there is no apt-get); needed are: $*"
  for package; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  say "Installing with apt: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # A fresh machine has no package lists, an old one stale ones: both show as a failed installation.
  apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 && return 0
  apt-get update -qq
  apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null || die "apt-get could not install ${missing[*]}"
}

# Finds a toolchain of at least 6.1. sudo drops the caller's PATH, so the usual places and the caller's own are looked at too.
require_swift() {
  local home='' directory version major minor
  if ! command -v swift >/dev/null; then
    [[ -z ${SUDO_USER:-} ]] || home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    for directory in /opt/swift*/usr/bin /usr/local/swift*/usr/bin /usr/local/bin \
      "${home:-$HOME}"/.local/share/swiftly/toolchains/*/usr/bin "${home:-$HOME}"/swift*/usr/bin; do
      if [[ -x $directory/swift ]]; then PATH=$directory:$PATH; fi
    done
    export PATH
  fi
  command -v swift >/dev/null \
    || die "no Swift toolchain found. Install one of at least 6.1 from https://swift.org/install/linux and put its usr/bin into PATH"
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
  major=${version%%.*} minor=${version#*.}
  [[ -n $version ]] || die "'swift --version' says nothing: $(swift --version 2>&1 | head -n 1)"
  ((major > 6 || (major == 6 && minor >= 1))) || die "Swift $version is too old, at least 6.1 is needed"
  say "Swift $version, $(command -v swift)"
}

# The release build: that of EVBD_RELEASE_DIR, in $release, or one that is made now.
release_build() {
  if [[ -z $release ]]; then
    install_missing "${BUILD_PACKAGES[@]}"
    require_swift
    say "Building a release of evbd, evbctl, evbd-snmp, evbd-types and evb-cni (a few minutes the first time)"
    swift build --configuration release --static-swift-stdlib --product evbd </dev/null
    swift build --configuration release --static-swift-stdlib --product evbctl </dev/null
    swift build --configuration release --static-swift-stdlib --product evbd-snmp </dev/null
    swift build --configuration release --static-swift-stdlib --product evbd-types </dev/null
    swift build --configuration release --static-swift-stdlib --product evb-cni </dev/null
    release=$(swift build --configuration release --static-swift-stdlib --show-bin-path)
  fi
  [[ -x $release/evbd && -x $release/evbctl && -x $release/evbd-snmp && -x $release/evbd-types && -x $release/evb-cni ]] \
    || die "there is no evbd, evbctl, evbd-snmp, evbd-types and evb-cni in $release"
}

# The time of the commit, which the package has too, so that the same tree gives the same package.
commit_seconds() { git -c safe.directory="$PWD" log -1 --format=%ct 2>/dev/null || date +%s; }
# The release's version; of what came after it also when, so that packages of later trees are newer.
package_version() {
  local version
  version=$(sed -n 's/.*static let version = "\(.*\)"/\1/p' Sources/EVBModel/Release.swift)
  if [[ $(git -c safe.directory="$PWD" describe --tags --exact-match 2>/dev/null) == "v$version" ]]; then
    say "$version"
  else
    say "$version+$(date -u -d "@$(commit_seconds)" +%Y%m%d.%H%M%S)"
  fi
}

# What root built belongs to the user who called sudo, or a later `swift build` of theirs fails.
give_back() {
  local directory
  [[ ${SUDO_UID:-0} != 0 ]] || return 0
  for directory in .build .build-lab .build-fuzz .build-mutants .build-sanitize; do
    [[ ! -e $directory ]] || chown -R "$SUDO_UID:$SUDO_GID" "$directory"
  done
}
