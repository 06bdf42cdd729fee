import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

@Suite("Requests that come together") struct FlushTests {
    private func payloads(_ effects: [StationEffect]) throws -> [[VSITLV]] {
        try effects.compactMap { effect in
            guard case .transmit(let frame) = effect, case .ecp(let ecpdu) = frame.payload, ecpdu.operation == .request
            else { return nil }
            return try VDPDU.decode(ecpdu.payload).pdu.associations
        }
    }

    @Test("SPD-171 what requests have to say waits for the flush, and leaves in one frame and in their order")
    func together() throws {
        let bench = Bench().start()
        for number in 1...7 as ClosedRange<UInt64> {
            let effects = try bench.port.request(.vsi(number), isSent: false, at: bench.now)
            #expect(try payloads(effects).isEmpty)
        }
        let sent = try payloads(bench.port.flush(at: bench.now))
        #expect(sent.map { $0.map(\.vsiID) } == [(1...7).map { VSIID.number($0) }])
        #expect(try payloads(bench.port.flush(at: bench.now)).isEmpty)
    }

    @Test("SPD-171 a withdrawal waits likewise, and any other call sends what waits")
    func withdrawals() throws {
        let bench = Bench().start()
        for number in 1...3 as ClosedRange<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(1))
        #expect(bench.associatedCount == 3)
        for number in 1...3 as ClosedRange<UInt64> {
            #expect(try payloads(bench.port.withdraw(.number(number), isSent: false, at: bench.now)).isEmpty)
        }
        let sent = try payloads(bench.port.advance(to: bench.now))
        #expect(sent.map { $0.map(\.command) } == [[.deAssociate, .deAssociate, .deAssociate]])
    }
}
