import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// What makes no cohort of keep-alives.
@Suite struct KeepAliveCohortLimitsTests {
    private func kept(_ count: UInt64, _ bench: PairBench = PairBench(vsisMax: 1000)) throws -> PairBench {
        bench.start()
        for number in 1...count { try bench.request(number) }
        bench.run(for: .seconds(25))
        return bench
    }

    /// The managers that the station names from now on, and how long its longest PDU is.
    private func said(_ bench: PairBench, for interval: Interval) throws -> (managers: Set<VSIManagerID>, longest: Int)
    {
        bench.clear()
        bench.run(for: interval)
        let payloads = bench.sentByStation.compactMap(\.frame.requestPayload)
        return (Set(try payloads.map { try VDPDU.decode($0).pdu.managerID }), payloads.map(\.count).max() ?? 0)
    }

    @Test("SPD-240 keep-alives name the manager of their VSI where the bridge fills in another, or none")
    func manager() throws {
        let own = try DraftBench.request(1).managerID
        for other in [VSIManagerID.unspecified, VSIManagerID(short: 9, placement: .last)] {
            let bench = PairBench(vsisMax: 1000)
            bench.stationReceives = { port, frame, now in
                guard case .ecp(var ecpdu) = frame.payload, ecpdu.operation == .request,
                    var pdu = try? VDPDU.decode(ecpdu.payload).pdu
                else { return port.receive(frame, at: now) }
                pdu.managerID = other
                ecpdu.payload = pdu.encoded()
                let changed = Frame(destination: frame.destination, source: frame.source, payload: .ecp(ecpdu))
                return port.receive(changed, at: now)
            }
            let managers = try said(kept(100, bench), for: .seconds(60)).managers
            #expect(managers == [own], "the bridge says \(other)")
        }
    }

    @Test("SPD-240 an answer that is too long for the station's MTU makes no PDU of its own")
    func length() throws {
        let bench = PairBench(vsisMax: 1000)
        var configuration = DraftBench.configuration(.automatic)
        configuration.mtu = 700
        bench.station = StationPort(configuration: configuration, firstSequence: 1)
        let longest = try said(kept(200, bench), for: .seconds(60)).longest
        let most = configuration.payloadMax(.ratified)
        #expect(longest <= most && longest > most / 2)
    }

    @Test("SPD-240 answers that nobody awaits do not put keep-alives off")
    func unawaited() throws {
        let bench = try kept(100)
        bench.clear()
        bench.run(for: .seconds(20))
        let answers = bench.sentByBridge.map(\.frame).filter { $0.requestPayload != nil }
        let source = try #require(answers.last?.source)
        var sequence: UInt16 = 0x7000
        // The same grants again and again, more often than keep-alives are due.
        for _ in 0..<30 {
            bench.run(for: .seconds(2))
            for answer in answers.suffix(3) {
                guard case .ecp(var ecpdu) = answer.payload else { continue }
                ecpdu.sequence = sequence
                sequence &+= 1
                let frame = Frame(destination: answer.destination, source: source, payload: .ecp(ecpdu))
                bench.stationDoes { $0.receive(frame, at: $1) }
            }
        }
        #expect(bench.bridge.snapshot.statistics.vdp.keepAliveTimeouts == 0)
        #expect((1...100).allSatisfy { bench.held($0) != nil && bench.state($0) == .associated })
    }
}
