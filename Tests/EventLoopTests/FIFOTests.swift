import Testing

@testable import EventLoop

/// A queue, first in, first out.
@Suite struct FIFOTests {
    @Test("SPD-300 a queue that was long gives its room back when it is empty, and a short one keeps its own")
    func room() {
        var queue = FIFO<Int>()
        for _ in 0..<2 {
            for number in 0..<40_000 { queue.append(number) }
            for number in 0..<40_000 { #expect(queue.popFirst() == number) }
            #expect(queue.popFirst() == nil && queue.capacity <= 256)
        }
        for number in 0..<10 { queue.append(number) }
        while queue.popFirst() != nil {}
        #expect(queue.capacity >= 10)
    }
}
