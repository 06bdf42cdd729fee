# CDCP: one broken TLV ends what its sender has said before.
# file: Sources/EVBProtocol/Channels/CDCPUplink.swift
# swift: CDCPUplinkTests
s/\{ return finish\(at: now\) \}$/{ _ = 0 }/
