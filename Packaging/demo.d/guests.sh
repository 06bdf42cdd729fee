# Sourced by Packaging/demo --qemu, after machines.sh: the two machines as guests of QEMU. Not to be run by itself.
# shellcheck shell=bash disable=SC2154 # the variables are the demo's: id, lab, captures, mac, address

# A guest is Debian's kernel and a shell of busybox that runs what it reads from the serial console. Its network card sits on a hub
# inside QEMU, to which the macvtap comes when there is one: so the guest runs before it is associated. What it sends then has to go
# somewhere, a socket that nobody reads, for without that QEMU keeps it.

# Never on the virtual machine extensions of the processor: the machine that this runs on may have none.
qemu=(qemu-system-x86_64 -machine pc -accel tcg -m 192 -nodefaults -display none -no-reboot)
guest_on=('' host-a host-a)

prepare_guests() {
  step "Making a kernel and an initramfs for the guests: downloaded with apt and unpacked, not installed"
  local image directory=$PWD/.build-lab/guest module
  [[ $(dpkg --print-architecture) == amd64 ]] || die "there are guests for amd64 alone"
  install_missing "${GUEST_PACKAGES[@]}"
  mkdir -p "$directory"
  image=$(kernel_package)
  [[ -n $image ]] || { apt-get update -qq; image=$(kernel_package); }
  [[ -n $image ]] || die "apt knows no linux-image-cloud-amd64"
  unpack_package "$directory" "$image"
  unpack_package "$directory" busybox-static
  kernel=("$directory/$image"/boot/vmlinuz-*)
  mkdir -p "$lab/root/bin" "$lab/root/modules" "$lab/root/proc" "$lab/root/dev" "$lab/root/tmp"
  cp "$directory/busybox-static/bin/busybox" "$lab/root/bin/"
  for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover net_failover virtio_net; do
    find "$directory/$image/lib/modules" -name "$module.ko" -exec cp {} "$lab/root/modules/" \;
  done
  guest_init >"$lab/root/init"
  chmod +x "$lab/root/init"
  (cd "$lab/root" && find . | cpio --quiet -o -H newc) >"$lab/initramfs"
  say "   ${kernel[0]##*/}, and $(($(stat -c %s "$lab/initramfs") >> 10)) KiB of initramfs"
}

# The package that has the kernel: the one whose name stays has nothing.
kernel_package() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p'; }

