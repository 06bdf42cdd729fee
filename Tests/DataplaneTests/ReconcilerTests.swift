import Testing

@testable import Dataplane

@Suite struct ReconcilerTests {
    @Test("SEC-1122 one step is under way, and what is wanted meanwhile is compared when it is done")
    func one() throws {
        var reconciler = Reconciler<Int>()
        let nothing = reconciler.next { nil }
        #expect(nothing == nil && !reconciler.isBusy)
        let begun = reconciler.next { 1 }
        let first = try #require(begun)
        #expect(first.step == 1 && reconciler.underWay == 1)
        var isPlanned = false
        let second = reconciler.next {
            isPlanned = true
            return 2
        }
        #expect(second == nil && !isPlanned, "no comparison while the kernel is changing")
        let ended = reconciler.ended(first.turn)
        #expect(ended?.step == 1 && ended?.mustCompare == true && !reconciler.isBusy)
        let again = reconciler.ended(first.turn)
        #expect(again == nil, "a step ends once")
        let next = reconciler.next { 3 }
        let third = try #require(next)
        let last = reconciler.ended(third.turn)
        #expect(last?.mustCompare == false)
    }

    @Test("SEC-1122 the result of a step that was overtaken or dropped does not count")
    func late() {
        var reconciler = Reconciler<String>()
        let first = reconciler.begin("on")
        let second = reconciler.begin("off")
        let overtaken = reconciler.ended(first)
        #expect(overtaken == nil && reconciler.underWay == "off")
        let latest = reconciler.ended(second)
        #expect(latest?.step == "off")
        let third = reconciler.begin("on")
        reconciler.reset()
        let dropped = reconciler.ended(third)
        #expect(dropped == nil && !reconciler.isBusy)
    }

    @Test("SEC-1122 in any order of wishes, results and news, the kernel has in the end what is wanted")
    func walk() {
        let seed = UInt64.random(in: 1 ... .max)
        var state = seed
        func dice(_ bound: UInt64) -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state % bound
        }
        var reconciler = Reconciler<Int>()
        var queue: [(step: Int, turn: Reconciler<Int>.Turn)] = []
        var (wanted, known, actual) = (0, 0, 0)
        func look() { if let next = reconciler.next({ wanted == known ? nil : wanted }) { queue.append(next) } }
        func perform() {
            guard let next = queue.first else { return }
            queue.removeFirst()
            actual = next.step
            guard reconciler.ended(next.turn) != nil else { return }
            known = actual
            look()
        }
        for _ in 0..<10_000 {
            switch dice(4) {
            case 0:
                wanted = Int(dice(3))
                look()
            case 1: perform()
            case 2:
                // Another process changes it, and the kernel tells of it.
                actual = Int(dice(3))
                if queue.isEmpty { known = actual }
                look()
            default: look()
            }
            #expect(queue.count <= 1, "seed \(seed)")
        }
        while !queue.isEmpty { perform() }
        known = actual
        look()
        perform()
        #expect(actual == wanted && queue.isEmpty, "seed \(seed)")
    }

    @Test("SEC-1122 a difference has what comes, what changes and what goes, and nothing of what is as it should be")
    func difference() {
        let wanted = [1: "a", 2: "b", 3: "c"]
        let actual = [2: "b", 3: "x", 4: "d"]
        let difference = Difference(of: 1...5, wanted: { wanted[$0] }, actual: { actual[$0] })
        #expect(difference.added == [1: "a"] && difference.replaced == [3: "c"] && difference.removed == [4])
    }
}
