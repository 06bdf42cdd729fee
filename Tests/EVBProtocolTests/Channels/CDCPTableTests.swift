import Testing

@testable import EVBProtocol
@testable import EVBWire

/// What each side of CDCP makes of what it hears, in each of its states, compared with what was reviewed (802.1Q 42.4).
@Suite struct CDCPTableTests {
    typealias Pairs = [(UInt16, UInt16)]

    static func tlv(
        _ role: CDCPTLV.Role, _ pairs: Pairs, capacity: UInt16 = 167, component: Bool = true
    ) -> CDCPTLV {
        CDCPTLV(
            role: role, hasSComponent: component, capacity: capacity,
            pairs: pairs.map { SChannelPair(SCID($0.0), SVID($0.1)) })
    }

    static let chassis = LLDPIdentifier.chassis(MACAddress(truncating: 0x0200_0000_00AA))
    static let other = LLDPIdentifier.chassis(MACAddress(truncating: 0x0200_0000_00BB))

    // MARK: Text

    private static func text(_ channels: [SCID: SVID]) -> String {
        channels.isEmpty
            ? "-"
            : channels.sorted { $0.key < $1.key }.map { "\(SChannelPair($0.key, $0.value))" }.joined(separator: " ")
    }

    private static func text(_ event: SChannelEvent) -> String {
        switch event.change {
        case .up(let svid): "\(event.scid) up with \(svid)"
        case .moved(let before, let now): "\(event.scid) moved from \(before) to \(now)"
        case .down(.peer(let loss)): "\(event.scid) down, peer \(loss)"
        case .down(let loss): "\(event.scid) down, \(loss)"
        }
    }

    private static func row<Machine: CDCPMachine>(
        _ name: String, _ machine: Machine, _ event: (inout Machine) -> [SChannelEvent]
    ) -> String {
        var machine = machine
        let events = event(&machine)
        let sends = machine.outgoing.pairs.map(\.description).joined(separator: " ")
        let said = events.map(text) + machine.faults.map { "fault \($0)" }
        return
            "  \(name) -> \(text(machine.channels)), sends \(sends)\(said.isEmpty ? "" : ": ")\(said.joined(separator: "; "))\n"
    }

    /// What one event makes of a machine; one that is not for it leaves it as it is, and says why.
    private static func hear<Machine: CDCPMachine>(_ tlv: CDCPTLV, _ name: String, _ machine: Machine) -> String {
        do throws(CDCPReading.Refusal) {
            let reading = try CDCPReading(tlv, of: Machine.role.peer)
            return row(name, machine) { $0.hear(reading, from: chassis) }
        } catch {
            return switch error {
            case .broken(let fault): "  \(name) -> broken, \(fault)\n"
            case .declined(let fault): "  \(name) -> no channels, \(fault)\n"
            }
        }
    }

    private static func told<Machine: CDCPMachine>(_ machine: Machine, _ tlvs: CDCPTLV...) -> Machine {
        var machine = machine
        for tlv in tlvs {
            if let reading = try? CDCPReading(tlv, of: Machine.role.peer) { _ = machine.hear(reading, from: chassis) }
        }
        return machine
    }

    // MARK: The station

    private static let fromBridge: [(String, CDCPTLV)] = [
        ("only the default pair", tlv(.bridge, [(1, 1)])),
        ("(2,20) (3,30)", tlv(.bridge, [(1, 1), (2, 20), (3, 30)])),
        ("(3,30) (2,20)", tlv(.bridge, [(1, 1), (3, 30), (2, 20)])),
        ("(2,20)", tlv(.bridge, [(1, 1), (2, 20)])),
        ("(2,21) (3,30)", tlv(.bridge, [(1, 1), (2, 21), (3, 30)])),
        ("(2,30) (3,20)", tlv(.bridge, [(1, 1), (2, 30), (3, 20)])),
        ("(2,0) (3,30)", tlv(.bridge, [(1, 1), (2, 0), (3, 30)])),
        ("(2,1) (3,30)", tlv(.bridge, [(1, 1), (2, 1), (3, 30)])),
        ("(2,4095) (3,30)", tlv(.bridge, [(1, 1), (2, 4095), (3, 30)])),
        ("(2,4094) (3,30)", tlv(.bridge, [(1, 1), (2, 4094), (3, 30)])),
        ("(2,20) (2,21) (3,30)", tlv(.bridge, [(1, 1), (2, 20), (2, 21), (3, 30)])),
        ("(2,20) (3,20)", tlv(.bridge, [(1, 1), (2, 20), (3, 20)])),
        ("(2,20) (0,5) (1,6) (3,30)", tlv(.bridge, [(1, 1), (2, 20), (0, 5), (1, 6), (3, 30)])),
        ("(2,20) (3,30) (9,90)", tlv(.bridge, [(1, 1), (2, 20), (3, 30), (9, 90)])),
        ("capacity 2, (2,20)", tlv(.bridge, [(1, 1), (2, 20)], capacity: 2)),
        ("capacity 1", tlv(.bridge, [(1, 1)], capacity: 1)),
        ("capacity 168, (2,20) (3,30)", tlv(.bridge, [(1, 1), (2, 20), (3, 30)], capacity: 168)),
        ("capacity 0", tlv(.bridge, [(1, 1), (2, 20)], capacity: 0)),
        ("first pair (2,20)", tlv(.bridge, [(2, 20), (1, 1)])),
        ("first pair (1,20)", tlv(.bridge, [(1, 20), (2, 20)])),
        ("a station's", tlv(.station, [(1, 1), (2, 20)])),
        ("no S component", tlv(.bridge, [(1, 1), (2, 20)], component: false)),
    ]

