import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// When LLDPDUs leave, and how long what was heard holds.
@Suite struct LLDPTimingTests {
    private func seconds(_ bench: Bench) -> [String] { bench.lldp.map(\.at.text) }

    @Test("TLV-18 fast start: 4 frames 1 s apart, then every 30 s")
    func fastStart() {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        bench.run(until: .seconds(70))
        #expect(seconds(bench) == ["0 s", "1 s", "2 s", "3 s", "33 s", "63 s"])
        #expect(bench.lldp.allSatisfy { $0.lldpdu.timeToLive == 121 })
        #expect(bench.statistics.lldpSent == 6)
    }

    @Test("TLV-18 a new neighbour starts the fast frames again")
    func newNeighbour() {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        bench.run(until: .seconds(50))
        bench.receive(rawLLDPDU([]))
        bench.run(until: .seconds(84))
        #expect(seconds(bench).suffix(5) == ["50 s", "51 s", "52 s", "53 s", "83 s"])
    }

    @Test("TLV-18 a local change is sent at once, and twice more")
    func localChange() {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        bench.run(until: .seconds(40))
        bench.reconfigure(.test(relay: false))
        bench.run(until: .seconds(73))
        #expect(seconds(bench).suffix(4) == ["40 s", "41 s", "42 s", "72 s"])
    }

    @Test("TLV-18 a storm of changes sends 5 frames at once and one a second after that")
    func creditBound() {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        bench.run(until: .seconds(60))
        let before = bench.lldp.count
        for change in 1...1000 {
            bench.reconfigure(.test(relay: change % 2 == 0))
            bench.run(for: .milliseconds(10))
        }
        let times = bench.lldp.dropFirst(before).map { $0.at.since(.seconds(60)).nanoseconds / 1_000_000_000 }
        #expect(times.count { $0 == 0 } == 5)
        for second in 1...9 { #expect(times.count { $0 == UInt64(second) } == 1) }
        // What was said last is what holds.
        bench.run(for: .seconds(2))
        #expect(bench.lldp.last?.lldpdu.evbTLVs.first?.stationStatus.reflectiveRelayRequest == true)
    }

    @Test("TLV-19 a bridge that falls silent is forgotten when its TTL ends")
    func ageing() throws {
        let bench = Bench()
        bench.bridge.timeToLive = 10
        bench.start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(5))
        bench.clearLog()
        bench.run(until: .seconds(30))
        let told = bench.trace.filter { !$0.contains("send") }
        #expect(
            told.prefix(2) == [
                "at 10.0022 s: bridge lost: its LLDP information has aged out",
                "at 10.0022 s: vsi 1 is deassociated",
            ])
    }

    @Test("TLV-19 a shutdown LLDPDU ends everything at once, its return begins it again")
    func shutdown() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        bench.clearLog()
        bench.bridge.sendShutdown()
        bench.perform([])
        bench.run(for: .seconds(1))
        #expect(bench.trace.contains { $0.hasSuffix("bridge lost: it has sent a shutdown LLDPDU") })
        #expect(bench.state(1) == .deassociated)
        bench.bridge.announce(at: bench.now)
        bench.run(for: .seconds(1))
        #expect(bench.state(1) == .associated)
    }

    @Test("TLV-19 a bridge that withdraws its TLV is lost")
    func withdrawn() throws {
        let bench = Bench().start()
        bench.bridge.sendsTLV = false
        bench.bridge.announce(at: bench.now)
        bench.run(for: .seconds(1))
        #expect(bench.trace.last?.hasSuffix("bridge lost: it no longer sends the EVB TLV of a bridge") == true)
        #expect(bench.port.link.agent.neighbours.count == 1)
    }

    @Test("a shutdown of ours says TTL 0 and nothing else, and nothing after it")
    func ownShutdown() throws {
        let bench = Bench().start()
        bench.clearLog()
        bench.shutdown()
        bench.run(for: .seconds(100))
        #expect(bench.lldp.count == 1)
        #expect(bench.lldp.first?.lldpdu.timeToLive == 0)
        #expect(bench.lldp.first?.lldpdu.optional.isEmpty == true)
    }

    @Test("nothing is sent while the link is down, and frames that still come are not looked at")
    func linkDown() throws {
        let bench = Bench().start()
        bench.setLink(up: false)
        bench.clearLog()
        bench.receive(.lldp(bench.bridge.lldpdu))
        bench.run(for: .seconds(100))
        #expect(bench.sent.isEmpty)
        #expect(bench.port.link.agent.neighbours.count == 0)
        #expect(bench.port.nextDeadline == nil)
    }

    @Test("our own frames that come back are nobody's word")
    func reflected() throws {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        var lldpdu = FakeBridge().lldpdu
        lldpdu.chassisID = .chassis(.station)
        bench.receive(.lldp(lldpdu), from: .station)
        #expect(bench.port.link.agent.neighbours.count == 0)
    }

    @Test("LLDP to another group address is not ours")
    func otherAddress() throws {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        let frame = Frame(destination: .nearestBridge, source: .bridge, payload: .lldp(FakeBridge().lldpdu))
        bench.receive(frame.encoded())
        #expect(bench.port.link.agent.neighbours.count == 0)
        #expect(bench.statistics.lldpReceived == 0)
    }

    @Test("TLV-23 a bridge that takes another name stays the bridge")
    func renamedBridge() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        bench.bridge.portName = "1/2"
        bench.bridge.announce(at: bench.now)
        bench.run(for: .seconds(200))
        #expect(bench.port.link.agent.neighbours.count == 1)
        #expect(bench.trace.filter { $0.contains("bridge lost") } == [])
        #expect(bench.state(1) == .associated)
    }

    @Test("TLV-23 many neighbours never push the bridge out", arguments: [false, true])
    func manyNeighbours(hasBridgeAddress: Bool) throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        for stranger in 1...100 as ClosedRange<UInt64> {
            let address = MACAddress(truncating: 0x0600_0000_0000 + stranger)
            let lldpdu = LLDPDU(chassisID: .chassis(address), portID: .port(address), timeToLive: 3600)
            bench.receive(.lldp(lldpdu), from: hasBridgeAddress ? .bridge : address)
            bench.run(for: .milliseconds(100))
        }
        #expect(bench.port.link.agent.neighbours.count == LLDPAgent.neighboursMax)
        #expect(bench.port.snapshot.peer?.address == .bridge)
        #expect(bench.trace.filter { $0.contains("bridge lost") } == [])
        #expect(bench.state(1) == .associated)
    }
}
