# ECP, bridge: a request is acknowledged and not delivered, every time that one comes.
# file: Sources/EVBProtocol/Bridge/BridgePort+Receive.swift
# runs: 40
s/^( *)vdp\.receive\(reading, ecpdu\.payload, at: now\)/\1if ecpdu.sequence % 2 == 0 { vdp.receive(reading, ecpdu.payload, at: now) }/
