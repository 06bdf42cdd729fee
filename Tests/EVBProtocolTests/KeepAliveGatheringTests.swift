import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

@Suite struct KeepAliveGatheringTests {
    /// What a station sends to keep its VSIs for five minutes.
    private func keptAlive(_ count: UInt64) throws -> (frames: Int, keepAlives: Int, mostAtOnce: Int, longest: Interval)
    {
        let bench = PairBench(vsisMax: 2000).start()
        for number in 1...count { try bench.request(number) }
        bench.run(for: .seconds(60))
        #expect((1...count).allSatisfy { bench.state($0) == .associated })
        bench.clear()
        bench.run(for: .seconds(300))
        #expect((1...count).allSatisfy { bench.state($0) == .associated })
        var (frames, keepAlives) = (0, 0)
        var sent: [Instant: Int] = [:]
        var last: [VSIID: Instant] = [:]
        var longest = Interval.seconds(0)
        for (at, frame) in bench.sentByStation {
            guard case .ecp(let ecpdu) = frame.payload, ecpdu.operation == .request,
                case let tlvs = try VDPDU.decode(ecpdu.payload).pdu.associations, !tlvs.isEmpty
            else { continue }
            frames += 1
            keepAlives += tlvs.count
            sent[at, default: 0] += 1
            for tlv in tlvs {
                if let before = last[tlv.vsiID] { longest = max(longest, at.since(before)) }
                last[tlv.vsiID] = at
            }
        }
        return (frames, keepAlives, sent.values.max() ?? 0, longest)
    }

    @Test(
        "SPD-110 keep-alives of a port with few VSIs share frames as those of one with many do",
        arguments: [16, 64, 200])
    func few(count: UInt64) throws {
        let (few, many) = (try keptAlive(count), try keptAlive(512))
        let (own, best) = (Double(few.frames) / Double(count), Double(many.frames) / 512)
        // A port of 16 has a frame for all of them.
        let share = max(best, 1.0 / Double(count) * Double(many.keepAlives) / 512)
        #expect(
            own <= 1.6 * share, "\(count): \(few.frames) frames for \(few.keepAlives) keep-alives; 512: \(many.frames)")
        // Each VSI is spoken of well within the bridge's time, and not much more often than it has to be.
        #expect(Double(few.keepAlives) / Double(count) <= 1.3 * Double(many.keepAlives) / 512)
        #expect(few.longest <= OperationalTimers().times.reinitKeepAlive)
        #expect(few.mostAtOnce <= 1 && many.mostAtOnce <= 1)
    }

    @Test("SPD-212 keep-alives of many VSIs are due together, at moments that all ports have in common")
    func together() throws {
        let bench = PairBench(vsisMax: 6000).start()
        for number in 1...6000 { try bench.request(UInt64(number)) }
        bench.run(for: .seconds(40))
        bench.clear()
        bench.run(for: .seconds(20))
        let sent = bench.sentByStation.compactMap { at, frame -> Instant? in
            guard case .ecp(let ecpdu) = frame.payload, ecpdu.operation == .request else { return nil }
            return at
        }
        let step = OperationalTimers().times.reinitKeepAlive / 128
        // Those that do not follow another one, which the bridge has just acknowledged.
        let begun = sent.indices.filter { $0 == 0 || sent[$0].since(sent[$0 - 1]) > .milliseconds(5) }.map { sent[$0] }
        #expect(begun.count > 50 && begun.allSatisfy { $0.nanoseconds % step.nanoseconds == 0 })
        #expect(sent.count > begun.count * 5 / 4, "\(sent.count) frames in \(begun.count) rounds")
    }
}
