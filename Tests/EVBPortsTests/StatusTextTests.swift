import EVBModel
import JSON
import Testing

@testable import EVBPorts
@testable import EVBWire

/// What ports write of themselves and of their VSIs.
@Suite struct StatusTextTests {
    private static func port(_ grant: EVBModel.ReflectiveRelayStatus.Grant = .granted, associated: Int = 1)
        -> PortStatus
    {
        PortStatus(
            interface: "uplink0", role: .station, linkUp: true, dialect: .ratified, peer: nil,
            reflectiveRelay: ReflectiveRelayStatus(requested: true, status: grant),
            timers: TimerStatus(retries: 3, rte: 14, rwd: 20, rka: 20), vsis: VSICounts(associated: associated))
    }

    private func written(_ text: inout StatusText, isKept: Bool = true, _ status: () -> PortStatus) -> [UInt8] {
        var writer = JSONWriter()
        text.write(to: &writer, isKept: isKept, status)
        return writer.octets
    }

    @Test("SPD-179 a port's status is written once, and again when something of it has changed")
    func kept() {
        var (text, asked) = (StatusText(), 0)
        for (place, associated) in [1, 1, 2, 2].enumerated() {
            if place == 2 { text.drop() }
            let octets = written(&text) {
                asked += 1
                return Self.port(associated: associated)
            }
            #expect(octets == JSONWriter.octets(of: Self.port(associated: associated)))
        }
        #expect(asked == 2)
    }

    @Test("SPD-179 what of a status is not the port's alone to know, or changes with time, is asked for each time")
    func notKept() {
        var text = StatusText()
        _ = written(&text) { Self.port(.unknown) }
        #expect(written(&text) { Self.port(.refused) } == JSONWriter.octets(of: Self.port(.refused)))
        // It is an S-channel from now on, and then no more.
        #expect(
            written(&text, isKept: false) { Self.port(associated: 7) }
                == JSONWriter.octets(of: Self.port(associated: 7)))
        #expect(
            written(&text, isKept: false) { Self.port(associated: 8) }
                == JSONWriter.octets(of: Self.port(associated: 8)))
    }

    @Test("SPD-163 a VSI is written from what a port keeps of it as its status would be")
    func vsis() {
        let ids = [
            "1f9b1c53-8b5c-4eeb-8f00-d84eaa0aaa01", "00000000-0000-0000-0000-000000000000", "ipv4:192.0.2.1",
            "ipv6:2001:db8::1", "mac:52:54:00:00:00:01", "local:000102030405060708090a0b0c0d0e0f",
        ]
        let entries: [[FilterEntry]] = [
            [FilterEntry(vid: 0)],
            [FilterEntry(vid: 4094, pcp: 7, macAddress: MACAddress(truncating: 0x5254_00FF_0A0B))],
            [FilterEntry(vid: 5, macAddress: MACAddress(truncating: 1), groupID: .max)],
            [FilterEntry(vid: 1), FilterEntry(vid: 2, pcp: 0), FilterEntry(vid: 3, groupID: 0)], [],
        ]
        for id in ids.compactMap({ VSIID($0) }) {
            for entries in entries {
                for manager in [.unspecified, VSIManagerID(short: 11, placement: .first)] {
                    var parts = VSIStatusParts(
                        port: "uplink0", typeID: 100, typeVersion: 1, state: .associated, reason: .success)
                    parts.label = "web \u{E9}"
                    parts.networks = [VSINetwork(vlan: 7, vni: 70)]
                    let filter = FilterInfo(format: .vid, entries: entries)
                    var writer = JSONWriter(reserving: 1)
                    parts.write(to: &writer, id, manager, filter)
                    #expect(
                        writer.octets == JSONWriter.octets(of: VSIStatus(parts, id, manager, filter)),
                        "\(id) \(entries)")
                }
            }
        }
        #expect(ids.count == ids.compactMap { VSIID($0) }.count)
    }
}
