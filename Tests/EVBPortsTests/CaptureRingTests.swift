import Testing

@testable import EVBPorts

/// A walk by a seed that a failure prints.
private struct Draws: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

@Suite struct CaptureRingTests {
    @Test(
        "CAP-102 whatever comes and is taken, the ring keeps to its bounds and each element is there or counted in its place"
    )
    func walk() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var draws = Draws(state: seed)
        for _ in 0..<200 {
            let (countMax, octetsMax) = (Int.random(in: 1...8, using: &draws), Int.random(in: 1...300, using: &draws))
            var ring = CaptureRing<UInt64>(countMax: countMax, octetsMax: octetsMax)
            // Numbers in order: behind each that comes out, what is missing was counted.
            var (given, expected): (UInt64, UInt64) = (0, 0)
            for _ in 0..<300 {
                switch Int.random(in: 0..<8, using: &draws) {
                case 0..<4:
                    let wasEmpty = ring.isEmpty
                    let cost = Int.random(in: 0...(wasEmpty ? 1000 : 100), using: &draws)
                    let before = ring.count
                    ring.append(given, octets: cost)
                    given += 1
                    #expect(!wasEmpty || ring.count == 1, "an empty ring takes anything; seed \(seed)")
                    #expect(ring.count <= countMax, "seed \(seed)")
                    #expect(ring.octets <= octetsMax || ring.count == 1, "seed \(seed)")
                    #expect(ring.count == before + 1 || ring.lostSinceLast > 0, "seed \(seed)")
                case 4:
                    ring.lose()
                    given += 1
                case 5: expected += ring.takeLost()
                default:
                    guard let entry = ring.popFirst() else { continue }
                    #expect(entry.element == expected + entry.lostBefore, "seed \(seed)")
                    expected = entry.element + 1
                }
            }
            while let entry = ring.popFirst() {
                #expect(entry.element == expected + entry.lostBefore, "seed \(seed)")
                expected = entry.element + 1
            }
            #expect(expected + ring.takeLost() == given && ring.octets == 0, "seed \(seed)")
        }
    }

    @Test("CAP-102 while the ring says that it has room, a frame of up to a sixteenth of it finds some")
    func room() {
        var ring = CaptureRing<Int>(countMax: 1000, octetsMax: 16_000)
        var number = 0
        while ring.hasRoom, number < 100 {
            // What is looked at in vain costs as much as what is kept.
            ring.append(number, octets: 701 + number % 4 * 100)
            number += 1
        }
        #expect(ring.lostSinceLast == 0 && ring.count == number && ring.octets > 14_000)
    }

    @Test("CAP-102 what was lost behind the last element is told once, and not before that one was taken")
    func lostAtTheEnd() {
        var ring = CaptureRing<Int>(countMax: 1, octetsMax: 10)
        ring.append(1, octets: 5)
        ring.append(2, octets: 5)
        #expect(ring.takeLost() == 0 && !ring.hasRoom)
        #expect(ring.popFirst()?.element == 1)
        #expect(ring.takeLost() == 1 && ring.takeLost() == 0 && ring.hasRoom)
    }
}
