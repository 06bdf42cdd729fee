import EVBTime
import Testing

@testable import EVBWire

@Suite struct DenseDictionaryTests {
    /// Has few hashes, so that many keys stand behind each other's places.
    private struct Key: Hashable {
        let number: UInt64

        func hash(into hasher: inout Hasher) { hasher.combine(number % 64) }
    }

    @Test("SPD-190 a dense dictionary is the same as a dictionary, whatever is done to it", arguments: [false, true])
    func same(isCrowded: Bool) {
        print("dense: EVBD_SEED=\(Cases.seed)")
        if isCrowded { walk(keys: 300) { Key(number: $0) } } else { walk(keys: 4000) { $0 } }
    }

    private func walk<Own: Hashable>(keys: UInt64, _ own: (UInt64) -> Own) {
        var random = SplitMix64(seed: Cases.seed)
        var (table, dictionary) = (DenseDictionary<Own, [Int]>(), [Own: [Int]]())
        for step in 0..<20_000 {
            let key = own(random.next() % keys)
            switch random.next() % 8 {
            case 0: #expect(table.removeValue(forKey: key) == dictionary.removeValue(forKey: key))
            case 1: (table[key], dictionary[key]) = (nil, nil)
            case 2:
                table[key, default: [7]].append(step)
                dictionary[key, default: [7]].append(step)
            case 3:
                if let index = table.index(forKey: key) { table[index: index].append(2) }
                dictionary[key]?.append(2)
            case 4:
                table[key]?.append(3)
                dictionary[key]?.append(3)
            case 5: #expect(table.updateValue([step], forKey: key) == dictionary.updateValue([step], forKey: key))
            default: (table[key], dictionary[key]) = ([step], [step])
            }
            #expect(table.count == dictionary.count && table[key] == dictionary[key])
        }
        #expect(Dictionary(uniqueKeysWithValues: table.map { ($0.key, $0.value) }) == dictionary)
        #expect(Set(table.keys) == Set(dictionary.keys) && table.values.count(where: { _ in true }) == dictionary.count)
        for key in dictionary.keys { table[key] = nil }
        #expect(table.isEmpty && !table.contains { _ in true })
    }

    @Test("SPD-190 what is changed in a dense dictionary is changed in its place")
    func inPlace() {
        var table = DenseDictionary<Int, [Int]>()
        table[1] = Array(0..<100)
        func address() -> Int { table[1]?.withUnsafeBufferPointer { Int(bitPattern: $0.baseAddress) } ?? 0 }
        let before = address()
        table[1]?[0] = 7
        table[1, default: []][1] = 8
        if let index = table.index(forKey: 1) { table[index: index][2] = 9 }
        #expect(table[1]?.prefix(4) == [7, 8, 9, 3] && address() == before, "its memory was copied")
    }

    @Test("SPD-190 a dense dictionary has no more room than twice what is in it, and gives it back when that goes")
    func room() {
        var table = DenseDictionary<UInt64, Int>()
        for number in 0..<10_000 { table[UInt64(number)] = number }
        #expect(table.places.count == 16_384 && table.allKeys.capacity <= 20_000)
        for number in 0..<9_990 { table[UInt64(number)] = nil }
        #expect(table.places.count <= 256 && table.allKeys.capacity <= 1024 && table.allValues.capacity <= 1024)
        #expect((0..<10_000).allSatisfy { table[UInt64($0)] == ($0 < 9_990 ? nil : $0) })
        table = DenseDictionary()
        for number in 0..<1000 {
            table[UInt64(number)] = number
            #expect(
                table.allKeys.capacity <= table.count * 5 / 4 + 8 && table.allValues.capacity <= table.count * 5 / 4 + 8
            )
        }
        table = DenseDictionary()
        table.reserveCapacity(1000)
        #expect(table.places.count == 2048 && table[1] == nil && table.removeValue(forKey: 1) == nil)
    }
}
