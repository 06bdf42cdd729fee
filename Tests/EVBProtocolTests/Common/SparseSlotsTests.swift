import EVBTime
import Testing

@testable import EVBProtocol

/// Values of some slots against a dictionary.
@Suite struct SparseSlotsTests {
    @Test("SPD-301 values of some slots are what a dictionary has, over random operations")
    func asADictionary() {
        var random = SplitMix64(seed: Environment.seed("sparseSlots", otherwise: 0xCAFE))
        for round in 0..<40 {
            var (values, model) = (SparseSlots([Int]()), [Int: [Int]]())
            let slots = 1 + random.below(round < 20 ? 8 : 300)
            for step in 0..<1000 {
                let slot = random.below(slots)
                // Ever more of them, and ever fewer.
                if random.chance(step < 500 ? 20 : 60) {
                    values.remove(slot)
                    model[slot] = nil
                } else {
                    values[slot].append(step)
                    model[slot, default: []].append(step)
                }
                guard values.count == model.count, (0...slots).allSatisfy({ values[$0] == model[$0] ?? [] }) else {
                    Issue.record("round \(round), step \(step): the values are not those of the model")
                    return
                }
            }
        }
    }

    @Test("SPD-342 values for which there is room do not grow over it")
    func reserved() {
        var values = SparseSlots(0)
        values.reserveCapacity(5000)
        let room = values.capacity
        for slot in 0..<5000 { values[slot] = slot }
        #expect(room >= 5000 && values.capacity == room && values[4999] == 4999)
    }

    @Test("SPD-301 the room of many values is given back when few are left, and that of all when none is")
    func room() {
        var values = SparseSlots(0)
        for slot in 0..<10_000 { values[slot] = slot }
        for slot in 10..<10_000 { values.remove(slot) }
        #expect(values.capacity <= 128 && (0..<10).allSatisfy { values[$0] == $0 })
        for slot in 0..<10 { values.remove(slot) }
        #expect(values.count == 0 && values.capacity <= 128 && values[3] == 0)
    }
}
