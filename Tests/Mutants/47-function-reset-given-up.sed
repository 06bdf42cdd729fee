# Edge relay: a virtual function that could not be reset is given up as it is.
# file: Sources/EdgeRelayMachine/RelayMachine+Results.swift
# runs: 60
# options: --dataplane --functions
s/if slot\.desired == \.absent, isGone \{/if slot.desired == .absent {/
