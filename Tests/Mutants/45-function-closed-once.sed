# Edge relay: a virtual function that a card refuses to close is not closed again.
# file: Sources/EdgeRelayMachine/RelayMachine+Results.swift
# runs: 60
# options: --dataplane --functions
s/if mustClose \|\| slot\.desired\.isUp \{/if slot.desired.isUp || slot.desired == .absent {/
