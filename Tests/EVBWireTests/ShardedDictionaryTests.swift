import EVBTime
import Testing

@testable import EVBWire

@Suite struct ShardedDictionaryTests {
    @Test("SPD-177 a large table is the same as a dictionary, whatever is done to it")
    func same() {
        print("same: EVBD_SEED=\(Cases.seed)")
        var random = SplitMix64(seed: Cases.seed)
        var (table, dictionary) = (ShardedDictionary<UInt64, Int>(), [UInt64: Int]())
        for step in 0..<20_000 {
            // More come than go, so that it is divided on the way.
            let key = random.next() % 4000
            switch random.next() % 8 {
            case 0: #expect(table.removeValue(forKey: key) == dictionary.removeValue(forKey: key))
            case 1: (table[key], dictionary[key]) = (nil, nil)
            case 2:
                table[key, default: 7] += 1
                dictionary[key, default: 7] += 1
            case 3:
                if let index = table.index(forKey: key) { table[index] += 2 }
                if let index = dictionary.index(forKey: key) { dictionary.values[index] += 2 }
            default: (table[key], dictionary[key]) = (step, step)
            }
            #expect(table.count == dictionary.count && table[key] == dictionary[key])
        }
        #expect(table.shards.count > 1)
        #expect(Dictionary(uniqueKeysWithValues: table.map { ($0.key, $0.value) }) == dictionary)
        #expect(Set(table.keys) == Set(dictionary.keys) && table.values.sorted() == dictionary.values.sorted())
        for key in dictionary.keys { table[key] = nil }
        #expect(table.isEmpty && !table.contains { _ in true })
    }

    @Test("SPD-177 no element that is added moves more than a small part of the others")
    func parts() {
        var table = ShardedDictionary<VSIID, Int>()
        var (capacities, most) = ([[0]], 0)
        for number in 0..<65_536 {
            table[VSIID(format: .uuid, high: 1, low: UInt64(number))] = number
            let now = table.shards.map { [$0.places.count, $0.allKeys.capacity, $0.allValues.capacity] }
            // A part that has another capacity than before was moved.
            let grown = now.indices.filter { $0 >= capacities.count || now[$0] != capacities[$0] }
            most = max(most, grown.reduce(0) { $0 + table.shards[$1].count })
            capacities = now
        }
        #expect(table.count == 65_536 && most < 2048, "\(most) at once")
        #expect(table.shards.allSatisfy { $0.count > 512 }, "all parts have as many: \(table.shards.map(\.count))")
    }

    @Test("SPD-350 a table gets its parts one by one, each out of one other, and moves no more than those two have")
    func oneByOne() {
        var table = ShardedDictionary<VSIID, Int>()
        var (before, most) = (table.shards.map(\.count), 0)
        for number in 0..<16_384 {
            table[VSIID(format: .uuid, high: 2, low: UInt64(number))] = number
            let now = table.shards.map(\.count)
            if now.count != before.count {
                #expect(now.count == before.count + 1, "\(before.count) parts became \(now.count)")
                let divided = before.indices.filter { now[$0] < before[$0] }
                #expect(divided.count <= 1, "\(divided.count) parts were divided at once")
                most = max(most, divided.reduce(0) { $0 + before[$1] })
            }
            before = now
        }
        #expect(table.shards.count == ShardedDictionary<VSIID, Int>.shardsMax && most < 512, "\(most) at once")
    }

    @Test("SPD-351 the keys of a table can be kept part by part without a copy of them")
    func keyParts() {
        var table = ShardedDictionary<VSIID, Int>()
        for number in 0..<4096 { table[VSIID(format: .uuid, high: 3, low: UInt64(number))] = number }
        let parts = table.keyParts
        #expect(parts.count == table.shards.count && Set(parts.joined()) == Set(table.keys))
        func places(_ arrays: [[VSIID]]) -> [UnsafePointer<VSIID>?] {
            arrays.map { $0.withUnsafeBufferPointer(\.baseAddress) }
        }
        #expect(places(parts) == places(table.shards.map(\.allKeys)), "they are shared")
        // What becomes of the table later is not in them.
        for key in parts.joined() { table[key] = nil }
        #expect(table.isEmpty && parts.joined().count == 4096)
    }
}
