# Sourced by Packaging/demo: its namespaces, processes and captures, and how all of them go again. Not to be run by itself.
# shellcheck shell=bash disable=SC2154 # the variables are the demo's: id, lab, captures, bin, keep
# shellcheck disable=SC2317 # cleanup is called by the trap

namespaces=()
laboratory=$PWD/Packaging/lab
# What a run has shown, in three lines.
summary=()
# Where the user looks. A check's output is thrown away, and a trap that comes in the middle of one inherits that.
exec 8>&1 9>&2

bold='' plain=''
if [[ -t 1 ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi
indent() { sed -u 's/^/   /'; }
step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
ok() { say "   ok: $*"; }
check() { # WHAT COMMAND...: fails loudly
  local what=$1
  shift
  if "$@" >/dev/null 2>&1; then ok "$what"; else die "NOT so: $what (checked by: $*)"; fi
}
eventually() { # SECONDS WHAT COMMAND...
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || die "still not so after its time: $what (looked for by: $*)"
    sleep 0.1
  done
  ok "$what"
}
# A command that is worth repeating: shown as it can be typed, then run.
typed() { printf '   $ %s\n' "$*"; }
shown() { typed "$@"; "$@" | indent; }
inside() { ip netns exec "$id-$1" "${@:2}"; }

# What is made is written down first: an interruption may come in between.
namespace() { # NAME: with lo up, and silent by itself
  namespaces+=("$id-$1")
  ip netns add "$id-$1"
  ip -n "$id-$1" link set lo up
  # shellcheck disable=SC2016 # $f is the inner shell's
  inside "$1" sh -c 'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do [ ! -e "$f" ] || echo 1 >"$f"; done'
}

# start NAME COMMAND...: in the background, its output in NAME.log. In a session of its own: Ctrl-C is for this script, which then
# ends what it has started in order.
start() {
  setsid "${@:2}" >"$lab/$1.log" 2>&1 </dev/null 8>&- 9>&- &
  started=$!
}
says() { grep -q -- "$2" "$lab/$1.log"; }
end_process() { # by its id; with force after five seconds
  local tries
  kill "$1" 2>/dev/null || return 0
  for ((tries = 0; tries < 100; tries++)); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.05
  done
  kill -KILL "$1" 2>/dev/null || true
}

# Whoever is in a namespace of this lab is the lab's.
end_namespace() { # NAMESPACE
  local tries words signal=TERM
  for ((tries = 0; tries < 100; tries++)); do
    read -rd '' -a words < <(ip netns pids "$1" 2>/dev/null) || true
    ((${#words[@]})) || break
    ((tries != 60)) || signal=KILL
    if ((tries % 20 == 0)); then kill "-$signal" "${words[@]}" 2>/dev/null || true; fi
    sleep 0.1
  done
  ip netns delete "$1" 2>/dev/null || true
}
# The newest go first, so that the machines leave before their hosts.
take_down() {
  local n
  for ((n = ${#namespaces[@]} - 1; n >= 0; n--)); do end_namespace "${namespaces[n]}"; done
  # What Packaging/lab has laid.
  [[ ! -d /run/evbd-lab/$id ]] || "$laboratory" down "$id" >/dev/null
  rm -rf "$lab"
}
show_logs() {
  local log
  for log in "$lab"/*.log; do
    if [[ -s $log ]]; then { printf -- '--- the end of %s\n' "$log"; tail -n 15 "$log"; } >&2; fi
  done
}
cleanup() {
  local status=$?
  trap - EXIT INT TERM
  exec >&8 2>&9
  give_back
  if [[ $status != 0 || -z $keep ]]; then
    step "Cleaning up"
    case $status in 0 | 130 | 143) ;; *) show_logs ;; esac
    take_down
    rm -f "/dev/$id-"*
  fi
  show_captures
  case $status in
    0)
      step "In short"
      printf '   %s\n' "${summary[0]}" "${summary[1]}." "${summary[2]}"
      say "All went well."
      ;;
    130 | 143) say "Interrupted." >&2 ;;
    *) say "The demo failed." >&2 ;;
  esac
  exit "$status"
}
# What was captured stays, and is the user's.
show_captures() {
  local file
  [[ -d $captures ]] || return 0
  [[ ${SUDO_UID:-0} == 0 ]] || chown -R "$SUDO_UID:$SUDO_GID" "$captures"
  for file in "$captures"/*.pcap; do
    [[ -s $file ]] || continue
    say "The capture of a cable: $file ($(stat -c %s "$file") octets)"
  done
  rmdir "$captures" 2>/dev/null || true
}

# For --keep: what takes the lab down later.
write_remover() {
  {
    say '#!/bin/bash'
    say '# Ends the processes of this lab and takes its namespaces away; the captures stay.'
    declare -p namespaces lab id laboratory
    declare -f end_namespace take_down
    say take_down
  } >"$lab/remove"
  chmod +x "$lab/remove"
}

# capture NAME NAMESPACE INTERFACE: all that passes there, into NAME.pcap
capture() {
  start "tcpdump-$1" ip netns exec "$id-$2" tcpdump -n -U --immediate-mode -Z root -s 256 -i "$3" -w "$captures/$1.pcap"
  eventually 10 "$3 of the switch is captured" says "tcpdump-$1" 'listening on'
}

# daemon NAME NAMESPACE: evbd with NAME.yaml (given as standard input), its socket NAME.sock
daemon() {
  cat >"$lab/$1.yaml"
  printf 'control: { socket: %s, group: root }\nlibvirt: { enabled: false }\n' "$lab/$1.sock" >>"$lab/$1.yaml"
  indent <"$lab/$1.yaml"
  mkdir "$lab/$1"
  typed ip netns exec "$id-$2" evbd --config "$lab/$1.yaml" --runtime-dir "$lab/$1"
  start "$1" ip netns exec "$id-$2" "$bin/evbd" --config "$lab/$1.yaml" --runtime-dir "$lab/$1"
  eventually 10 "evbd of $1 (process $started) answers" evbctl --socket "$lab/$1.sock" status
}
evbctl() { "$bin/evbctl" "$@"; }
# at NAME WORDS...: asks the evbd of NAME, and shows how
at() {
  typed evbctl --socket "$lab/$1.sock" "${@:2}"
  evbctl --socket "$lab/$1.sock" "${@:2}" | indent
}
