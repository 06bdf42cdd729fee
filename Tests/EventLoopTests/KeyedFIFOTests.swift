import EVBTime
import Glibc
import Testing

@testable import EventLoop

/// A queue out of which all of one key can be taken.
@Suite struct KeyedFIFOTests {
    /// What it does, by the plainest means.
    private struct Model {
        var waiting: [(element: Int, key: Int?)] = []

        mutating func popFirst() -> Int? { waiting.isEmpty ? nil : waiting.removeFirst().element }

        mutating func takeAll(_ key: Int) -> [Int] {
            defer { waiting.removeAll { $0.key == key } }
            return waiting.filter { $0.key == key }.map(\.element)
        }
    }

    @Test("SPD-132 it gives what a plain list gives, in any order of what is asked of it", arguments: 0..<20)
    func asAList(round: Int) {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 0...UInt64.max)
        var dice = SplitMix64(seed: seed)
        var (queue, model) = (KeyedFIFO<Int, Int>(), Model())
        // Few keys and many, short queues and long ones.
        let keys = UInt64([1, 3, 50, 1000][round % 4])
        for step in 0..<5000 {
            switch dice.next() % 100 {
            case ..<UInt64(step % 2000 < 1000 ? 70 : 20):
                let key = dice.next() % 5 == 0 ? nil : Int(dice.next() % keys)
                queue.append(step, key: key)
                model.waiting.append((step, key))
            case 95...:
                let key = Int(dice.next() % keys)
                #expect(queue.takeAll(key) == model.takeAll(key), "EVBD_SEED=\(seed), step \(step)")
            default:
                #expect(queue.popFirst() == model.popFirst(), "EVBD_SEED=\(seed), step \(step)")
            }
            #expect(
                queue.count == model.waiting.count && queue.isEmpty == model.waiting.isEmpty,
                "EVBD_SEED=\(seed), step \(step)")
        }
        while let next = model.popFirst() { #expect(queue.popFirst() == next, "EVBD_SEED=\(seed)") }
        #expect(queue.popFirst() == nil)
    }

    @Test("SPD-190 a queue that was long gives its room back when it is empty, whichever way it became so")
    func room() {
        var queue = KeyedFIFO<Int, Int>()
        for way in 0..<2 {
            for number in 0..<10_000 { queue.append(number, key: number) }
            for number in stride(from: 0, to: way * 9_999, by: 2) { #expect(queue.takeAll(number) == [number]) }
            while queue.popFirst() != nil {}
            #expect(queue.chunks.reduce(0) { $0 + $1.capacity } <= 1024 && queue.chains.capacity <= 1024)
        }
        for number in 0..<200 { queue.append(number, key: number) }
        while queue.popFirst() != nil {}
        #expect(queue.chunks.reduce(0) { $0 + $1.capacity } <= 32, "one of each of many ports")
        // A short one keeps its own.
        queue.append(1, key: 1)
        _ = queue.popFirst()
        #expect(queue.chunks[0].capacity > 0)
    }
}
