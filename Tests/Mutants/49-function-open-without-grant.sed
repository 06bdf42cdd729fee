# Edge relay: a virtual function is open although the bridge has not granted its VSI.
# file: Sources/EdgeRelayMachine/RelayPlan.swift
# runs: 20
# options: --dataplane --functions
s/wanted\.state = desired\.isUp \&\& !policy\.isHeld/wanted.state = !policy.isHeld/
