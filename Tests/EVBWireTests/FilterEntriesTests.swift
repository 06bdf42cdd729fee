import EVBWire
import Testing

@Suite("The entries of a filter")
struct FilterEntriesTests {
    private static let all = (0..<5).map { FilterEntry(vid: UInt16($0 + 1), macAddress: GoldenVDPDU.mac) }

    @Test("are those that were given, however many", arguments: 0...5)
    func given(count: Int) {
        let given = Array(Self.all.prefix(count))
        let entries = FilterEntries(given)
        #expect(Array(entries) == given && entries.count == count && entries.isEmpty == (count == 0))
        #expect(entries.only == (count == 1 ? given[0] : nil))
        #expect(entries.indices.map { entries[$0] } == given)
        #expect(entries.map(\.vid) == given.map(\.vid) && entries.reversed() == given.reversed())
    }

    @Test("are equal where they are the same in the same order")
    func equality() {
        for one in 0...3 {
            for other in 0...3 {
                let (one, other) = (Array(Self.all.prefix(one)), Array(Self.all.prefix(other)))
                #expect((FilterEntries(one) == FilterEntries(other)) == (one == other))
                #expect(one != other || FilterEntries(one).hashValue == FilterEntries(other).hashValue)
            }
        }
        #expect(FilterEntries(Array(Self.all.prefix(2))) != FilterEntries(Self.all.prefix(2).reversed()))
    }
}