    private static func stationTable() -> String {
        let configuration = CDCPStation.Configuration(capacity: 4, wanted: [SCID(2): .unassigned, SCID(3): SVID(30)])
        let fresh = CDCPStation(configuration: configuration)
        let states: [(String, CDCPStation)] = [
            ("not running", fresh),
            (
                "not running, with what an earlier run had",
                CDCPStation(configuration: configuration, last: [SCID(2): SVID(22)])
            ),
            ("running without channels", told(fresh, tlv(.bridge, [(1, 1)]))),
            ("running with (2,20) (3,30)", told(fresh, tlv(.bridge, [(1, 1), (2, 20), (3, 30)]))),
            ("running with (2,20)", told(fresh, tlv(.bridge, [(1, 1), (2, 20)]))),
        ]
        var table =
            "# CDCPStation that wants channels 2 and 3, the latter with SVID 30, and bears 4: state: what it hears -> channels\n"
        for (name, machine) in states {
            table += "\n\(name)\n"
            for (event, tlv) in fromBridge { table += hear(tlv, event, machine) }
            table += row("bridge lost", machine) { $0.end(.aged) }
            let others: [SCID: SVID] = [SCID(2): SVID(20), SCID(4): .unassigned]
            table += row("2 and 4 wanted", machine) { $0.reconfigure(.init(capacity: 4, wanted: others)) }
            table += row("capacity 2", machine) { $0.reconfigure(.init(capacity: 2, wanted: configuration.wanted)) }
        }
        return table
    }

    // MARK: The bridge

    private static let fromStation: [(String, CDCPTLV)] = [
        ("only the default pair", tlv(.station, [(1, 1)])),
        ("(2,0) (3,0)", tlv(.station, [(1, 1), (2, 0), (3, 0)])),
        ("(3,0) (2,0)", tlv(.station, [(1, 1), (3, 0), (2, 0)])),
        ("(2,102) (3,0)", tlv(.station, [(1, 1), (2, 102), (3, 0)])),
        ("(2,0) (3,100)", tlv(.station, [(1, 1), (2, 0), (3, 100)])),
        ("(2,500) (3,0)", tlv(.station, [(1, 1), (2, 500), (3, 0)])),
        ("(2,101) (3,101)", tlv(.station, [(1, 1), (2, 101), (3, 101)])),
        ("(2,0) (3,0) (4,0) (5,0)", tlv(.station, [(1, 1), (2, 0), (3, 0), (4, 0), (5, 0)])),
        ("(2,0) (2,101)", tlv(.station, [(1, 1), (2, 0), (2, 101)])),
        ("(2,0) (0,0) (1,0) (3,4095)", tlv(.station, [(1, 1), (2, 0), (0, 0), (1, 0), (3, 4095)])),
        ("(4000,0)", tlv(.station, [(1, 1), (4000, 0)])),
        ("capacity 2, (2,0) (3,0)", tlv(.station, [(1, 1), (2, 0), (3, 0)], capacity: 2)),
        ("capacity 0", tlv(.station, [(1, 1), (2, 0)], capacity: 0)),
        ("first pair (2,0)", tlv(.station, [(2, 0), (1, 1)])),
        ("a bridge's", tlv(.bridge, [(1, 1), (2, 20)])),
        ("no S component", tlv(.station, [(1, 1), (2, 0)], component: false)),
    ]

    private static func bridgeTable() -> String {
        let configuration = CDCPBridge.Configuration(capacity: 8, svids: SVIDPool([100...102]))
        let fresh = CDCPBridge(configuration: configuration)
        var left = told(fresh, tlv(.station, [(1, 1), (2, 0), (3, 0)]))
        _ = left.end(.aged)
        let states: [(String, CDCPBridge)] = [
            ("not running", fresh),
            ("running without channels", told(fresh, tlv(.station, [(1, 1)]))),
            ("running with (2,100) (3,101)", told(fresh, tlv(.station, [(1, 1), (2, 0), (3, 0)]))),
            ("not running, the station had (2,100) (3,101)", left),
            ("running with (3,101), the station had (2,100)", told(left, tlv(.station, [(1, 1), (3, 0)]))),
        ]
        var table = "# CDCPBridge with SVIDs 100 to 102, which bears 8: state: what it hears -> channels\n"
        for (name, machine) in states {
            table += "\n\(name)\n"
            for (event, tlv) in fromStation { table += hear(tlv, event, machine) }
            table += row("station lost", machine) { $0.end(.shutdown) }
            table += row("SVIDs 101 to 110", machine) {
                $0.reconfigure(.init(capacity: 8, svids: SVIDPool([101...110])))
            }
            table += row("capacity 2", machine) { $0.reconfigure(.init(capacity: 2, svids: SVIDPool([100...102]))) }
            if let reading = try? CDCPReading(tlv(.station, [(1, 1), (7, 0)]), of: .station) {
                table += row("another station's (7,0)", machine) { $0.hear(reading, from: other) }
            }
        }
        return table
    }

    @Test("SCH-05 SCH-06 SCH-07 SCH-13 every state with every answer is as reviewed")
    func station() { Snapshot.expect(Self.stationTable(), matches: "CDCPStation.txt") }

    @Test("SCH-05 SCH-07 SCH-13 the bridge too, in every state with every request")
    func bridge() { Snapshot.expect(Self.bridgeTable(), matches: "CDCPBridge.txt") }
}
