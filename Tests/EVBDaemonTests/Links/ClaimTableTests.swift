import EVBTime
import EVBWire
import Glibc
import LinuxSystem
import Testing

@testable import EdgeRelays

@Suite struct ClaimTableTests {
    private let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? 20_261_130

    @Test("SPD-190 what VSIs say of their addresses, and how often each is said, is what a dictionary would have")
    func same() {
        print("claims: EVBD_SEED=\(seed)")
        var random = SplitMix64(seed: seed)
        func some() -> AddressSet {
            AddressSet(
                Set((0..<(random.next() % 3)).map { _ in HardwareAddress(0x5254_0000_0000 | random.next() % 40) }))
        }
        var (table, counts) = (ClaimTable(), AddressCounts())
        var model: [VSIID: ClosedAddresses.Claim] = [:]
        for step in 0..<5000 {
            let vsiID = VSIID(format: .uuid, high: 1, low: random.next() % 50)
            let former = model[vsiID]
            if random.next() % 4 == 0 {
                model[vsiID] = nil
                #expect(table.remove(vsiID) == former)
            } else {
                let open = some()
                let claim = ClosedAddresses.Claim(open: open, closed: some().subtracting(open))
                model[vsiID] = claim
                #expect(table.update(claim, of: vsiID) == former)
            }
            #expect(table[vsiID] == model[vsiID], "EVBD_SEED=\(seed), step \(step)")
            for (claim, by) in [(model[vsiID], Int32(1)), (former, -1)] {
                for address in claim?.open ?? [] { counts.add(AddressCounts.Count(open: by, ofVSIs: by), to: address) }
                for address in claim?.closed ?? [] {
                    counts.add(AddressCounts.Count(closed: by, ofVSIs: by), to: address)
                }
            }
            for number in 0..<40 where step % 50 == 0 {
                let address = HardwareAddress(0x5254_0000_0000 | UInt64(number))
                let open = Int32(model.values.count { $0.open.contains(address) })
                let closed = Int32(model.values.count { $0.closed.contains(address) })
                #expect(counts[address] == AddressCounts.Count(open: open, closed: closed, ofVSIs: open + closed))
                #expect(counts.addresses.contains(address) == (open + closed > 0))
            }
        }
        #expect(model.allSatisfy { table[$0.key] == $0.value })
    }
}
