import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Stations that end and begin anew under the same name, as evbd does when it is killed.
@Suite struct StationRestartTests {
    @Test("VDP-36 TLV-18 a station that begins anew twice and heard nothing in between is answered by LLDP at once")
    func answered() {
        let bench = PairBench(station: .ratified, bridge: .ratified).start()
        bench.run(for: .seconds(40))
        let begin = {
            bench.station = StationPort(configuration: DraftBench.configuration(.ratified), firstSequence: 77)
            bench.stationDoes { $0.setLink(up: true, at: $1) }
        }
        bench.losesFromBridge = { if case .lldp = $0.payload { true } else { false } }
        begin()
        // The bridge is done with telling what the first has changed.
        bench.run(for: .seconds(10))
        #expect(bench.station.snapshot.peer == nil)
        bench.losesFromBridge = { _ in false }
        // This one says what the one before it said: nothing is new to the bridge.
        begin()
        bench.run(for: .seconds(2))
        #expect(bench.station.snapshot.peer != nil)
        #expect(bench.stationLosses.isEmpty)
    }

    @Test("SPD-343 of each VSI that is taken up it is said at once that it waits, and then no more")
    func resumed() throws {
        var station = StationPort(configuration: DraftBench.configuration(.ratified), firstSequence: 77)
        station.reserveCapacity(50)
        let now = Instant(nanoseconds: 1_000_000_000)
        for number in 0..<UInt64(50) {
            let vsiID = VSIID(format: .uuid, high: 7, low: number)
            let request = VSIRequest(
                vsiID: vsiID, target: .associated, managerID: VSIManagerID(short: 5, placement: .last), typeID: 7,
                typeVersion: 1, filter: try FilterInfo(checking: [FilterEntry(vid: 100)]))
            let change = try station.resume(request, isGranted: !number.isMultiple(of: 3), at: now)
            #expect(change == VSIChange(vsiID: vsiID, from: .deassociated, to: .pending, reason: nil))
        }
        #expect(station.flush(at: now).isEmpty && station.vsiCount == 50)
        #expect(station.vsiIDs.allSatisfy { station.vsi($0)?.state == .pending })
    }

    @Test("TLV-18 a station that never shows that it has heard a bridge makes it send no more than it does itself")
    func neverShown() {
        let bench = PairBench(station: .ratified, bridge: .ratified)
        bench.losesFromBridge = { _ in true }
        bench.start()
        bench.run(for: .seconds(600))
        let (own, theirs) = (bench.sentByBridge.count, bench.sentByStation.count)
        #expect(own <= 2 * theirs + 10, "\(own) LLDPDUs for \(theirs)")
    }
}
