# CDCP: a station stays with the SVID that it was given first.
# file: Sources/EVBProtocol/Channels/CDCPStation.swift
# runs: 120
# options: --channels
s/remote\?\.channels\[scid\]\.map \{ \(scid, \$0\) \}/remote?.channels[scid].map { (scid, before[scid] ?? $0) }/
