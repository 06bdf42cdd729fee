import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// The draft over a wire that loses frames at random: its ECP waits 500 ms for an acknowledgement, whatever is agreed.
@Suite struct DraftLossTests {
    @Test("VDP-18 VDP-39 100 VSIs in the draft over 20 % loss", arguments: 1...8 as ClosedRange<UInt64>)
    func aFifthIsLost(seed: UInt64) throws {
        let bench = PairBench(station: .draft, bridge: .draft, vsisMax: 200).start()
        var dice = seed &* 0x9E37_79B9_7F4A_7C15
        func loses() -> Bool {
            dice ^= dice << 13
            dice ^= dice >> 7
            dice ^= dice << 17
            return dice % 5 == 0
        }
        for number in 1...100 as ClosedRange<UInt64> { try bench.request(number) }
        bench.losesFromStation = { if case .draftECP = $0.payload { loses() } else { false } }
        bench.losesFromBridge = bench.losesFromStation
        bench.run(for: .seconds(300))
        let vdp = bench.station.snapshot.statistics.vdp
        #expect(bench.releases.isEmpty, "\(bench.releases.count) of them, stalls \(vdp.stalls), repeats \(vdp.repeats)")
        #expect((1...100).allSatisfy { bench.state($0) == .associated })
    }
}
