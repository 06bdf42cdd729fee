# Edge relay: that a card is another one, and has lost the settings of its functions, is not noticed.
# file: Sources/EdgeRelayMachine/RelayMachine+News.swift
# runs: 60
# options: --dataplane --functions
s/forgetSettings\(vsiID, view, \&effects\)/_ = vsiID/
