import EVBModel
import Testing

@testable import EVBHistory

@Suite struct FixedOctetsTests {
    @Test("SPD-345 octets are what they were in whatever two parts they come, and few have no memory of their own")
    func parts() {
        for count in 0...40 {
            let octets = (0..<UInt8(count)).map { 200 &- $0 }
            for middle in 0...count {
                let fixed = octets[..<middle].withUnsafeBufferPointer { first in
                    octets[middle...].withUnsafeBufferPointer { FixedOctets(first, $0) }
                }
                let copy = fixed
                #expect(copy.look { Array($0) } == octets)
                #expect(fixed.areInPlace == (count <= 14))
            }
        }
        #expect(FixedOctets().look { $0.isEmpty })
    }

    @Test("SPD-345 where there are so many VSIs that each has one event, it stands in its entry")
    func single() {
        #expect(MemoryLayout<HistoryBook.Entry>.stride <= 32)
        var events = HistoryEvents()
        let kinds: [VSIHistoryEvent.Kind] = [.requested, .asked, .granted, .lost]
        for (number, kind) in kinds.enumerated() {
            let time = 1_795_000_000_000 + 20 * number
            events.append(
                HistoryEvent(number: number + 1, first: time, last: time, count: 1, kind: kind, detail: nil))
            if number > 0 { events.removeFirst(1) }
            #expect(events.isInPlace)
            #expect(events.list.map(\.kind) == [kind] && events.list.map(\.number) == [number + 1])
        }
    }
}
