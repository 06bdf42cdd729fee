import Testing

@testable import EVBProtocol
@testable import EVBWire

/// The bridge machine's whole table, and pictures of both machines, as they were reviewed.
@Suite struct MachineTablesTests {
    private static let documentation = "../../../Documentation/machines/"

    @Test("VDP 5.9 the bridge machine's table")
    func bridgeTable() {
        Snapshot.expect(BridgeEnumeration.bridge.table, matches: "VDPBridgeMachine.txt")
        Snapshot.expect(BridgeEnumeration.bridgeWithoutKeep.table, matches: "VDPBridgeMachineWithoutKeep.txt")
    }

    @Test("the state diagrams in the documentation show the code")
    func diagrams() {
        Snapshot.expect(BridgeEnumeration.bridge.diagram, matches: Self.documentation + "VDPBridgeMachine.md")
        Snapshot.expect(
            BridgeEnumeration.bridgeWithoutKeep.diagram,
            matches: Self.documentation + "VDPBridgeMachineWithoutKeep.md")
        Snapshot.expect(StationEnumeration.station.diagram, matches: Self.documentation + "VDPStationMachine.md")
    }

    @Test("the enumerations hold every kind of event")
    func kinds() {
        // The number of cases of each Event; who adds one is sent here by the switches in MachineEnumeration.swift.
        #expect(Set(BridgeEnumeration.bridge.events.map(\.kind)).count == 10)
        #expect(Set(StationEnumeration.station.events.map(\.kind)).count == 8)
    }

    @Test("VDP 5.9 what holds in every state of the bridge machine", arguments: [true, false])
    func bridgeInvariants(canKeep: Bool) {
        let enumeration: BridgeEnumeration = canKeep ? .bridge : .bridgeWithoutKeep
        for machine in enumeration.reachable {
            if machine.state == .initial { #expect(machine.operCommand == nil) }
            if machine.state == .waitStationCommand { #expect(machine.operCommand != nil) }
            #expect(machine.operCommand != .deAssociate)
            for event in enumeration.events {
                var after = machine
                let action = after.handle(event.event)
                let place: Comment = "\(machine) \(event.name)"
                // What holds changes only with a bind or a release, and a bind only by a decision.
                if after.operCommand != machine.operCommand {
                    #expect(action.bind == after.operCommand, place)
                    #expect((action.release != nil) == (after.operCommand == nil), place)
                }
                if action.bind != nil { #expect(event.event == .granted, place) }
                // A decision is under way exactly in BRIDGE_PROCESSING, and each is asked for once and ends once.
                if case .processing = after.state { #expect(action.decide != nil || after == machine, place) }
                if action.decide != nil, case .processing = machine.state { #expect(action.cancel, place) }
                // In WAIT_STATION_CMD toutKeepAlive runs.
                if after.state == .waitStationCommand { #expect(action.startKeepAlive || after == machine, place) }
                if case .refused(_, let refusal)? = action.answer, !machine.canKeep {
                    #expect(!refusal.isKept && after.state == .initial, place)
                }
                // Whoever asked is answered, unless the answer is to come or nobody is there.
                if after.state == .initial, machine.state != .initial, ![.stationLost, .moved].contains(event.event) {
                    #expect(action.answer != nil, place)
                }
            }
        }
    }
}
