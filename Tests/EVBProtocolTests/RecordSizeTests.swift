import EVBTime
import EVBWire
import Testing

@testable import EVBProtocol

/// What a port keeps of each of tens of thousands of VSIs.
@Suite struct RecordSizeTests {
    @Test("SPD-190 the record of a VSI, and what is asked for it, have no more octets than they had")
    func sizes() {
        #expect(MemoryLayout<VDPStation.Record>.stride <= 88)
        #expect(MemoryLayout<VDPStation.Activity>.stride <= 80)
        #expect(MemoryLayout<VSIRequest>.size <= 88)
        #expect(MemoryLayout<VSIID>.stride <= 20)
        #expect(MemoryLayout<FilterInfo>.size <= 16)
        #expect(MemoryLayout<CompactInstant>.size == 8)
    }

    @Test("SPD-190 a VSI that is granted as it asked shares its request with what it asks for")
    func shared() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        #expect(bench.associatedCount == 1)
        let vdp = bench.port.vdp
        #expect(vdp.granted[0] != nil && vdp.granted[0] === vdp.wanted[0])
    }

    @Test("SPD-190 VSIs that ask for the same of a type share it, also where others ask for more types in between")
    func sharedTerms() throws {
        var recent = VDPStation.RecentTerms()
        var first: [VDPStation.Terms] = []
        for round in 0..<3 {
            for type in 0..<8 {
                var request = try VSIRequest.vsi(UInt64(10 * round + type))
                request.typeID = UInt32(type / 2)
                request.isKeptAlive = type % 2 == 0
                let terms = VDPStation.Terms(request, sharing: &recent)
                #expect(terms.request(request.vsiID) == request && terms.filter == request.filter)
                if round == 0 { first.append(terms) }
                #expect(terms.shares(with: first[type]) && (type == 0 || !terms.shares(with: first[type - 1])))
            }
        }
        // Of any number of types those that were asked for last.
        for type in 100..<200 {
            var request = try VSIRequest.vsi(1)
            request.typeID = UInt32(type)
            #expect(VDPStation.Terms(request, sharing: &recent).request(request.vsiID) == request)
        }
        let again = first[0].request(try VSIRequest.vsi(1).vsiID)
        #expect(!VDPStation.Terms(again, sharing: &recent).shares(with: first[0]))
        let filled = FilterInfo(FilterEntry(vid: 7))
        let terms = VDPStation.Terms(again, filter: filled)
        #expect(terms.filter == filled && terms.request(again.vsiID) == again)
    }

    @Test("SPD-190 each thing that a VSI can wait for is what it was when it is read again")
    func waits() {
        let moments = [0, 1, 17, .max - 1].map { Instant(nanoseconds: $0) }
        for until in moments {
            for wait in [VDPStation.Wait.none, .bridge(until: until), .keepAlive(at: until), .retry(at: until)] {
                #expect(VDPStation.PackedWait(wait).wait == wait)
            }
            for repeatAt in moments.map(Optional.some) + [nil] {
                for failures in 0...3 {
                    let wait = VDPStation.Wait.response(until: until, repeatAt: repeatAt, failures: failures)
                    #expect(VDPStation.PackedWait(wait).wait == wait)
                }
            }
        }
        var never = CompactInstant()
        #expect(never.wrappedValue == nil)
        never.wrappedValue = Instant(nanoseconds: .max)
        #expect(never.wrappedValue == Instant(nanoseconds: .max - 1), "the end of the clock's range is a moment too")
    }
}
