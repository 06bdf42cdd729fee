# CDCP: a bridge answers every LLDPDU of its station at once.
# file: Sources/EVBProtocol/Channels/CDCPBridge.swift
# runs: 80
# options: --channels
s/interval\.map \{ \$0 < LLDPAgent\.transmitInterval \/ 2 \} \?\? false/true/
