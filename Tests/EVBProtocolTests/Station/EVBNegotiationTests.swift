import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// 802.1Q D.2.12 as one port does it with a bridge; ids of the conformance matrix.
@Suite struct EVBNegotiationTests {
    private func lastTLV(_ bench: Bench) throws -> EVBTLV {
        try #require(bench.lldp.last?.lldpdu.evbTLVs.first)
    }

    private func octets(_ tlv: EVBTLV) -> [UInt8] {
        var writer = ByteWriter()
        tlv.write(to: &writer)
        return writer.octets
    }

    @Test("ARC-08 two ports of one host know nothing of each other")
    func portsAreIndependent() throws {
        let (one, other) = (Bench().start(), Bench().start())
        try one.request(.vsi(1))
        other.setLink(up: false)
        one.run(for: .seconds(1))
        other.run(for: .seconds(1))
        #expect(one.state(1) == .associated)
        #expect(other.port.vsis.isEmpty)
        #expect(one.port.snapshot.peer != nil)
        #expect(other.port.snapshot.peer == nil)
    }

    @Test("TLV-01 TLV-02 the agent sends chassis, port and TTL to the nearest customer bridge")
    func agent() throws {
        let bench = Bench().start()
        let first = try #require(bench.sent.first)
        #expect(first.frame.destination == .nearestCustomerBridge)
        #expect(first.frame.source == .station)
        let expected: [UInt8] = [
            0x01, 0x80, 0xC2, 0, 0, 0, 0x52, 0x54, 0, 0, 0, 1, 0x88, 0xCC,  // Ethernet
            0x02, 0x07, 4, 0x52, 0x54, 0, 0, 0, 1,  // chassis ID: MAC address
            0x04, 0x05, 7, 0x65, 0x74, 0x68, 0x30,  // port ID, a local one: eth0
            0x06, 0x02, 0, 121,  // TTL
            0xFE, 0x09, 0x00, 0x80, 0xC2, 0x0D,  // EVB TLV
            0x00, 0x0F, 0x6E, 0x94, 0x14,  // SGID, RRREQ, RRSTAT 3; R 3, RTE 14; station, RWD 20; RKA 20
            0, 0,
        ]
        #expect(Array(first.frame.encoded().prefix(expected.count)) == expected)
    }

    @Test("TLV-03 TLV-04 TLV-05 the TLV once a bridge is heard: mode 2, reserved bits 0")
    func layoutWithBridge() throws {
        let bench = Bench().start()
        bench.run(for: .seconds(5))
        let tlv = try lastTLV(bench)
        #expect(tlv.mode == .station)
        #expect(octets(tlv) == [0x07, 0x0D, 0x6E, 0x94, 0x14])
    }

    @Test("TLV-05 reserved bits of the bridge's TLV are ignored")
    func reservedBits() throws {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        let value: [UInt8] = [0x00, 0x80, 0xC2, 0x0D, 0xF8 | 0x03, 0xF0, 0x6E, 0x54, 0xC0 | 0x14]
        bench.receive(rawLLDPDU([0xFE, 0x09] + value))
        let peer = try #require(bench.port.snapshot.peer)
        #expect(peer.tlv?.bridgeStatus == [.reflectiveRelayCapable, .reflectiveRelayControl])
        #expect(peer.tlv?.reinitKeepAlive == NegotiatedExponent(20, isRemote: false))
    }

