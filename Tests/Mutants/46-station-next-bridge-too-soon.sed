# VDP, station: a bridge is asked while VSIs do not know yet that the one before is lost.
# file: Sources/EVBProtocol/Station/StationPort.swift
# swift: SweepTests
s/case \(nil, let found\?\): if !vdp\.isLosing \{ /case (nil, let found?): if true { /
