import Testing

@testable import EVBProtocol
@testable import EVBTime

/// The two containers against naive models.
@Suite struct QueueTests {
    @Test("DeadlineHeap does what a dictionary does, over random operations")
    func deadlineHeap() {
        var random = SplitMix64(seed: Environment.seed("deadlineHeap", otherwise: 0xDEAD))
        for round in 0..<40 {
            var heap = DeadlineHeap()
            var model: [Int: Instant] = [:]
            let members = 1 + random.below(round < 20 ? 8 : 300)
            for _ in 0..<500 {
                let member = random.below(members)
                if random.chance(30) {
                    heap.set(member, nil)
                    model[member] = nil
                } else {
                    // Few different deadlines in some rounds, so that many are equal.
                    let deadline = Instant(nanoseconds: random.next() % (round % 2 == 0 ? 10 : 1_000_000))
                    heap.set(member, deadline)
                    model[member] = deadline
                }
                guard agree(heap, model, probe: random.below(members + 2)) else {
                    Issue.record("round \(round): the heap is not the model")
                    return
                }
            }
            drain(&heap, model)
        }
    }

    private func agree(_ heap: DeadlineHeap, _ model: [Int: Instant], probe: Int) -> Bool {
        guard heap.count == model.count, heap.deadline(of: probe) == model[probe] else { return false }
        guard let next = heap.next else { return model.isEmpty }
        return next.deadline == model.values.min() && model[next.member] == next.deadline
    }

    /// What is left comes out in order, each once.
    private func drain(_ heap: inout DeadlineHeap, _ model: [Int: Instant]) {
        var left = model
        var last = Instant.origin
        while let next = heap.next {
            guard next.deadline >= last, left.removeValue(forKey: next.member) == next.deadline else {
                Issue.record("out of order: member \(next.member)")
                return
            }
            last = next.deadline
            heap.set(next.member, nil)
        }
        #expect(left.isEmpty)
    }

    /// A queue as one would write it without a thought of speed.
    private struct Model {
        var commands: [Int] = []
        var keepAlives: [Int] = []

        mutating func append(_ slot: Int, isKeepAlive: Bool) {
            if isKeepAlive {
                if !keepAlives.contains(slot) { keepAlives.append(slot) }
            } else if !commands.contains(slot) {
                commands.append(slot)
            }
        }

        mutating func remove(_ slot: Int) {
            commands.removeAll { $0 == slot }
            keepAlives.removeAll { $0 == slot }
        }

        var isKeepAliveTurn = false

        /// A command and a keep-alive in turn, and what there is where one of them has none.
        mutating func popFirst() -> Int? {
            defer { isKeepAliveTurn.toggle() }
            let takesKeepAlive = isKeepAliveTurn ? !keepAlives.isEmpty : commands.isEmpty
            if takesKeepAlive { return keepAlives.isEmpty ? nil : keepAlives.removeFirst() }
            return commands.isEmpty ? nil : commands.removeFirst()
        }

        mutating func take(limit: Int, _ isWanted: (Int) -> TransmitQueue.Selection) -> [Int] {
            var taken: [Int] = []
            lanes: for lane in [commands, keepAlives] {
                for slot in lane.prefix(limit) {
                    switch isWanted(slot) {
                    case .take: taken.append(slot)
                    case .skip: break
                    case .stop: break lanes
                    }
                }
            }
            for slot in taken { remove(slot) }
            return taken
        }
    }

    @Test("TransmitQueue does what two arrays do, over random operations")
    func transmitQueue() {
        var random = SplitMix64(seed: Environment.seed("transmitQueue", otherwise: 0xBEEF))
        for round in 0..<40 {
            var queue = TransmitQueue()
            var model = Model()
            // A slot is in one lane at most, as its owner sees to.
            let slots = 1 + random.below(round < 20 ? 6 : 200)
            for step in 0..<500 {
                let slot = random.below(slots)
                switch random.below(10) {
                case 0..<5:
                    let isKeepAlive = random.chance(40)
                    guard !(isKeepAlive ? model.commands : model.keepAlives).contains(slot) else { continue }
                    queue.append(slot, isKeepAlive: isKeepAlive)
                    model.append(slot, isKeepAlive: isKeepAlive)
                case 5..<7:
                    queue.remove(slot)
                    model.remove(slot)
                case 7..<9:
                    let (ours, theirs) = (queue.popFirst(), model.popFirst())
                    guard ours == theirs else {
                        Issue.record("round \(round), step \(step): \(String(describing: ours)) is not \(theirs ?? -1)")
                        return
                    }
                default:
                    guard takeAgrees(&queue, &model, &random) else {
                        Issue.record("round \(round), step \(step): take")
                        return
                    }
                }
                guard queue.count == model.commands.count + model.keepAlives.count,
                    queue.isEmpty == (queue.count == 0)
                else {
                    Issue.record("round \(round), step \(step): \(queue.count) members")
                    return
                }
            }
        }
    }

    private func takeAgrees(_ queue: inout TransmitQueue, _ model: inout Model, _ random: inout SplitMix64) -> Bool {
        let (modulus, stop, limit) = (2 + random.below(3), random.below(12), 1 + random.below(20))
        func selection(_ slot: Int, _ seen: inout Int) -> TransmitQueue.Selection {
            seen += 1
            if seen > stop { return .stop }
            return slot % modulus == 0 ? .skip : .take
        }
        var (ours, theirs) = (0, 0)
        let taken = queue.take(limit: limit) { selection($0, &ours) }
        return taken == model.take(limit: limit) { selection($0, &theirs) } && ours == theirs
    }

    @Test(
        "SPD-300 the queue of slots and the deadlines give the room of the many back that were there once, and go on as before"
    )
    func room() {
        var (queue, heap) = (TransmitQueue(), DeadlineHeap())
        for _ in 0..<2 {
            for slot in 0..<10_000 {
                queue.append(slot, isKeepAlive: slot % 2 == 0)
                heap.set(slot, Instant(nanoseconds: UInt64(slot)))
            }
            for slot in 0..<9_990 { heap.set(slot, nil) }
            while queue.popFirst() != nil {}
            #expect(queue.capacity <= 64 && heap.capacity <= 64)
            // Whatever has no place any more is in no lane.
            queue.remove(9_999)
            #expect(heap.next?.member == 9_990 && heap.count == 10 && queue.isEmpty)
        }
        // One after the other, they do not pay for all places each time.
        var makings = 0
        for _ in 0..<10_000 {
            queue.append(9_999, isKeepAlive: true)
            #expect(queue.popFirst() == 9_999)
            makings += queue.capacity == 0 ? 1 : 0
        }
        #expect(makings <= 5)
        // A burst in two halves, between which none waits.
        for half in [0..<5000, 5000..<10_000] {
            for slot in half { queue.append(slot, isKeepAlive: false) }
            for slot in half { queue.remove(slot) }
            #expect(queue.isEmpty && queue.capacity <= 64)
        }
    }

    @Test("pacing only ever gets more careful")
    func pacing() {
        #expect(Pacing.batch.slower == .single)
        #expect(Pacing.single.slower == .lockstep)
        #expect(Pacing.lockstep.slower == .lockstep)
        #expect(Pacing.batch < .single && Pacing.single < .lockstep)
    }
}
