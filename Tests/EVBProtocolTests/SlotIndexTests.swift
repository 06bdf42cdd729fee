import EVBTime
import EVBWire
import Glibc
import Testing

@testable import EVBProtocol

@Suite struct SlotIndexTests {
    @Test("SPD-190 names are found where a dictionary finds them, whatever comes and goes", arguments: 0..<8)
    func asADictionary(round: Int) {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 0...UInt64.max)
        var dice = SplitMix64(seed: seed)
        var (index, model) = (SlotIndex(), [VSIID: Int]())
        var (names, free) = ([VSIID?](), [Int]())
        // Few names come and go often, of many the table grows.
        let most = UInt64([3, 12, 200, 20_000][round % 4])
        for step in 0..<20_000 {
            let name = VSIID(format: .local, high: 0, low: dice.next() % most)
            let found = index.slot(of: name) { names[$0] == name }
            #expect(found == model[name], "EVBD_SEED=\(seed), step \(step)")
            if let found {
                guard dice.next() % 3 == 0 else { continue }
                index.remove(name, at: found)
                (model[name], names[found]) = (nil, nil)
                free.append(found)
            } else {
                let slot = free.popLast() ?? names.count
                if slot == names.count { names.append(name) } else { names[slot] = name }
                index.add(name, at: slot)
                model[name] = slot
            }
            #expect(index.count == model.count, "EVBD_SEED=\(seed), step \(step)")
        }
        for (name, slot) in model { #expect(index.slot(of: name) { names[$0] == name } == slot, "EVBD_SEED=\(seed)") }
    }
}
