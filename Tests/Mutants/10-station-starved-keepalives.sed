# VDP, station: keep-alives wait until there is no command left, which may be never.
# file: Sources/EVBProtocol/Common/TransmitQueue.swift
# runs: 400
# options: --faults bridge-reboot,cut,loss --minutes 60
s/if isKeepAliveTurn \{ return/if isKeepAliveTurn, commands.isEmpty { return/
