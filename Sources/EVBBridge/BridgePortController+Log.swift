internal import EVBLog
internal import EVBPorts
internal import EVBProtocol
package import EVBWire
package import Logging

// What the log says of VSIs.

/// What a line says of a VSI that was granted.
struct BoundVSI {
    let managerID: VSIManagerID
    let typeID: UInt32
    let typeVersion: UInt8
    let filter: FilterInfo

    init(_ request: BridgeRequest) {
        managerID = request.managerID
        typeID = request.typeID
        typeVersion = request.typeVersion
        filter = request.filter
    }
}

extension BridgePortController {
    /// The station, as the one that asks for VSIs.
    var stationWords: String? { port.station.map { "station \($0.chassisID.text(isChassis: true))" } }

    package func logFacts(_ vsiID: VSIID) -> Logger.Metadata { facts(vsiID).metadata }

    /// What a line says of a VSI; its identifier in any case.
    func facts(_ vsiID: VSIID) -> LogFacts {
        guard let vsi = port.vsi(vsiID)?.request.map({ BoundVSI($0) }) ?? bound[vsiID] else {
            var facts = LogFacts()
            facts.set(.vsi, vsiID.description)
            return facts
        }
        return VSIFacts(
            vsiID, typeID: vsi.typeID, version: vsi.typeVersion, manager: vsi.managerID, filter: vsi.filter,
            who: stationWords
        ).facts
    }

    /// Logs that a VSI holds nothing any more.
    func logRelease(_ vsiID: VSIID, _ release: VDPBridgeMachine.Release, _ reason: String) {
        defer { bound[vsiID] = nil }
        let taker = takers.removeValue(forKey: vsiID)
        let facts = { [self] in
            var facts = self.facts(vsiID)
            if let taker { facts.set(.who, "\(taker)") }
            return facts
        }
        switch release {
        // The line that says why it is taken back is another one.
        case .station, .moved, .retracted:
            transport.changes.log(.released, "VSI released", vsiID, reason: reason, facts())
        case .stationLost:
            transport.changes.begin("EVB station lost", expecting: told.count, isReturn: false)
            transport.changes.log(.lost, "VSI released", vsiID, reason: reason, facts())
        case .refused, .keepAliveTimeout:
            transport.changes.log(.lost, "VSI released", vsiID, reason: reason, facts())
        }
    }
}
