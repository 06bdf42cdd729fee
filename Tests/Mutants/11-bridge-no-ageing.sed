# VDP, bridge: what has just been granted has no toutKeepAlive.
# file: Sources/EVBProtocol/Bridge/VDPBridgeMachine.swift
# runs: 60
s/answer: \.success\(command\), startKeepAlive: true, bind: command/answer: .success(command), startKeepAlive: false, bind: command/
