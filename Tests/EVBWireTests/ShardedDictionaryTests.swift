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
            let grown = now.indices.filter { now.count != capacities.count || now[$0] != capacities[$0] }
            most = max(most, grown.reduce(0) { $0 + table.shards[$1].count })
            capacities = now
        }
        #expect(table.count == 65_536 && most < 2048, "\(most) at once")
        #expect(table.shards.allSatisfy { $0.count > 512 }, "all parts have as many: \(table.shards.map(\.count))")
    }
}
