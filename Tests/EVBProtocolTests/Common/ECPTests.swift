import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// 802.1Q clause 43 as one port does it; ids of the conformance matrix.
@Suite struct ECPTests {
    private let timers = OperationalTimers(retries: 3, rte: 14)

    private func answer(_ sequence: UInt16, _ tlvs: [VSITLV]) -> Frame.Payload {
        let pdu = VDPDU(managerID: VSIManagerID(short: 5, placement: .first), associations: tlvs)
        return .ecp(ECPDU(operation: .request, sequence: sequence, payload: pdu.encoded()))
    }

    private func tlv(_ number: UInt64, _ status: VDPStatus = .answer(.success)) throws -> VSITLV {
        var tlv = try VSIRequest.vsi(number).tlv(.associate, filter: .vids(100))
        tlv.status = status
        return tlv
    }

    @Test("ECP-01 ECP-02 the first request on the wire")
    func golden() throws {
        let bench = Bench(firstSequence: 0x0102).start()
        try bench.request(.vsi(1))
        let frame = try #require(bench.sent.last?.frame)
        let expected: [UInt8] = [
            0x01, 0x80, 0xC2, 0, 0, 0, 0x52, 0x54, 0, 0, 0, 1, 0x89, 0x40,  // Ethernet
            0x10, 0x01, 0x01, 0x02,  // version 1, request, VDP; sequence
            0x0A, 0x10, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // manager ID
            0x06, 0x1B, 0x00, 0x00, 0x12, 0x34, 0x01, 0x05,  // Associate, status, type ID, version, format
            0xB0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 0x01,  // VSIID
            0x01, 0x00, 0x01, 0x00, 0x64,  // one VID, 100
            0x00, 0x00,  // end
        ]
        #expect(frame.encoded() == expected)
    }

