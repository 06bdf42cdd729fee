#!/bin/bash
# lldpad 1.1: an EVB timer that was raised once on a link cannot be lowered again, though both ends are told and say so.
#
# Two lldpads, station and bridge, keep-alive 20 at both. The station's is set to 24: both ends send 24. It is set back to 20, and lldptool
# answers 20 at both ends when asked for the setting; in LLDPDUs both ends go on with 24, and each says that the value is the other's
# (r/l:1). Each end sends the larger of its own value and the last that it has heard, so that the two hold each other up until one of them
# stops. A good guess would be that two ends that are both set to 20 come to 20.
# What to do: stop lldpad at both ends, or wait at one until it has forgotten the other, to lower a timer; believe
# `lldptool -t -V evb` without -c, which shows what is sent. Seen 2026-11-29.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/common.sh
. "${0%/*}/lib/common.sh"
# shellcheck source-path=SCRIPTDIR source=lib/lldpad.sh
. "${0%/*}/lib/lldpad.sh"
cable
lldpad "$there" bridge 'evbrrcap = true' 'vdprka = 20'
lldpad "$here" station 'evbrrreq = true' 'vdprka = 20'

sent() { tool "$1" lldptool -t -i port0 -g ncb -V evb | sed -n 's/.*rka:/rka /p'; }
heard() { tool "$1" lldptool -t -n -i port0 -g ncb -V evb | sed -n 's/.*\(r.l:[01]\) rka:/\1 rka /p'; }
setting() { tool "$1" lldptool -t -i port0 -g ncb -V evb -c vdprka; }
frames() { tool "$1" lldptool -S -i port0 -g ncb | sed -n 's/^Total Frames Transmitted *= *//p'; }
both_heard() { [[ $(heard "$here") == *"rka $1" && $(heard "$there") == *"rka $1" ]]; }
sent_since() { (($(frames "$1") >= $2)); }

eventually 15 "both ends have heard 20" both_heard 20
tool "$here" lldptool -T -i port0 -g ncb -V evb -c vdprka=24 >/dev/null
eventually 15 "both ends have heard 24" both_heard 24
from_here=$(frames "$here") from_there=$(frames "$there")
tool "$here" lldptool -T -i port0 -g ncb -V evb -c vdprka=20 >/dev/null
# A change is sent at once and three times more; the rest comes every 30 s.
eventually 70 "the station has sent three more LLDPDUs" sent_since "$here" $((from_here + 3))
eventually 70 "the bridge has sent one more" sent_since "$there" $((from_there + 1))
expect "setting of the station" "$(setting "$here")" "vdprka=20"
expect "setting of the bridge" "$(setting "$there")" "vdprka=20"
expect "sent by the station" "$(sent "$here")" "rka 24"
expect "sent by the bridge" "$(sent "$there")" "rka 24"
expect "heard by the station" "$(heard "$here")" "r/l:1 rka 24"
expect "heard by the bridge" "$(heard "$there")" "r/l:1 rka 24"
