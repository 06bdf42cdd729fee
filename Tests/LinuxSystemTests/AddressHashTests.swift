import Testing

@testable import LinuxSystem

@Suite struct AddressHashTests {
    private static let count = 4096

    /// Numbers as a stranger may choose them: one after the other, those of some bits alone, and spread.
    private static let numberings: [@Sendable (UInt64) -> UInt64] = [
        { $0 }, { $0 << 12 }, { $0 << 36 }, { $0 &* 0x9E37_79B9_7F4A_7C15 }, { $0 &* 0x1_0001_0001 },
    ]

    @Test("SPD-181 hardware addresses fall on as many places of a table as by chance, however they are numbered")
    func spread() {
        for (place, number) in Self.numberings.enumerated() {
            let addresses = Set((0..<UInt64(Self.count)).map { HardwareAddress(number($0)) })
            #expect(addresses.count == Self.count)
            for seed in [0, 1, -1, 0x7F00_1234_5678] {
                // By chance it is 1 - 1/e of them, 2,589, give or take 20.
                let taken = Set(addresses.map { $0._rawHashValue(seed: seed) & (Self.count - 1) }).count
                #expect(taken > 2400, "numbering \(place), seed \(seed)")
            }
        }
    }

    @Test("SPD-181 each bit of a hardware address and the seed change its hash")
    func bits() {
        let address = HardwareAddress(0x5254_00AB_CDEF)
        let hash = address._rawHashValue(seed: 0)
        for bit in 0..<48 { #expect(HardwareAddress(address.value ^ 1 << bit)._rawHashValue(seed: 0) != hash) }
        #expect(address._rawHashValue(seed: 1) != hash)
        #expect(Set([address, HardwareAddress(address.value)]).count == 1)
    }
}
