# Edge relay: an operation that the kernel has refused is not tried again.
# file: Sources/EdgeRelayMachine/RelayMachine+Results.swift
# runs: 80
# options: --dataplane
s/effects\.append\(\.retryLater\(vsiID, failures: slot\.failures \+ 1\)\)/_ = slot/
