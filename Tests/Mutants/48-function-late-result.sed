# Edge relay: what a card has taken before it was another one counts for that one.
# file: Sources/EdgeRelayMachine/RelayMachine+Results.swift
# runs: 120
# options: --dataplane --functions
s/if running\.hasLostCard \{/if running.hasLostCard, slot.desired == .absent {/
