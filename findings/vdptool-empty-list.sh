#!/bin/bash
# lldpad 1.1: from some number of VSIs on, here 26, vdptool lists none at all, and says that all is well.
#
# `vdptool -t -i PORT -V assoc` at a station prints the VSIs of a port. With 25 it prints 25. With one more it prints none, and its exit
# status is still 0: a program that counts VSIs by it, or looks for one, sees an empty port that is full. All are still there: asked for
# by its uuid each is printed. How many are too many depends on the length of what would be printed of each, such as the manager's name.
# A good guess would be a long list, a cut one, or an error.
# What to do: ask by a key (-c uuid=...), and take an empty list for no answer. Seen 2026-11-29: 25, 0, 1, 1.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/common.sh
. "${0%/*}/lib/common.sh"
# shellcheck source-path=SCRIPTDIR source=lib/lldpad.sh
. "${0%/*}/lib/lldpad.sh"
cable
lldpad "$there" bridge 'evbrrcap = true'
lldpad "$here" station 'evbrrreq = true'

# Until the stations' first EVB TLV has been answered a VSI is refused.
uuid() { printf '4a9a1d4e-6d54-4f5f-9d3c-2f6a2a3d0b%02x' "$1"; }
associate() {
  tool "$here" vdptool -T -i port0 -V assoc -W -c mode=assoc -c mgrid2=manager -c typeid=1 -c typeidver=1 -c "uuid=$(uuid "$1")" -c hints=none \
    -c "filter=100-$(printf '02:00:00:00:01:%02x' "$1")"
}
listed() { # how many vdptool lists, and its status
  local status=0
  tool "$here" vdptool -t -i port0 -V assoc "$@" >listed 2>&1 || status=$?
  printf '%s, status %s' "$(grep -ci 'uuid *= *[0-9a-f]' listed || true)" "$status"
}
eventually 60 "the first VSI is associated" associate 1
for number in {2..25}; do associate "$number" >/dev/null || unable "VSI $number is not associated"; done
expect "VSIs listed of 25" "$(listed)" "25, status 0"
associate 26 >/dev/null || unable "VSI 26 is not associated"
expect "VSIs listed of 26" "$(listed)" "0, status 0"
expect "listed by the uuid of the 1st" "$(listed -c "uuid=$(uuid 1)")" "1, status 0"
expect "listed by the uuid of the 26th" "$(listed -c "uuid=$(uuid 26)")" "1, status 0"
