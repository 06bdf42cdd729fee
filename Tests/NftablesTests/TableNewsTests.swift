import Testing

@testable import Nftables

/// What is read of nftables' news.
@Suite struct TableNewsTests {
    private func little(_ value: UInt16) -> [UInt8] { [UInt8(value & 0xFF), UInt8(value >> 8)] }

    private func attribute(_ type: UInt16, _ text: String) -> [UInt8] {
        let value = Array(text.utf8) + [0]
        let octets = little(UInt16(value.count + 4)) + little(type) + value
        return octets + [UInt8](repeating: 0, count: (4 - octets.count % 4) % 4)
    }

    private func message(_ type: UInt16, _ attributes: [UInt8]) -> [UInt8] {
        let length = UInt16(20 + attributes.count)
        return little(length) + [0, 0] + little(10 << 8 | type) + [UInt8](repeating: 0, count: 10) + [5, 0, 0, 0]
            + attributes
    }

    private func take(_ reader: inout TableNewsReader, _ octets: [UInt8]) -> Bool {
        octets.withUnsafeBytes { reader.take($0) }
    }

    @Test("SEC-409 what another process removes of our table is news; our own changes and other tables are not")
    func removals() {
        for type: UInt16 in [2, 5, 8, 11, 14] {
            for (table, process, isNews) in [
                ("ours", "nft", true), ("ours", "evbd-links", false), ("theirs", "nft", false),
            ] {
                var reader = TableNewsReader(table: "ours", thread: "evbd-links")
                let octets = message(type, attribute(1, table)) + message(15, attribute(3, process))
                #expect(take(&reader, octets) == isNews, "\(type) \(table) \(process)")
                #expect(!take(&reader, message(15, attribute(3, "nft"))), "told once")
            }
        }
        // In two datagrams; and what is added is none.
        var reader = TableNewsReader(table: "ours", thread: "evbd-links")
        #expect(!take(&reader, message(8, attribute(1, "ours"))))
        #expect(take(&reader, message(15, attribute(3, "nft"))))
        #expect(!take(&reader, message(6, attribute(1, "ours")) + message(15, attribute(3, "nft"))))
        var any = TableNewsReader(table: nil, thread: nil)
        #expect(take(&any, message(2, attribute(1, "theirs"))) && !take(&any, message(8, attribute(1, "theirs"))))
    }

    @Test("SEC-1127 the chains that lose rules by another process are named, once")
    func chains() {
        var reader = TableNewsReader(table: "ours", thread: "evbd-links")
        func removal(_ table: String, _ chain: String) -> [UInt8] {
            message(8, attribute(1, table) + attribute(2, chain))
        }
        let own = removal("ours", "own") + message(15, attribute(3, "evbd-links"))
        #expect(!take(&reader, own))
        let theirs = removal("ours", "guests") + removal("theirs", "x") + message(15, attribute(3, "nft"))
        #expect(take(&reader, theirs))
        let lost = reader.takeLostChains()
        let again = reader.takeLostChains()
        #expect(lost == ["guests"] && again.isEmpty)
    }

    @Test("SEC-410 news that is cut short anywhere is left")
    func short() {
        let whole = message(8, attribute(1, "ours")) + message(15, attribute(3, "nft"))
        for length in 0..<whole.count {
            var reader = TableNewsReader(table: "ours", thread: "evbd-links")
            #expect(!take(&reader, Array(whole.prefix(length))))
        }
        for offset in whole.indices {
            for value: UInt8 in [0, 1, 0x7F, 0xFF] {
                var octets = whole
                octets[offset] = value
                var reader = TableNewsReader(table: "ours", thread: "evbd-links")
                _ = take(&reader, octets)
            }
        }
    }
}
