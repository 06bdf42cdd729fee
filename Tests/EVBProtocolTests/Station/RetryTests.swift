import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

@Suite struct RetryTests {
    @Test("OPS-231 a VSI that was refused for good is asked for again at once by hand, and its end is told")
    func hardRefusal() throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .refuse(.invalidFormat, .hard)) }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(3600))
        #expect(try bench.tlvs(1).count == 1)
        #expect(bench.port.outlook(.number(1)) == .refusedForGood)
        try bench.retry(1)
        bench.run(for: .seconds(3600))
        #expect(try bench.tlvs(1).count == 2)
        bench.bridge.policy = { _ in .init(verdict: .grant()) }
        try bench.retry(1)
        bench.run(for: .milliseconds(10))
        #expect(bench.state(1) == .associated)
        #expect(bench.port.outlook(.number(1)) == .keepsAlive)
        let refusal = Refusal(reason: .invalidFormat, isHard: true, isKept: false)
        #expect(bench.outcomes(1) == [.refused(refusal), .refused(refusal), .granted])
    }

    @Test("OPS-231 a VSI that waits for its next try is asked for at once, and the pauses begin again")
    func backoff() throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .refuse(.insufficientResources)) }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(200))
        guard case .retries(let at) = bench.port.outlook(.number(1)) else {
            Issue.record("\(String(describing: bench.port.outlook(.number(1))))")
            return
        }
        #expect(at > bench.now)
        let count = try bench.tlvs(1).count
        try bench.retry(1)
        bench.run(for: .milliseconds(10))
        #expect(try bench.tlvs(1).count == count + 1)
        guard case .retries(let next) = bench.port.outlook(.number(1)) else {
            Issue.record("\(String(describing: bench.port.outlook(.number(1))))")
            return
        }
        #expect(next < bench.now + .seconds(2))
    }

    @Test("OPS-232 nothing is asked for again that the bridge holds or is being asked, nor without a bridge")
    func nothingToRetry() throws {
        let bench = Bench()
        try bench.request(.vsi(1))
        #expect(bench.port.outlook(.number(1)) == .waitsForBridge)
        #expect(throws: VSIRetryError.noBridge) { try bench.retry(1) }
        bench.start()
        #expect(bench.state(1) == .associated)
        #expect(throws: VSIRetryError.isInForce) { try bench.retry(1) }
        bench.bridge.policy = { _ in .init(verdict: .silence) }
        try bench.request(.vsi(2))
        bench.run(for: .milliseconds(1))
        guard case .waitsForAnswer(.associate, _) = bench.port.outlook(.number(2)) else {
            Issue.record("\(String(describing: bench.port.outlook(.number(2))))")
            return
        }
        #expect(throws: VSIRetryError.isUnderWay) { try bench.retry(2) }
        try bench.withdraw(.number(1))
        #expect(throws: VSIRetryError.isWithdrawn) { try bench.retry(1) }
        #expect(throws: VSIRetryError.unknownVSI) { try bench.retry(9) }
        #expect(bench.port.outlook(.number(9)) == nil)
    }
}
