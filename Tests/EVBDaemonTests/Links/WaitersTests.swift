import EVBWire
import Testing

@testable import EdgeRelays

@Suite struct WaitersTests {
    @Test("SPD-348 those who wait are taken out in their order, and of thousands of VSIs no room is kept")
    func room() {
        var waiters = Waiters<Int>()
        let vsis = (0..<2000).map { VSIID(format: .uuid, high: 1, low: $0) }
        for (number, vsiID) in vsis.enumerated() {
            waiters.add(number, for: vsiID)
            waiters.add(-number, for: vsiID)
        }
        for (number, vsiID) in vsis.enumerated() {
            #expect(waiters.contains(vsiID) && waiters.take(vsiID) == [number, -number])
            #expect(!waiters.contains(vsiID) && waiters.take(vsiID) == [])
        }
        #expect(waiters.capacity <= 64)
        // Of few it is kept, so that it is not asked for each time.
        waiters.add(1, for: vsis[0])
        let few = waiters.capacity
        #expect(waiters.take(vsis[0]) == [1] && waiters.capacity == few && few > 0)
    }
}