unpack_package() { # DIRECTORY PACKAGE
  [[ ! -e $1/$2/unpacked ]] || return 0
  rm -rf "${1:?}/$2"
  mkdir -p "$1/$2"
  # As root apt says so on its standard error.
  (cd "$1/$2" && { apt-get download -qq "$2" || { apt-get update -qq && apt-get download -qq "$2"; }; } && dpkg-deb -x ./*.deb . && rm ./*.deb) \
    >"$lab/apt.log" 2>&1 || die "apt-get cannot download $2"
  touch "$1/$2/unpacked"
}

guest_init() {
  cat <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover net_failover virtio_net; do
  [ ! -e /modules/$module.ko ] || insmod /modules/$module.ko
done
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo
while :; do
  read -r line && sh -c "$line"
done
INIT
}

# start_guest MACHINE HOST WORDS...: a QEMU, in the host's namespace
start_guest() {
  local name=vm$1-$2 words
  words=(
    ip netns exec "$id-$2" "${qemu[@]}" -kernel "${kernel[0]}" -initrd "$lab/initramfs" -append "console=ttyS0 quiet panic=-1"
    -chardev "socket,id=console,path=$lab/$name.console,server=on,wait=off,logfile=$lab/$name-console.log" -serial chardev:console
    -qmp "unix:$lab/$name.monitor,server=on,wait=off"
    -netdev "socket,id=nowhere,udp=127.0.0.1:9,localaddr=127.0.0.1:0" -netdev "hubport,id=pit,hubid=0,netdev=nowhere"
    -netdev "hubport,id=card,hubid=0" -device "virtio-net-pci,netdev=card,mac=${mac[$1]},romfile=" "${@:3}"
  )
  typed "${words[@]}"
  start "$name" "${words[@]}"
}
guest() {
  local name=vm$1-$2
  typed ip netns exec "$id-$2" "${qemu[@]}" -kernel "${kernel[0]}" "..." -device "virtio-net-pci,netdev=card,mac=${mac[$1]}" "${@:3}"
  start "$name" ip netns exec "$id-$2" "${qemu[@]}" -kernel "${kernel[0]}" -initrd "$lab/initramfs" -append "console=ttyS0 quiet panic=-1" \
    -chardev "socket,id=console,path=$lab/$name.console,server=on,wait=off,logfile=$lab/$name-console.log" -serial chardev:console \
    -qmp "unix:$lab/$name.monitor,server=on,wait=off" \
    -netdev socket,id=nowhere,udp=127.0.0.1:9,localaddr=127.0.0.1:0 -netdev hubport,id=pit,hubid=0,netdev=nowhere \
    -netdev hubport,id=card,hubid=0 -device "virtio-net-pci,netdev=card,mac=${mac[$1]},romfile=" "${@:3}"
}
guest() { /usr/bin/python3 -I Packaging/demo.d/guest.py "$@"; }
in_guest() { # MACHINE SECONDS COMMAND
  guest run "$lab/vm$1-${guest_on[$1]}.console" "$2" "$3"
}

boot() { # MACHINE
  local other=$((3 - $1))
  start_guest "$1" "${guest_on[$1]}"
  eventually 10 "QEMU of machine $1 has a console" test -S "$lab/vm$1-${guest_on[$1]}.console"
  eventually 180 "machine $1 has booted" in_guest "$1" 3 true
  # The other's address is known: what busybox's ping makes of an address that nobody answers for is to give up.
  in_guest "$1" 60 "ip link set eth0 up && ip address add ${address[$1]}/24 dev eth0 && arp -s ${address[$other]} ${mac[$other]}" \
    || die "machine $1 has no network card"
}

plug() { # MACHINE HOST
  open_macvtap "$2" "$1"
  typed "exec 3<>/dev/tapN   # N: vm$1's on $2; then to QEMU's monitor: getfd, netdev_add tap,fd=..., netdev_add hubport,..."
  guest plug "$lab/vm$1-$2.monitor" 3<&"$tap"
  exec {tap}<&-
  ok "machine $1 is plugged into the macvtap"
}

move() { # MACHINE FROM TO
  local name=vm$1-$3
  open_macvtap "$3" "$1"
  start_guest "$1" "$3" -netdev tap,id=cable,fd=3 -netdev hubport,id=jack,hubid=0,netdev=cable \
    -incoming "unix:$lab/$name.incoming" 3<&"$tap"
  exec {tap}<&-
  eventually 30 "on $3 QEMU awaits it" test -S "$lab/$name.incoming"
  typed "migrate -d unix:$lab/$name.incoming   # to the monitor of the QEMU on $2"
  guest migrate "$lab/vm$1-$2.monitor" "$lab/$name.incoming" | indent
  guest_on[$1]=$3
  eventually 60 "machine $1 runs on $3, and answers on its console" in_guest "$1" 3 true
}

typed_in() { typed Packaging/demo.d/guest.py run "$lab/vm$1-${guest_on[$1]}.console" 60 "'${*:2}'"; }
ping_once() { in_guest "$1" 30 "ping -q -c 1 -W 1 ${address[$2]}"; }
ping_summary() { # COMMAND FROM
  in_guest "$2" 120 "$1" | grep 'packets transmitted' || true
}
start_ping() { # FROM TO
  typed_in "$1" ping -q -i 0.01 "${address[$2]}"
  in_guest "$1" 30 "ping -q -i 0.01 ${address[$2]} >/tmp/ping & echo \$! >/tmp/ping.pid"
  pinging=$1
}
# By the capture of its cable, where it hears each answer; before the move each passes twice.
answers() {
  tcpdump -tt -n -r "$captures/${guest_on[$pinging]}.pcap" "icmp[icmptype] == icmp-echoreply and dst ${address[$pinging]}" 2>/dev/null \
    | sed -n 's/^\([0-9.]*\) .* seq \([0-9]*\), .*/\1 \2/p'
}
end_ping() { in_guest "$pinging" 30 'kill -INT $(cat /tmp/ping.pid)'; }
