# VDP, station: a bridge that hung and goes on is asked when the pause between two tries is over, and not before.
# file: Sources/EVBProtocol/Station/StationPort.swift
# swift: HealingTests
s/\{ vdp\.neighbourHeard\(at: now\) \}/{}/
