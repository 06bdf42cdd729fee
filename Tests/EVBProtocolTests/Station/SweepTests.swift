import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

@Suite struct SweepTests {
    /// A port with associated VSIs to which what a bridge does to all is done one by one.
    private func bench(_ count: Int) throws -> Bench {
        let bench = Bench().start()
        for number in 1...count { try bench.request(.vsi(UInt64(number))) }
        bench.run(for: .seconds(1))
        #expect(bench.associatedCount == count)
        bench.port.sweptAtOnce = 1
        // The next bridge is heard while the loss of the one before is being told.
        bench.latency = Interval(nanoseconds: 0)
        return bench
    }

    @Test("SPD-162 a link that goes, comes and goes amid slices leaves nothing bound, and once more up all is")
    func flap() throws {
        for steps in 0..<14 {
            let bench = try bench(8)
            bench.setLink(up: false)
            bench.run(steps: steps)
            bench.setLink(up: true)
            bench.run(steps: steps)
            bench.setLink(up: false)
            #expect(bench.port.vsis.allSatisfy { $0.state == .deassociated && $0.reason == .bridgeLost })
            bench.run(for: .seconds(1))
            #expect(bench.states.values.allSatisfy { $0 == .deassociated })
            bench.setLink(up: true)
            bench.run(for: .seconds(5))
            #expect(bench.associatedCount == 8 && bench.bridge.entries.count == 8)
            #expect(bench.states.values.allSatisfy { $0 == .associated })
        }
    }

    @Test("SPD-162 what is asked of a VSI that does not know of the loss yet is answered as if it did")
    func meanwhile() throws {
        let bench = try bench(6)
        bench.setLink(up: false)
        #expect(bench.port.isLosing)
        #expect(bench.port.vsi(.number(6))?.state == .deassociated && bench.port.outlook(.number(6)) == .waitsForBridge)
        #expect(throws: VSIRetryError.noBridge) { try bench.retry(5) }
        // An association may go back to less once it is lost.
        try bench.request(.vsi(6, .preAssociated))
        try bench.withdraw(.number(5))
        #expect(bench.port.vsi(.number(5)) == nil)
        #expect(throws: VSIRequestError.unknownVSI) { try bench.withdraw(.number(5)) }
        try bench.request(.vsi(7))
        bench.run(for: .milliseconds(1))
        #expect(!bench.port.isLosing && bench.port.vsis.count == 6)
        bench.setLink(up: true)
        bench.run(for: .seconds(5))
        #expect(bench.state(6) == .preassociated && bench.associatedCount == 5)
        #expect(bench.open.values.allSatisfy { $0 == 0 })
    }

    @Test("SPD-162 no bridge is asked of a VSI before all know that the one before is lost, and each is asked once")
    func appearance() throws {
        let bench = try bench(6)
        bench.setLink(up: false)
        bench.run(steps: 2)
        bench.clearLog()
        bench.setLink(up: true)
        bench.run(for: .seconds(5))
        let asked = bench.effects.compactMap { effect -> VSIState? in
            if case .vsi(.changed(let change)) = effect.effect { change.to } else { nil }
        }
        #expect(asked.count { $0 == .pending } == 6 && asked.count { $0 == .associated } == 6)
        let firstAsked = asked.firstIndex(of: .pending) ?? 0
        #expect(!asked[firstAsked...].contains(.deassociated))
    }

    @Test("SPD-162 what is due while VSIs do not know of the loss yet ends once, however late the next turn is")
    func late() throws {
        let bench = try bench(4)
        bench.loss = 100
        for number in 5...8 { try bench.request(.vsi(UInt64(number))) }
        bench.run(for: .milliseconds(20))
        bench.setLink(up: false)
        #expect(bench.port.isLosing)
        var effects: [StationEffect] = []
        while bench.port.isLosing { effects += bench.port.advance(to: bench.now + .seconds(60)) }
        effects += bench.port.advance(to: bench.now + .seconds(61))
        for number in UInt64(5)...8 {
            #expect(effects.count { $0 == .vsi(.ended(.number(number), .noBridge)) } == 1)
        }
        #expect(bench.port.vsis.count == 8 && bench.port.vsis.allSatisfy { $0.state == .deassociated })
    }

    @Test("SPD-162 a bridge that is heard in time is asked, also where others are asked before")
    func inTime() throws {
        let bench = Bench()
        bench.latency = Interval(nanoseconds: 0)
        bench.port.sweptAtOnce = 1
        bench.port.vdp.bridgeWait = .seconds(2)
        for number in 1...4 { try bench.request(.vsi(UInt64(number))) }
        bench.setLink(up: true)
        for _ in 0..<50 where bench.port.vdp.sweep == nil { bench.run(steps: 1) }
        #expect(bench.port.vdp.sweep?.kind == .appeared)
        let effects = bench.port.advance(to: bench.now + .seconds(3))
        #expect(!effects.contains { if case .vsi(.ended(_, .noBridge)) = $0 { true } else { false } })
        #expect(bench.port.vdp.vsis.allSatisfy { $0.exchange != .idle })
    }

    @Test("SPD-162 one that was given up is forgotten before it is asked for again")
    func forgotten() throws {
        let bench = try bench(3)
        bench.loss = 100
        try bench.withdraw(.number(3))
        bench.setLink(up: false)
        #expect(bench.port.isLosing)
        let loss = bench.port.catchUp(.number(3), at: bench.now)
        #expect(loss.contains(.vsi(.forgotten(.number(3)))))
        #expect(bench.port.catchUp(.number(3), at: bench.now).isEmpty)
        let request = try bench.port.request(.vsi(3), at: bench.now)
        #expect(!request.contains(.vsi(.forgotten(.number(3)))))
    }
}
