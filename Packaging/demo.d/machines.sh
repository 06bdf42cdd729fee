# Sourced by Packaging/demo: the two virtual machines, what they are plugged into, and their pings. Not to be run by itself.
# shellcheck shell=bash disable=SC2154 # the variables are the demo's: id, lab, mac, address

# A machine is a namespace with a network card, a tap. What QEMU does for a guest, machine.py does for it: it carries frames between
# that card and the macvtap on the host that the machine is on.

cable=('' '' '')

# open_macvtap HOST MACHINE: as descriptor $tap
open_macvtap() {
  local numbers node=/dev/$id-vm$2
  # In the namespace, where sysfs shows the namespace's links; a node in /dev, for other places may allow none.
  numbers=$(inside "$1" sh -c "cat /sys/class/net/vm$2/tap*/dev")
  mknod -m 600 "$node" c "${numbers%:*}" "${numbers#*:}"
  exec {tap}<>"$node" || { rm "$node"; return 1; }
  rm "$node"
}

plug() { # MACHINE HOST
  open_macvtap "$2" "$1"
  typed ip netns exec "$id-vm$1" Packaging/demo.d/machine.py eth0 "${mac[$1]}" "3<>/dev/tapN   # N: vm$1's on $2"
  start "vm$1-$2" ip netns exec "$id-vm$1" /usr/bin/python3 -I Packaging/demo.d/machine.py eth0 "${mac[$1]}" 3<&"$tap"
  exec {tap}<&-
  cable[$1]=$started
}

# The stand-in on the new host waits until the machine leaves the old one, as QEMU on the target of a migration does.
move() { # MACHINE FROM TO
  local here=${cable[$1]}
  plug "$1" "$3"
  eventually 10 "on $3 it is awaited" says "vm$1-$3" 'waits for its machine'
  end_process "$here"
  eventually 10 "machine $1 is on $3" says "vm$1-$3" runs
}

ping_once() { inside "vm$1" ping -n -q -c 1 -W 1 "${address[$2]}"; }

ping_summary() { # COMMAND FROM
  local words
  read -ra words <<<"$1"
  inside "vm$2" "${words[@]}" | grep 'packets transmitted' || true
}

# A command in a machine, as it can be typed.
typed_in() { typed ip netns exec "$id-vm$1" "${@:2}"; }

expect_lost() { # COUNT FROM TO: of a hundred
  local command="ping -q -i 0.01 -W 1 -c 100 ${address[$3]}" summary lost
  typed_in "$2" "$command"
  summary=$(ping_summary "$command" "$2")
  say "   $summary"
  [[ $summary =~ ^100\ packets\ transmitted,\ ([0-9]+)\ (packets )?received ]] || die "ping says: $summary"
  lost=$((100 - BASH_REMATCH[1]))
  ((lost == $1)) || die "NOT so: $1 of 100 pings are lost; $lost are"
  ok "$lost of 100 lost"
}

start_ping() { # FROM TO
  typed_in "$1" ping -n -D -i 0.01 "${address[$2]}"
  start ping ip netns exec "$id-vm$1" ping -n -D -i 0.01 "${address[$2]}"
  pinging=$started
}
# Each answer as `seconds sequence-number`.
answers() { sed -n 's/^\[\([0-9.]*\)\].* icmp_seq=\([0-9]*\) ttl=.*/\1 \2/p' "$lab/ping.log"; }
answered() { answers | wc -l; }
pings_answered() { (($(answered) >= $1)); }
end_ping() {
  kill -INT "$pinging"
  wait "$pinging" || true
}
report_ping() {
  local sent lost silence
  # An answer counts once; what is on its way at the end is neither sent nor lost.
  read -r sent lost silence < <(answers | awk '
    !($2 in seen) { seen[$2]; count++ }
    $2 > last { last = $2 }
    NR > 1 && $1 - time > silence { silence = $1 - time }
    { time = $1 }
    END { printf "%d %d %.0f\n", last, last - count, silence * 1000 }')
  # shellcheck disable=SC2034 # for the summary of the demo
  move="$lost of $sent pings were lost, and $silence ms was the longest time without an answer."
  say "   lost in the move: $lost of $sent pings; the longest time without an answer was $silence ms"
}
