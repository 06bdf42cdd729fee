import LinuxSystem
import Testing

@Suite struct AddressSetTests {
    /// All sets of four addresses: small enough to try each against each.
    private static let all = (0..<16).map { bits in
        Set((0..<4).filter { bits & 1 << $0 != 0 }.map { HardwareAddress(0x5254_0000_0000 + UInt64($0)) })
    }

    @Test(arguments: all) func isTheLibrarysSet(_ one: Set<HardwareAddress>) {
        let mine = AddressSet(one)
        #expect(mine.asSet == one && Set(mine) == one && Array(mine).count == one.count)
        #expect(mine.only == (one.count == 1 ? one.first : nil))
        #expect(mine.count == one.count && mine.isEmpty == one.isEmpty)
        for address in Self.all[15] { #expect(mine.contains(address) == one.contains(address)) }
        for other in Self.all {
            #expect((mine == AddressSet(other)) == (one == other))
            #expect(mine.union(AddressSet(other)) == AddressSet(one.union(other)))
            #expect(mine.subtracting(AddressSet(other)) == AddressSet(one.subtracting(other)))
            #expect(mine.isSubset(of: AddressSet(other)) == one.isSubset(of: other))
            #expect(mine.isDisjoint(with: other) == one.isDisjoint(with: other))
        }
    }

    @Test func oneAddressIsASetOfOne() {
        let address = HardwareAddress(0x5254_0011_2233)
        #expect(AddressSet(address) == [address] && AddressSet(address) != [])
    }
}
