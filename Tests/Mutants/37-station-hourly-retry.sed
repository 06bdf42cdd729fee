# VDP, station: the pause between two tries grows to an hour.
# file: Sources/EVBProtocol/Station/VDPStation+Time.swift
# runs: 200
s/retryMax = Interval\.seconds\(60\)/retryMax = Interval.seconds(3600)/
