# VDP, bridge: a keep-alive is answered and does not keep alive.
# file: Sources/EVBProtocol/Bridge/VDPBridgeMachine.swift
# runs: 40
s/return Action\(answer: \.success\(command\), startKeepAlive: true\)/return Action(answer: .success(command))/
