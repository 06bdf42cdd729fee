import Testing

@testable import EVBWire

@Suite("Hashes of identifiers")
struct KeyedHashTests {
    private static let count = 4096

    /// Numbers as a stranger may choose them: one after the other, or with some bits of them alone.
    private static let numberings: [@Sendable (UInt64) -> UInt64] = [
        { $0 }, { $0 << 20 }, { $0 << 52 }, { $0 &* 0x9E37_79B9_7F4A_7C15 }, { $0 &* 0x1_0001_0001_0001 },
    ]

    /// How many of 4,096 places of a table are taken by as many hashes. By chance it is 1 - 1/e of them, 2,589, give or take 20.
    private func taken(_ hashes: [Int]) -> Int { Set(hashes.map { $0 & (Self.count - 1) }).count }

    @Test("SPD-181 VSIIDs and addresses fall on as many places of a table as by chance, however they are numbered")
    func spread() {
        for (place, number) in Self.numberings.enumerated() {
            let numbers = (0..<UInt64(Self.count)).map(number)
            for seed in [0, 1, -1, 0x7F00_1234_5678] {
                let ids = [
                    numbers.map { VSIID(format: .uuid, high: 0, low: $0)._rawHashValue(seed: seed) },
                    numbers.map { VSIID(format: .uuid, high: $0, low: 0)._rawHashValue(seed: seed) },
                    numbers.map { VSIID(format: .local, high: $0, low: $0)._rawHashValue(seed: seed) },
                ]
                for hashes in ids { #expect(taken(hashes) > 2400, "numbering \(place), seed \(seed)") }
            }
            let addresses = Set(numbers.map { MACAddress(truncating: $0 ^ $0 >> 16) })
            guard addresses.count == Self.count else { continue }
            #expect(taken(addresses.map { $0._rawHashValue(seed: 7) }) > 2400, "numbering \(place)")
        }
    }

    @Test("SPD-181 each octet of a VSIID, its format and the seed change its hash")
    func octets() {
        let id = VSIID(format: .uuid, high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210)
        let hash = id._rawHashValue(seed: 0)
        for bit in 0..<64 {
            let others = [
                VSIID(format: id.format, high: id.high ^ 1 << bit, low: id.low),
                VSIID(format: id.format, high: id.high, low: id.low ^ 1 << bit),
            ]
            for other in others { #expect(other._rawHashValue(seed: 0) != hash) }
        }
        #expect(VSIID(format: .local, high: id.high, low: id.low)._rawHashValue(seed: 0) != hash)
        #expect(id._rawHashValue(seed: 1) != hash)
        #expect(VSIID(format: .uuid, octets: id.octets)?._rawHashValue(seed: 0) == hash)
        #expect(Set([id, id]).count == 1 && Dictionary(uniqueKeysWithValues: [(id, 1)])[id] == 1)
    }
}
