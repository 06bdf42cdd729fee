import EVBTime
import Glibc
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Recorded exchanges between lldpad's station and bridges of the draft, with our port in lldpad's place.
@Suite("Draft: recorded bridges")
struct DraftReplayTests {
    static let station = MACAddress(truncating: 0x0200_0000_AA01)

    /// The frames of LLDP and draft ECP in a capture, with their times.
    static func frames(_ name: String) throws -> [(at: Instant, octets: [UInt8])] {
        let folder = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/Captures/"
        let file = try #require(fopen(folder + name, "r"))
        defer { fclose(file) }
        var octets = [UInt8](repeating: 0, count: 1 << 20)
        octets.removeLast(octets.count - fread(&octets, 1, octets.count, file))
        func word(_ offset: Int) -> UInt64 {
            octets[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        var frames: [(Instant, [UInt8])] = []
        var position = 24
        while position + 16 <= octets.count {
            let microseconds = word(position) * 1_000_000 + word(position + 4)
            let (start, end) = (position + 16, position + 16 + Int(word(position + 8)))
            position = end
            let frame = Array(octets[start..<end])
            guard frame[12] == 0x88, [0xCC, 0xB7].contains(frame[13]) else { continue }
            frames.append((Instant(nanoseconds: microseconds * 1000), frame))
        }
        return frames
    }

    /// What libvirt asked lldpad for in the captures.
    static func request() throws -> VSIRequest {
        VSIRequest(
            vsiID: try #require(VSIID("09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f")), target: .associated,
            managerID: VSIManagerID(short: 11, placement: .first), typeID: 0x12_3457, typeVersion: 2,
            filter: try FilterInfo(checking: [FilterEntry(vid: 0, macAddress: MACAddress("52:54:00:11:22:33"))]),
            persistence: .once)
    }

    /// Replays a capture: the bridge's frames go to a port, and the station's are what the port has to send, octet for
    /// octet, LLDP and empty PDUs aside. `manager` is called before each request of the station with its command.
    static func replay(
        _ name: String, firstSequence: UInt16,
        _ manager: (inout StationPort, VDPCommand, Instant) throws -> [StationEffect]
    ) throws -> [StationEffect] {
        var port = StationPort(
            configuration: StationPortConfiguration(
                address: station, interfaceName: "eth0",
                evb: EVBStationNegotiation.Configuration(), dialect: .draft), firstSequence: firstSequence)
        var effects: [StationEffect] = []
        var waiting: [[UInt8]] = []
        func take(_ list: [StationEffect]) {
            effects += list
            for case .transmit(let frame) in list {
                if case .draftECP = frame.payload { waiting.append(frame.encoded()) }
            }
        }
        let frames = try frames(name)
        let start = try #require(frames.first).at
        take(port.setLink(up: true, at: start))
        for (at, octets) in frames {
            while let deadline = port.nextDeadline, deadline <= at { take(port.advance(to: deadline)) }
            let frame = try Frame(decoding: octets)
            guard frame.source == station else {
                take(port.receive(frame, at: at))
                continue
            }
            guard case .draftECP(let ecpdu) = frame.payload else { continue }
            if ecpdu.operation == .request,
                let asked = DraftVDPDU.decode(ecpdu.payload, from: .station).pdu.associations.first
            {
                take(try manager(&port, asked.vsi.command, at))
            }
            let sent = try #require(waiting.isEmpty ? nil : waiting.removeFirst())
            #expect(sent == octets)
        }
        #expect(waiting.isEmpty)
        return effects
    }

    @Test("The bridge's grants, acknowledgements and its own De-Associate, as they were recorded")
    func bridgeDeassociates() throws {
        let effects = try Self.replay("draft-libvirt-bridge-initiated-deassoc.pcap", firstSequence: 2) {
            port, command, now in
            let request = try Self.request()
            guard command == .deAssociate else { return try port.request(request, at: now) }
            return try port.withdraw(request.vsiID, at: now)
        }
        let id = try Self.request().vsiID
        let events = effects.compactMap { if case .vsi(let event) = $0 { event } else { nil } }
        func changed(_ from: VSIState, _ to: VSIState, _ reason: VSIReason?) -> StationVSIEvent {
            .changed(VSIChange(vsiID: id, from: from, to: to, reason: reason))
        }
        #expect(
            events.filter { if case .changed = $0 { true } else { false } } == [
                changed(.deassociated, .pending, nil), changed(.pending, .associated, .success),
                changed(.associated, .deassociated, .bridgeDeassociated),
                changed(.deassociated, .pending, nil), changed(.pending, .associated, .success),
                changed(.associated, .pending, .success), changed(.pending, .deassociated, nil),
            ])
        #expect(
            events.filter { if case .changed = $0 { false } else { true } } == [
                .ended(id, .granted), .forgotten(id), .ended(id, .granted), .ended(id, .released), .forgotten(id),
            ])
    }

    @Test("Of a recorded answer about two VSIs each is taken for itself")
    func two() throws {
        let bench = DraftBench().start()
        bench.bridge.answer = { _ in nil }
        try bench.request(Self.request())
        bench.run(for: .milliseconds(1))
        for (_, octets) in try Self.frames("draft-libvirt-pybridge.pcap").prefix(7) {
            let frame = try Frame(decoding: octets)
            guard frame.source != Self.station, case .draftECP = frame.payload else { continue }
            try bench.receive(octets)
        }
        #expect(bench.port.vsi(try Self.request().vsiID)?.state == .associated)
        #expect(bench.statistics.vdp.unknownVSI == 1)
        #expect(bench.statistics.vdp.malformed == 0)
    }

    @Test("lldpad's own bridge acknowledges and never answers: after 3 s that is told")
    func lldpad() throws {
        let bench = DraftBench(firstSequence: 3).start()
        bench.bridge.answer = { _ in nil }
        bench.losesFromStation = { $0.isDraftRequest }
        try bench.request(Self.request())
        let id = try Self.request().vsiID
        for (_, octets) in try Self.frames("draft-libvirt-lldpadbridge.pcap") {
            let frame = try Frame(decoding: octets)
            if frame.source != Self.station { try bench.receive(octets) }
        }
        #expect(bench.port.link.transmitter.isIdle)
        bench.run(for: .milliseconds(2900))
        #expect(!bench.effects.contains(.vsi(.ended(id, .timedOut))))
        bench.run(for: .milliseconds(200))
        #expect(bench.effects.contains(.vsi(.ended(id, .timedOut))))
    }
}
