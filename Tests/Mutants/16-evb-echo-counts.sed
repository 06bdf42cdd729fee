# EVB: the peer's echo of our own value counts as its proposal.
# file: Sources/EVBProtocol/EVBNegotiation.swift
# runs: 60
s/if !value\.isRemote \{ return value\.exponent \}/if known != 255 { return value.exponent }/