    @Test("TLV-06 the bridge status octet echoes what was heard last, 0 if nothing was")
    func echo() throws {
        let bench = Bench()
        bench.bridge.status = [.reflectiveRelayCapable, .groupIDs]
        bench.start()
        #expect(try #require(bench.lldp.first?.lldpdu.evbTLVs.first).bridgeStatus == [])
        bench.run(for: .seconds(2))
        #expect(
            try lastTLV(bench).bridgeStatus == [.reflectiveRelayCapable, .groupIDs, .reflectiveRelayControl])
        bench.bridge.status = []
        bench.bridge.announce(at: bench.now)
        bench.run(for: .seconds(2))
        #expect(try lastTLV(bench).bridgeStatus == [])
    }

    @Test("TLV-07 RRREQ is 1 for a VEPA and 0 for a VEB", arguments: [true, false])
    func relayRequest(isVEPA: Bool) throws {
        let bench = Bench(.test(relay: isVEPA)).start()
        #expect(try lastTLV(bench).stationStatus.reflectiveRelayRequest == isVEPA)
    }

    @Test("TLV-08 TLV-19 RRSTAT is 3, then as the bridge says, then 3 again after ageing")
    func relayStatus() throws {
        let bench = Bench().start()
        bench.run(for: .seconds(1))
        bench.bridge.isAlive = false
        bench.run(for: .seconds(200))
        var told = bench.effects.compactMap { entry -> String? in
            guard case .reflectiveRelay(let status) = entry.effect else { return nil }
            return "\(status) at \(entry.at.since(.origin).nanoseconds / 1_000_000_000) s"
        }
        // The bridge's first TLV, sent before it heard of RRREQ, says off. The last is heard at 0 s and holds 121 s.
        #expect(told == ["off at 0 s", "on at 0 s", "unknown at 121 s"])
        #expect(try lastTLV(bench).stationStatus.reflectiveRelayStatus == .unknown)
        bench.bridge.isAlive = true
        bench.bridge.announce(at: bench.now)
        bench.run(for: .seconds(1))
        told = bench.lldp.compactMap { $0.lldpdu.evbTLVs.first.map { "\($0.stationStatus.reflectiveRelayStatus)" } }
        #expect(told.last == "on")
    }

    @Test("TLV-09 group IDs are usable only if both can", arguments: [true, false], [true, false])
    func groupIDs(station: Bool, bridge: Bool) throws {
        let bench = Bench(.test(groupIDs: station))
        bench.bridge.status = bridge ? [.groupIDs] : []
        bench.start()
        #expect(try lastTLV(bench).stationStatus.groupIDs == station)
        #expect(bench.port.snapshot.usesGroupIDs == (station && bridge))
    }

    @Test("TLV-10 TLV-11 TLV-12 defaults and ranges")
    func defaults() {
        let timers = OperationalTimers()
        #expect(timers == OperationalTimers(retries: 3, rte: 14, rwd: 20, rka: 20))
        let most = OperationalTimers(retries: 255, rte: 255, rwd: 255, rka: 255)
        #expect(most == OperationalTimers(retries: 7, rte: 31, rwd: 31, rka: 31))
    }

    @Test("TLV-13 the operational value is the larger of both, per parameter", arguments: 0..<16)
    func larger(whose: Int) {
        let low = OperationalTimers(retries: 1, rte: 9, rwd: 15, rka: 16)
        let high = OperationalTimers(retries: 4, rte: 12, rwd: 18, rka: 19)
        func pick(_ bit: Int, _ value: (OperationalTimers) -> UInt8, inverted: Bool) -> UInt8 {
            value((whose >> bit & 1 == 1) != inverted ? high : low)
        }
        func side(_ inverted: Bool) -> OperationalTimers {
            OperationalTimers(
                retries: pick(0, \.retries, inverted: inverted),
                rte: pick(1, \.retransmissionExponent, inverted: inverted),
                rwd: pick(2, \.resourceWaitDelayExponent, inverted: inverted),
                rka: pick(3, \.reinitKeepAliveExponent, inverted: inverted))
        }
        let bench = Bench(.test(timers: side(false)), bridges: [FakeBridge(timers: side(true))]).start()
        bench.run(for: .seconds(10))
        #expect(bench.port.snapshot.timers == high)
    }

    @Test("TLV-14 ROL is set where the bridge's value holds, and clear on a tie")
    func rol() throws {
        let own = OperationalTimers(rwd: 20, rka: 20)
        let bridge = FakeBridge(timers: OperationalTimers(rwd: 22, rka: 18))
        let bench = Bench(.test(timers: own), bridges: [bridge]).start()
        bench.run(for: .seconds(3))
        #expect(try lastTLV(bench).resourceWaitDelay == NegotiatedExponent(22, isRemote: true))
        #expect(try lastTLV(bench).reinitKeepAlive == NegotiatedExponent(20, isRemote: false))
        bridge.timers = own
        bridge.announce(at: bench.now)
        bench.run(for: .seconds(3))
        #expect(try lastTLV(bench).resourceWaitDelay == NegotiatedExponent(20, isRemote: false))
    }

    @Test("TLV-16 manual mode holds to the local values")
    func manual() {
        let bridge = FakeBridge(timers: OperationalTimers(retries: 7, rte: 20, rwd: 25, rka: 25))
        let bench = Bench(.test(isManual: true), bridges: [bridge]).start()
        #expect(bench.port.snapshot.timers == OperationalTimers())
        #expect(bench.port.snapshot.peer != nil)
    }

    @Test("TLV-17 without transmission there is no EVB: no TLV, no ECP, and VSIs wait; it can be switched live")
    func transmissionDisabled() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        #expect(bench.state(1) == .associated)
        var settings = bench.port.configuration
        settings.evb.isTransmitted = false
        bench.reconfigure(settings)
        #expect(bench.state(1) == .deassociated)
        #expect(bench.port.vsi(.number(1))?.reason == .bridgeLost)
        bench.run(for: .seconds(40))
        #expect(bench.port.snapshot.peer == nil)
        #expect(bench.lldp.last?.lldpdu.evbTLVs == [])
        settings.evb.isTransmitted = true
        bench.reconfigure(settings)
        bench.run(for: .seconds(40))
        #expect(bench.state(1) == .associated)
    }

    @Test("TLV-20 a malformed EVB TLV is counted and not taken, and what the bridge said before holds until it ages")
    func malformedTLV() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        let timers = bench.port.snapshot.timers
        var lldpdu = bench.bridge.lldpdu
        lldpdu.optional = [.malformed(value: [0x00, 0x80, 0xC2, 0x0D, 7, 7, 0xFF], .truncated(.evbTLV))]
        bench.receive(.lldp(lldpdu))
        #expect(bench.statistics.evbTLVsDiscarded == 1)
        #expect(bench.port.snapshot.timers == timers)
        #expect(bench.notices.contains(.unusableTLV(.badLength(.evbTLV, 7))))
        #expect(bench.state(1) == .associated)
        #expect(!bench.trace.contains { $0.contains("bridge lost") })
    }

    @Test("TLV-20 an LLDPDU that cannot be read changes nothing and is counted")
    func unreadable() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        var octets = Frame(destination: .nearestCustomerBridge, source: .bridge, payload: .lldp(bench.bridge.lldpdu))
            .encoded()
        octets[15] = 0xFF  // the chassis ID runs past the end
        bench.receive(octets)
        #expect(bench.statistics.lldpDiscarded == 1)
        #expect(bench.state(1) == .associated)
    }

    @Test("TLV-21 an EVB TLV longer than 9 octets is read by its known front")
    func longTLV() throws {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        let value: [UInt8] = [0x00, 0x80, 0xC2, 0x0D, 0x06, 0, 0x6E, 0x54, 0x16] + [UInt8](repeating: 0xAA, count: 40)
        bench.receive(rawLLDPDU([0xFE, UInt8(value.count)] + value))
        #expect(bench.port.snapshot.peer?.tlv?.reinitKeepAlive.exponent == 22)
    }

    @Test("TLV-22 two EVB TLVs in one LLDPDU are both discarded and counted")
    func doubledTLV() throws {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        let tlv: [UInt8] = [0xFE, 0x09, 0x00, 0x80, 0xC2, 0x0D, 0x06, 0, 0x6E, 0x54, 0x16]
        bench.receive(rawLLDPDU(tlv + tlv))
        #expect(bench.port.snapshot.peer == nil)
        #expect(bench.statistics.evbTLVsDiscarded == 1)
        #expect(bench.notices == [.unusableTLV(.misplaced(.evbTLV))])
    }

    @Test("TLV-23 a second bridge is told of, and negotiation does not flap")
    func secondBridge() throws {
        let second = FakeBridge(timers: OperationalTimers(rwd: 25, rka: 25))
        (second.address, second.portName, second.sendsAcks) = (MACAddress(truncating: 0x0200_0000_00B2), "2/2", false)
        let bench = Bench(bridges: [FakeBridge(), second])
        bench.start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(100))
        #expect(bench.notices.contains(.severalBridges(2)))
        #expect(bench.port.snapshot.peer?.address == .bridge)
        #expect(bench.port.snapshot.timers == OperationalTimers())
        #expect(bench.trace.filter { $0.contains("bridge") }.count == 1)
        #expect(bench.changes(1) == [.pending, .associated])
        // The first leaves: the second takes its place.
        bench.bridge.sendShutdown()
        bench.run(for: .seconds(1))
        #expect(bench.port.snapshot.peer?.address == second.address)
        #expect(bench.port.snapshot.timers.reinitKeepAliveExponent == 25)
    }

    @Test("TLV-24 a peer that is no bridge gets no VDP", arguments: [EVBMode.station, .notSupported, .nvo3])
    func otherMode(mode: EVBMode) throws {
        let bench = Bench()
        bench.bridge.mode = mode
        bench.start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(60))
        #expect(bench.port.snapshot.peer == nil)
        #expect(bench.ecp(.request).isEmpty)
        #expect(bench.outcomes(1) == [.noBridge])
        #expect(bench.notices.contains(.stationNeighbour) == (mode == .station))
        // It answers nothing either, and what it sends by ECP is not acknowledged.
        bench.receive(.ecp(ECPDU(operation: .request, sequence: 1, payload: [])))
        #expect(bench.ecp(.acknowledgement).isEmpty)
        #expect(bench.statistics.ecpRxDiscarded == 1)
    }

    @Test("TLV-27 a neighbour of the draft dialect is told of where the draft is not to be spoken")
    func draft() {
        let bench = Bench(.test(dialect: .ratified), bridges: [])
        bench.setLink(up: true)
        let tlv: [UInt8] = [0xFE, 0x0D, 0x00, 0x1B, 0x3F, 0x00, 0xC0, 7, 0x40, 7, 0x0C, 0xDF, 0, 0, 0x0F]
        bench.receive(rawLLDPDU(tlv))
        #expect(bench.notices == [.draftNeighbour])
        #expect(bench.port.snapshot.hasDraftNeighbour)
        bench.receive(rawLLDPDU(tlv))
        #expect(bench.notices.count == 1)
    }

    @Test("TLV-08 reflective relay that is refused, or comes unasked, is told of once")
    func relayNotices() {
        let refusing = Bench()
        refusing.bridge.status = []
        refusing.start().run(for: .seconds(100))
        #expect(refusing.notices == [.reflectiveRelayRefused])
        let stuck = Bench(.test(relay: false))
        stuck.bridge.status = [.reflectiveRelayCapable, .reflectiveRelayControl]
        stuck.start().run(for: .seconds(100))
        #expect(stuck.notices == [.reflectsUnasked])
    }

    // MARK: TLV-15

    private func lower(_ bench: Bench, rwd: UInt8, rka: UInt8) {
        bench.reconfigure(.test(timers: OperationalTimers(rte: 8, rwd: rwd, rka: rka)))
    }

    private func lowerBridge(_ bench: Bench, rwd: UInt8, rka: UInt8) {
        bench.bridge.timers = OperationalTimers(rte: 8, rwd: rwd, rka: rka)
        bench.bridge.announce(at: bench.now)
    }

    @Test("TLV-15 no ratchet: values fall again after both sides lower them", arguments: [true, false], [true, false])
    func noRatchet(isLLDPad: Bool, raisesBridge: Bool) {
        let bridge = isLLDPad ? FakeBridge.lldpad() : FakeBridge(timers: OperationalTimers(rte: 8))
        let bench = Bench(.test(timers: OperationalTimers(rte: 8)), bridges: [bridge]).start()
        bench.run(for: .seconds(10))
        if raisesBridge { lowerBridge(bench, rwd: 24, rka: 25) } else { lower(bench, rwd: 24, rka: 25) }
        bench.run(for: .seconds(10))
        #expect(bench.port.snapshot.timers == OperationalTimers(rte: 8, rwd: 24, rka: 25))
        if raisesBridge { lowerBridge(bench, rwd: 18, rka: 19) } else { lower(bench, rwd: 18, rka: 19) }
        bench.run(for: .seconds(10))
        if raisesBridge { lower(bench, rwd: 18, rka: 19) } else { lowerBridge(bench, rwd: 18, rka: 19) }
        bench.run(for: .seconds(60))
        #expect(bench.port.snapshot.timers == OperationalTimers(rte: 8, rwd: 18, rka: 19))
        let (sent, heard) = (bench.lldp.count, bridge.tlvChanges)
        bench.run(for: .seconds(300))
        #expect(bench.lldp.count - sent == 10)
        #expect(bridge.tlvChanges == heard)
    }

    @Test("TLV-15 the two never oscillate, whatever each is set to", arguments: [true, false])
    func noOscillation(isLLDPad: Bool) {
        for (own, other) in [(18, 18), (18, 20), (20, 18), (20, 20), (0, 31), (31, 0)] as [(UInt8, UInt8)] {
            let bridge = isLLDPad ? FakeBridge.lldpad() : FakeBridge()
            bridge.timers = OperationalTimers(rte: 8, rwd: other, rka: own)
            let bench = Bench(.test(timers: OperationalTimers(rte: 8, rwd: own, rka: other)), bridges: [bridge])
            bench.start().run(for: .seconds(600))
            let tlvs = bench.lldp.compactMap { $0.lldpdu.evbTLVs.first }
            let changes = zip(tlvs, tlvs.dropFirst()).count { $0 != $1 }
            #expect(changes <= 3)
            #expect(bridge.tlvChanges <= 4)
            #expect(bench.port.snapshot.timers == OperationalTimers(rte: 8, rwd: max(own, other), rka: max(own, other)))
        }
    }

    @Test("TLV-15 a peer that takes our echo for ours hears our own values, ROL clear, and comes down on its own")
    func echoedPeer() throws {
        let bridge = FakeBridge.lldpad()
        let bench = Bench(.test(timers: OperationalTimers(rte: 8, rwd: 18, rka: 18)), bridges: [bridge]).start()
        bench.run(for: .seconds(5))
        #expect(bench.port.snapshot.timers == OperationalTimers(rte: 8, rwd: 20, rka: 20))
        #expect(try lastTLV(bench).reinitKeepAlive == NegotiatedExponent(18, isRemote: false))
        lowerBridge(bench, rwd: 18, rka: 18)
        bench.run(for: .seconds(5))
        #expect(bench.port.snapshot.timers == OperationalTimers(rte: 8, rwd: 18, rka: 18))
        #expect(bridge.operational == OperationalTimers(rte: 8, rwd: 18, rka: 18))
    }
}

/// The octets of an LLDPDU from the bridge, with these for its optional TLVs.
func rawLLDPDU(_ optional: [UInt8], chassis: UInt8 = 0xB1, ttl: UInt8 = 121) -> [UInt8] {
    let header: [UInt8] = [
        0x01, 0x80, 0xC2, 0, 0, 0, 0x02, 0, 0, 0, 0, chassis, 0x88, 0xCC,
        0x02, 0x07, 4, 0x02, 0, 0, 0, 0, chassis, 0x04, 0x04, 5, 0x31, 0x2F, 0x31, 0x06, 0x02, 0, ttl,
    ]
    return header + optional + [0, 0]
}
