import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

extension Bench {
    fileprivate func drain() { perform(port.drain(at: now)) }
    fileprivate func endDrain() { perform(port.endDrain(at: now)) }
}

@Suite struct DrainTests {
    @Test("OPS-243 a drained port gives all back in order, asks for nothing, and asks for all when the drain ends")
    func drainAndBack() throws {
        let bench = Bench().start()
        for number in 1...5 { try bench.request(.vsi(UInt64(number))) }
        bench.run(for: .seconds(1))
        #expect(bench.associatedCount == 5 && bench.bridge.entries.count == 5)
        bench.clearLog()
        bench.drain()
        bench.run(for: .seconds(1))
        #expect(bench.bridge.entries.isEmpty)
        #expect(bench.port.vsis.count == 5)
        #expect(bench.port.vsis.allSatisfy { $0.state == .deassociated && $0.reason == .drained && !$0.isWithdrawn })
        bench.clearLog()
        bench.run(for: .seconds(3600))
        #expect(bench.sent.allSatisfy { !$0.frame.isECP })
        bench.endDrain()
        bench.run(for: .seconds(1))
        #expect(bench.associatedCount == 5 && bench.bridge.entries.count == 5)
    }

    @Test("OPS-243 the bridge may go and come back under a drain, and nothing is asked of it before the end")
    func bridgeGoes() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        bench.drain()
        bench.run(for: .seconds(1))
        bench.setLink(up: false)
        bench.run(for: .seconds(60))
        bench.setLink(up: true)
        bench.run(for: .seconds(60))
        #expect(bench.bridge.entries.isEmpty && bench.port.vsi(.number(1))?.reason == .drained)
        #expect(bench.port.outlook(.number(1)) == .isDrained)
        #expect(throws: VSIRetryError.isDrained) { try bench.retry(1) }
        bench.endDrain()
        bench.run(for: .seconds(1))
        #expect(bench.state(1) == .associated)
    }

    @Test("OPS-244 a request under a drain is taken and waits; one that is taken back meanwhile is not asked for")
    func requestsMeanwhile() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { _ in .init(verdict: .silence) }
        bench.drain()
        // Its De-Associate is under way.
        try bench.request(.vsi(1))
        try bench.request(.vsi(2))
        try bench.request(.vsi(3))
        bench.run(for: .seconds(300))
        #expect(bench.outcomes(2) == [.noBridge])
        try bench.withdraw(.number(3))
        bench.run(for: .seconds(1))
        #expect(bench.port.vsi(.number(3)) == nil)
        bench.bridge.policy = { _ in .init(verdict: .grant()) }
        bench.endDrain()
        bench.run(for: .seconds(2))
        #expect(bench.state(1) == .associated && bench.state(2) == .associated)
        #expect(bench.port.vsis.count == 2)
    }

    @Test("OPS-244 a drain that ends before the bridge has released all loses nothing", arguments: [0, 1, 100, 3000])
    func shortDrain(_ milliseconds: UInt64) throws {
        let bench = Bench().start()
        for number in 1...20 { try bench.request(.vsi(UInt64(number))) }
        bench.run(for: .seconds(1))
        bench.bridge.policy = { _ in .init(verdict: .grant(), after: .milliseconds(200)) }
        bench.drain()
        bench.run(for: .milliseconds(milliseconds))
        bench.endDrain()
        bench.run(for: .seconds(120))
        #expect(bench.associatedCount == 20 && bench.bridge.entries.count == 20)
    }
}