    @Test("ECP-03 one PDU is outstanding at a time, and ECP-07 the next leaves with the ack")
    func stopAndWait() throws {
        let bench = Bench()
        bench.start()
        for number in 1...3 as ClosedRange<UInt64> { try bench.request(.vsi(number, manager: UInt8(number))) }
        bench.run(for: .seconds(1))
        #expect(
            bench.trace.filter { $0.contains("send") } == [
                "at 0.01 s: send 1: associate vsi 1",
                "at 0.0101 s: send 2: associate vsi 2",
                "at 0.0102 s: send 3: associate vsi 3",
            ])
    }

    @Test("ECP-04 ECP-05 ECP-12 1 + R transmissions, one ackTimer apart, then a failure")
    func retransmission() throws {
        let bench = Bench().start()
        bench.bridge.sendsAcks = false
        try bench.request(.vsi(1))
        bench.run(for: .milliseconds(700))
        let sent = bench.ecp(.request).filter { $0.ecpdu.sequence == 1 }
        #expect(sent.map(\.at.text) == ["0.01 s", "0.17384 s", "0.33768 s", "0.50152 s"])
        #expect(Set(sent.map(\.ecpdu.payload)).count == 1)
        #expect(bench.statistics.ecpTxRetries == 3)
        #expect(bench.statistics.ecpTxFailures == 1)
        // The fourth has waited for its ack as well.
        let next = try #require(bench.ecp(.request).first { $0.ecpdu.sequence == 2 })
        #expect(next.at.text == "0.66536 s")
    }

    @Test("ECP-04 R and RTE are those agreed", arguments: [0, 1, 7] as [UInt8])
    func operational(retries: UInt8) throws {
        let bridge = FakeBridge(timers: OperationalTimers(retries: retries, rte: 16))
        let bench = Bench(.test(timers: OperationalTimers(retries: 0, rte: 10)), bridges: [bridge]).start()
        bridge.sendsAcks = false
        try bench.request(.vsi(1))
        bench.run(for: .milliseconds(9000))
        let sent = bench.ecp(.request).filter { $0.ecpdu.sequence == 1 }
        #expect(sent.count == Int(retries) + 1)
        for (one, next) in zip(sent, sent.dropFirst()) {
            #expect(next.at.since(one.at) == .microseconds(655_360))
        }
    }

    @Test("ECP-05 a lost request is made up by a repetition of the same octets")
    func lostRequest() throws {
        let bench = Bench().start()
        bench.lostFromStation = [0]
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        let requests = bench.ecp(.request)
        #expect(requests.count == 2)
        #expect(requests.first?.ecpdu == requests.last?.ecpdu)
        #expect(bench.state(1) == .associated)
        #expect(bench.bridge.pdusHeard == 1)
    }

    @Test("ECP-06 acks of another number or subtype, late ones and unasked ones change nothing and are counted")
    func alienAcks() throws {
        let bench = Bench().start()
        bench.bridge.isAlive = false
        try bench.request(.vsi(1))
        for ack in [
            ECPDU(operation: .acknowledgement, sequence: 2), ECPDU(operation: .acknowledgement, sequence: 0),
            ECPDU(operation: .acknowledgement, subtype: ECPDU.Subtype(rawValue: 3), sequence: 1),
        ] {
            bench.receive(.ecp(ack))
        }
        #expect(bench.statistics.ecpRxStrayAcks == 2)
        #expect(bench.statistics.ecpRxDiscarded == 1)
        #expect(!bench.port.link.transmitter.isIdle)
        bench.receive(.ecp(ECPDU(operation: .acknowledgement, sequence: 1)))
        #expect(bench.port.link.transmitter.isIdle)
        bench.receive(.ecp(ECPDU(operation: .acknowledgement, sequence: 1)))
        #expect(bench.statistics.ecpRxStrayAcks == 3)
        bench.run(for: .seconds(1))
        #expect(bench.ecp(.request).count == 1)
    }

    @Test("ECP-06 the machine compares the subtype too")
    func subtype() {
        var transmitter = ECPTransmitter(firstSequence: 7)
        _ = transmitter.send([1], subtype: .vdp, timers: timers.times, at: .origin)
        let alien = ECPDU(operation: .acknowledgement, subtype: .portExtender, sequence: 7)
        let isAlienTaken = transmitter.acknowledge(alien) != nil
        let isOwnTaken = transmitter.acknowledge(ECPDU(operation: .acknowledgement, sequence: 7)) != nil
        #expect(!isAlienTaken)
        #expect(isOwnTaken)
    }

    @Test("ECP-08 a duplicate is acknowledged and not delivered")
    func duplicates() throws {
        let bench = Bench().start()
        bench.bridge.isAlive = false
        try bench.request(.vsi(1))
        bench.receive(.ecp(ECPDU(operation: .acknowledgement, sequence: 1)))
        bench.receive(answer(9, [try tlv(1, .answer(.insufficientResources))]))
        #expect(bench.outcomes(1).count == 1)
        let failed = bench.statistics.vdp.commandsFailed
        let unsolicited = bench.statistics.vdp.unsolicited
        bench.receive(answer(9, [try tlv(1, .answer(.insufficientResources))]))
        #expect(bench.ecp(.acknowledgement).map(\.ecpdu.sequence) == [9, 9])
        #expect(bench.statistics.ecpRxDuplicates == 1)
        #expect(bench.statistics.ecpRxFrames == 2)
        #expect(bench.statistics.vdp.commandsFailed == failed)
        #expect(bench.statistics.vdp.unsolicited == unsolicited)
    }

    @Test("ECP-08 when our ack is lost the repetition is acknowledged and not delivered")
    func lostAck() throws {
        let bench = Bench().start()
        bench.lostFromStation = [1]
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        #expect(bench.ecp(.acknowledgement).map(\.at.text) == ["0.0101 s", "0.17394 s"])
        #expect(bench.statistics.ecpRxDuplicates == 1)
        #expect(bench.statistics.vdp.unsolicited == 0)
        #expect(bench.outcomes(1) == [.granted])
    }

    @Test("ECP-05 when the bridge's ack is lost the request is repeated, and its answer arrives all the same")
    func lostBridgeAck() throws {
        let bench = Bench().start()
        bench.lostFromBridge = [0]
        try bench.request(.vsi(1))
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .associated)
        bench.run(for: .seconds(1))
        #expect(bench.ecp(.request).map(\.ecpdu.sequence) == [1, 1])
        #expect(bench.bridge.pdusHeard == 1)
        #expect(bench.statistics.ecpTxFailures == 0)
    }

    @Test("ECP-08 what the ack carries")
    func acknowledgement() throws {
        let bench = Bench().start()
        bench.receive(answer(0x0A0B, []))
        let frame = try #require(bench.sent.last?.frame)
        #expect(Array(frame.encoded()[12..<18]) == [0x89, 0x40, 0x14, 0x01, 0x0A, 0x0B])
        #expect(frame.encoded()[18...].allSatisfy { $0 == 0 })
        #expect(frame.destination == .nearestCustomerBridge)
    }

    @Test("ECP-09 the first request is new whatever its number", arguments: [0, 1, 0xFFFF] as [UInt16])
    func firstSequence(sequence: UInt16) throws {
        let bench = Bench().start()
        bench.receive(answer(sequence, [try tlv(99)]))
        #expect(bench.statistics.vdp.unknownVSI == 1)
    }

    @Test("ECP-09 a restarted peer's PDU with the old number is delivered, by its content")
    func collidingContent() throws {
        let bench = Bench().start()
        bench.receive(answer(1, [try tlv(98)]))
        bench.receive(answer(1, [try tlv(99)]))
        #expect(bench.statistics.vdp.unknownVSI == 2)
        #expect(bench.statistics.ecpRxDuplicates == 0)
    }

    @Test("ECP-09 a restarted peer's PDU with the old number and content is delivered when no sender still repeats")
    func collidingInTime() throws {
        let bench = Bench().start()
        let frame = answer(1, [try tlv(99)])
        bench.receive(frame)
        bench.run(for: .microseconds(163_840 * 8))
        bench.receive(frame)
        #expect(bench.statistics.ecpRxDuplicates == 1)
        bench.run(for: .microseconds(1))
        bench.receive(frame)
        #expect(bench.statistics.ecpRxDuplicates == 1)
        #expect(bench.statistics.vdp.unknownVSI == 2)
    }

    @Test("ECP-10 the number wraps from 65535 to 0")
    func wrap() throws {
        let bench = Bench(firstSequence: 65535).start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        try bench.withdraw(.number(1))
        bench.run(for: .seconds(1))
        #expect(bench.ecp(.request).map(\.ecpdu.sequence) == [65535, 0])
        #expect(bench.port.nextSequence == 1)
        #expect(bench.bridge.entries.isEmpty)
        bench.receive(answer(65535, [try tlv(99)]))
        bench.receive(answer(0, [try tlv(99)]))
        #expect(bench.statistics.vdp.unknownVSI == 2)
    }

    @Test("ECP-11 ECP-15 unknown version, operation or subtype: no ack, counted")
    func unknown() {
        let bench = Bench().start()
        let header: [UInt8] = [0x01, 0x80, 0xC2, 0, 0, 0, 0x02, 0, 0, 0, 0, 0xB1, 0x89, 0x40]
        for word in [0x0001, 0x2001, 0x1801, 0x1C01, 0x1000, 0x1002, 0x1003, 0x13FF] as [UInt16] {
            let octets: [UInt8] = [UInt8(word >> 8), UInt8(word & 0xFF), 0, 1]
            bench.receive(header + octets + [UInt8](repeating: 0, count: 42))
        }
        #expect(bench.ecp(.acknowledgement).isEmpty)
        #expect(bench.statistics.ecpRxDiscarded == 8)
        #expect(bench.statistics.ecpRxFrames == 0)
    }

    @Test("ECP-13 what VDP cannot take, as no bridge is heard, is not acknowledged")
    func notTaken() throws {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        bench.receive(answer(1, [try tlv(1)]))
        #expect(bench.ecp(.acknowledgement).isEmpty)
        #expect(bench.statistics.ecpRxDiscarded == 1)
    }

    @Test("ECP-14 link down resets both machines")
    func linkDown() throws {
        let bench = Bench().start()
        bench.bridge.isAlive = false
        bench.receive(answer(3, [try tlv(99)]))
        try bench.request(.vsi(1))
        #expect(!bench.port.link.transmitter.isIdle)
        bench.setLink(up: false)
        #expect(bench.port.link.transmitter.isIdle)
        bench.clearLog()
        bench.run(for: .seconds(5))
        #expect(bench.sent.isEmpty)
        bench.bridge.isAlive = true
        bench.setLink(up: true)
        bench.run(for: .seconds(1))
        bench.bridge.isAlive = false
        let known = bench.statistics.vdp.unknownVSI
        bench.receive(answer(3, [try tlv(99)]))
        #expect(bench.statistics.vdp.unknownVSI == known + 1)
        #expect(bench.state(1) == .associated)
        #expect(bench.ecp(.request).first?.ecpdu.sequence == 2)
    }

    @Test("ECP-16 PDUs keep within the MTU and within 1500", arguments: [576, 1000, 1500, 9000])
    func size(mtu: Int) throws {
        let bench = Bench(.test(mtu: mtu)).start()
        for number in 0..<200 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(2))
        let lengths = bench.ecp(.request).map { ECPDU.headerLength + $0.ecpdu.payload.count }
        let most = try #require(lengths.max())
        let limit = min(mtu, 1500)
        // 29 octets a TLV: what is left is less than another.
        #expect(most <= limit)
        #expect(most > limit - 29)
        #expect(bench.associatedCount == 200)
    }

    @Test("ECP-17 counters")
    func counters() throws {
        let bench = Bench().start()
        bench.lostFromStation = [0]
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        let counted = bench.statistics
        #expect(counted.ecpTxFrames == 1)
        #expect(counted.ecpTxRetries == 1)
        #expect(counted.ecpTxFailures == 0)
        #expect(counted.ecpRxFrames == 1)
        #expect(counted.ecpRxStrayAcks == 0)
    }

    @Test("ECP-18 a short ack is taken without its padding, a runt is counted")
    func padding() throws {
        let bench = Bench().start()
        bench.bridge.isAlive = false
        try bench.request(.vsi(1))
        let header: [UInt8] = [0x01, 0x80, 0xC2, 0, 0, 0, 0x02, 0, 0, 0, 0, 0xB1, 0x89, 0x40]
        bench.receive(header + [0x14, 0x01])
        bench.receive(header + [0x14])
        #expect(bench.statistics.ecpRxDiscarded == 2)
        bench.receive(header + [0x14, 0x01, 0, 1])
        #expect(bench.port.link.transmitter.isIdle)
    }

    @Test("ECP-19 frames from an address that is not the bridge's are left, counted, and told of once")
    func otherSource() throws {
        let bench = Bench().start()
        let stranger = MACAddress(truncating: 0x0200_0000_00FF)
        for number in 1...3 { bench.receive(answer(UInt16(number), [try tlv(99)]), from: stranger) }
        bench.receive(answer(4, [try tlv(99)]), from: MACAddress(truncating: 0x0200_0000_00FE))
        #expect(bench.statistics.ecpRxOtherSource == 4)
        #expect(bench.statistics.ecpRxFrames == 0 && bench.statistics.vdp.unknownVSI == 0)
        #expect(bench.notices == [.foreignECP(stranger)])
        // It is still told once when the bridge is heard again, and anew for a bridge that is found anew.
        bench.run(for: .seconds(70))
        bench.setLink(up: false)
        bench.start()
        bench.receive(answer(1, [try tlv(99)]), from: stranger)
        #expect(bench.notices == [.foreignECP(stranger), .foreignECP(stranger)])
    }

    @Test("ECP-19 frames from any address are taken where the policy is that")
    func anySource() throws {
        var configuration = StationPortConfiguration.test()
        configuration.ecpSource = .any
        let bench = Bench(configuration).start()
        bench.receive(answer(1, [try tlv(99)]), from: MACAddress(truncating: 0x0200_0000_00FF))
        #expect(bench.statistics.ecpRxOtherSource == 0)
        #expect(bench.statistics.vdp.unknownVSI == 1 && bench.notices == [])
    }

    @Test("ECP-19 the addresses that a bridge names as its chassis and its port are its own")
    func addressesByName() throws {
        let advertised = try #require(Bench().start().port.peer).advertised
        let chassis = MACAddress(truncating: 0x0200_0000_0A01)
        let port = MACAddress(truncating: 0x0200_0000_0A02)
        func peer(_ chassisID: LLDPIdentifier, _ portID: LLDPIdentifier) -> EVBPeer {
            EVBPeer(chassisID: chassisID, portID: portID, address: .bridge, advertised: advertised)
        }
        #expect(peer(.chassis(chassis), .port(port)).addresses == [.bridge, chassis, port])
        #expect(peer(.chassis(.bridge), .port(.bridge)).addresses == [.bridge])
        let text = LLDPIdentifier(subtype: LLDPIdentifier.portInterfaceName, octets: Array("abcdef".utf8))
        let named = peer(.chassis(chassis), text)
        #expect(named.addresses == [.bridge, chassis])
        #expect(named.addresses.allSatisfy { ECPSource.neighbour.takes($0, with: named) })
        #expect(!ECPSource.neighbour.takes(port, with: named) && ECPSource.any.takes(port, with: named))
        // A name of another length is no address.
        #expect(peer(LLDPIdentifier(subtype: 4, octets: [1, 2, 3]), text).addresses == [.bridge])
    }

    @Test("ECP-20 exponents up to 31 are 64-bit times")
    func exponents() throws {
        #expect(Interval.exponent(0).nanoseconds == 10_000)
        #expect(Interval.exponent(14).nanoseconds == 163_840_000)
        #expect(Interval.exponent(31).nanoseconds == 21_474_836_480_000)
        let most = OperationalTimers(retries: 7, rte: 31, rwd: 31, rka: 31)
        #expect(most.responseWaitDelay.nanoseconds == 21_474_836_480_000 * 16 * 3 / 2)
        let bench = Bench(.test(timers: most)).start()
        bench.bridge.sendsAcks = false
        try bench.request(.vsi(1))
        bench.keepsLog = false
        bench.run(for: .seconds(21474))
        #expect(bench.statistics.ecpTxRetries == 0)
        bench.run(for: .seconds(1))
        #expect(bench.statistics.ecpTxRetries == 1)
        #expect(Instant(nanoseconds: .max) + .seconds(1) == Instant(nanoseconds: .max))
    }

    @Test("ECP-12 a PDU that does not get across is made up anew twice before its VSIs are given up")
    func failures() throws {
        let bench = Bench().start()
        bench.bridge.sendsAcks = false
        try bench.request(.vsi(1, persistence: .once))
        bench.run(for: .seconds(4))
        #expect(bench.outcomes(1) == [.timedOut])
        #expect(bench.statistics.ecpTxFailures == 3)
        #expect(bench.ecp(.request).map(\.ecpdu.sequence) == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
    }
}
