# EVB, bridge: reflective relay is on whether the station asks for it or not.
# file: Sources/EVBProtocol/Bridge/EVBBridgeNegotiation.swift
# runs: 60
s/configuration\.offersReflectiveRelay && \(remote\?\.stationStatus\.reflectiveRelayRequest \?\? false\)/configuration.offersReflectiveRelay \&\& remote != nil/
