import EVBTime
import EVBWire
import Testing

@testable import EVBProtocol

/// What a port keeps of each of tens of thousands of VSIs.
@Suite struct RecordSizeTests {
    @Test("SPD-190 the record of a VSI, and what is asked for it, have no more octets than they had")
    func sizes() {
        #expect(MemoryLayout<VDPStation.Record>.stride <= 72)
        #expect(MemoryLayout<VDPStation.Activity>.stride <= 80)
        #expect(MemoryLayout<VSIRequest>.size <= 88)
        #expect(MemoryLayout<VSIID>.stride <= 20)
        #expect(MemoryLayout<FilterInfo>.size <= 16)
        #expect(MemoryLayout<VDPStation.Terms?>.stride <= 24)
        #expect(MemoryLayout<CompactInstant>.size == 8)
    }

    @Test("SPD-190 a VSI that is granted as it asked shares its request with what it asks for")
    func shared() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        #expect(bench.associatedCount == 1)
        let vdp = bench.port.vdp
        let (wanted, granted) = (try #require(vdp.wanted(0)), try #require(vdp.granted(0)))
        #expect(granted.isSame(as: wanted) && vdp.terms.otherCount == 0)
    }

    @Test("SPD-346 what is wanted and granted of a slot is what was set last, and is kept once where both are the same")
    func termsTable() throws {
        var (table, recent) = (VDPStation.TermsTable(), VDPStation.RecentTerms())
        var wanted = [VSIRequest?](repeating: nil, count: 20)
        var granted = [(request: VSIRequest, filter: FilterInfo)?](repeating: nil, count: 20)
        for _ in wanted { table.append() }
        var random = SplitMix64(seed: 20_261_130)
        for _ in 0..<3000 {
            let slot = Int(random.next() % 20)
            var request = try VSIRequest.vsi(UInt64(slot))
            request.typeID = UInt32(random.next() % 3)
            switch random.next() % 5 {
            case 0:
                table.setWanted(slot, VDPStation.Terms(request, sharing: &recent))
                wanted[slot] = request
            case 1:
                // As it was asked for.
                guard let asked = wanted[slot] else { continue }
                table.setGranted(slot, table.wanted[slot])
                granted[slot] = (asked, asked.filter)
            case 2:
                let filled = FilterInfo(FilterEntry(vid: UInt16(random.next() % 3 + 1)))
                table.setGranted(slot, VDPStation.Terms(request, filter: filled))
                granted[slot] = (request, filled)
            case 3:
                table.setGranted(slot, nil)
                granted[slot] = nil
            default:
                table.forget(slot)
                (wanted[slot], granted[slot]) = (nil, nil)
            }
            for slot in wanted.indices {
                let vsiID = try VSIRequest.vsi(UInt64(slot)).vsiID
                #expect(table.wanted[slot]?.request(vsiID) == wanted[slot])
                #expect(table.granted(slot)?.request(vsiID) == granted[slot]?.request)
                #expect(table.granted(slot)?.filter == granted[slot]?.filter)
                #expect(table.isGranted(slot) == (granted[slot] != nil))
            }
            let others = wanted.indices.count { granted[$0] != nil && !isOnce(table, $0) }
            #expect(table.otherCount == others)
        }
    }

    private func isOnce(_ table: VDPStation.TermsTable, _ slot: Int) -> Bool {
        guard let wanted = table.wanted[slot], let granted = table.granted(slot) else { return false }
        return granted.isSame(as: wanted)
    }

    @Test("SPD-347 how often VSIs have failed is kept of those that have failed, until they are asked for once more")
    func failures() throws {
        let bench = Bench().start()
        for number in 2...5 { try bench.request(.vsi(UInt64(number))) }
        bench.run(for: .seconds(1))
        #expect(bench.associatedCount == 4 && bench.port.vdp.failures.count == 0)
        bench.bridge.policy = {
            .init(verdict: $0.vsiID == .number(1) ? .refuse(.managerUnreachable) : .grant())
        }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(20))
        #expect(bench.port.vdp.failures.count == 1)
        let slot = try #require(bench.port.vdp.slot(of: .number(1)))
        #expect(bench.port.vdp.failures[slot].count == 5, "after 0, 1, 3, 7 and 15 seconds")
        bench.bridge.policy = { _ in .init(verdict: .grant()) }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        #expect(bench.state(1) == .associated && bench.port.vdp.failures.count == 0)
        bench.bridge.policy = {
            .init(verdict: $0.vsiID == .number(21) ? .refuse(.managerUnreachable) : .grant())
        }
        try bench.request(.vsi(21))
        bench.run(for: .seconds(2))
        #expect(bench.port.vdp.failures.count == 1)
        try bench.withdraw(.number(21))
        bench.run(for: .seconds(1))
        #expect(bench.port.vdp.failures.count == 0)
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
