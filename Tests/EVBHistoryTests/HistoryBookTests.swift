import EVBModel
import EVBTime
import EVBWire
import Glibc
import Testing

@testable import EVBHistory

private func key(_ number: UInt64, port: String = "eth0") -> HistoryKey {
    HistoryKey(port: port, vsiID: VSIID(format: .uuid, high: 7, low: number))
}

@Suite struct HistoryBookTests {
    @Test("OPS-235 what happens again and again is counted, and its cause is still there in the morning")
    func repetitions() {
        var book = HistoryBook()
        book.note(.requested, key(1), detail: "user 0: associate", at: 1)
        for minute in 0..<1000 {
            book.note(.asked, key(1), detail: "associate", at: 60_000 * minute)
            book.note(.refused, key(1), reason: .insufficientResources, at: 60_000 * minute + 5)
        }
        let events = book.entries[key(1)]?.events ?? []
        #expect(events.map(\.kind) == [.requested, .asked, .refused])
        #expect(events.map(\.count) == [1, 1000, 1000])
        #expect(events.last?.first == 5 && events.last?.last == 60_000 * 999 + 5)
        // Another reason is news.
        book.note(.refused, key(1), reason: .managerUnreachable, at: 7)
        #expect(book.entries[key(1)]?.events.count == 4)
        // What people do is listed each time.
        for time in 0..<3 { book.note(.retried, key(1), detail: "user 0", at: time) }
        #expect(book.entries[key(1)]?.events.count == 7)
    }

    @Test("OPS-235 what follows from another request is listed after it")
    func anotherRequest() {
        var book = HistoryBook()
        for type in [100, 101] {
            book.note(.requested, key(1), detail: "user 0: type \(type)", at: type)
            book.note(.asked, key(1), detail: "associate", at: type)
            book.note(type == 100 ? .refusedHard : .granted, key(1), at: type)
        }
        let events = book.entries[key(1)]?.events ?? []
        #expect(events.map(\.kind) == [.requested, .asked, .refusedHard, .requested, .asked, .granted])
        #expect(events.allSatisfy { $0.count == 1 })
    }

    @Test("OPS-236 the events of a VSI, all events and the VSIs that are gone are bounded")
    func bounds() {
        var book = HistoryBook(limits: HistoryBook.Limits(eventsPerVSI: 8, events: 64, gonePerPort: 4))
        for number in 0..<20 { book.note(.retried, key(1), at: number) }
        #expect(book.entries[key(1)]?.events.map(\.number) == Array(13...20))
        #expect(book.entries[key(1)]?.leftOut == 12)
        for number in 2..<1000 {
            book.note(.retried, key(UInt64(number)), at: number)
            let all = book.entries.values.reduce(0) { $0 + $1.events.count }
            #expect(all <= 64)
        }
        #expect(book.entries.count == 64)
        #expect(book.note(.asked, key(5000), at: 1) == nil)
        for number in 1...60 { book.note(.ended, key(UInt64(number)), at: number) }
        // Those that are not gone, and the last four of the others.
        #expect(book.entries.count == 4 + 4)
        #expect(book.entries[key(60)] != nil && book.entries[key(56)] == nil)
        // One that comes back is not gone any more.
        book.note(.requested, key(60), at: 1)
        for number in 100..<200 { book.note(.refused, key(UInt64(number)), isGone: true, at: number) }
        #expect(book.entries[key(60)] != nil)
        #expect(book.entries.count <= 64)
    }

    @Test("SEC-717 where each VSI's share of events becomes smaller, a few are trimmed with each event")
    func trimming() {
        var book = HistoryBook(limits: HistoryBook.Limits(eventsPerVSI: 8, events: 4096))
        for number in 1...512 {
            for time in 0..<8 { book.note(.retried, key(UInt64(number)), at: time) }
        }
        func full() -> Int { book.entries.values.count { $0.events.count == 8 } }
        #expect(full() == 512)
        book.note(.retried, key(513), at: 8)
        #expect((500..<512).contains(full()), "one event has trimmed \(512 - full()) VSIs")
        for number in 514...768 {
            book.note(.retried, key(UInt64(number)), at: 9)
            #expect(book.entries.values.reduce(0) { $0 + $1.events.count } <= 4096)
        }
        #expect(book.entries.values.allSatisfy { $0.events.count <= 4 })
        #expect(book.entries[key(1)]?.events.map(\.number) == [5, 6, 7, 8] && book.entries[key(1)]?.leftOut == 4)
    }

    @Test("OPS-236 any order of events keeps to the bounds, and what is written restores the same")
    func randomWalk() {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? 20_261_128
        print("randomWalk: EVBD_SEED=\(seed)")
        var random = SplitMix64(seed: seed)
        let limits = HistoryBook.Limits(eventsPerVSI: 16, events: 256, gonePerPort: 8)
        var book = HistoryBook(limits: limits)
        var lines: [UInt8] = []
        let kinds = VSIHistoryEvent.Kind.allCases
        for time in 0..<20_000 {
            let place = key(random.next() % 300, port: "eth\(random.next() % 3)")
            let kind = kinds[Int(random.next() % UInt64(kinds.count))]
            let detail = random.next() % 3 == 0 ? nil : "a\t\\b\n\(random.next() % 4)"
            guard
                let event = book.note(kind, place, detail: detail, isGone: random.next() % 5 == 0, at: time)
            else { continue }
            lines += HistoryLine.encode(event, place)
            #expect(book.entries.values.reduce(0) { $0 + $1.events.count } <= limits.events)
            #expect(book.entries.count <= limits.events)
        }
        var restored = HistoryBook(limits: limits)
        for line in lines.split(separator: UInt8(ascii: "\n")) {
            guard let (event, place) = HistoryLine.decode(line) else {
                Issue.record("\(String(decoding: line, as: UTF8.self))")
                return
            }
            restored.restore(event, place)
        }
        for (place, entry) in book.entries {
            guard let last = entry.events.last, let other = restored.entries[place] else { continue }
            #expect(other.events.last?.number ?? 0 >= last.number - 16)
        }
        #expect(restored.entries.values.reduce(0) { $0 + $1.events.count } <= limits.events)
    }

    @Test("OPS-237 a line says the same after it was read, and no part of one is taken for another")
    func lines() {
        let event = HistoryEvent(
            number: 3, first: 1_795_000_000_123, last: 1_795_000_000_456, count: 7, kind: .refusedHard,
            reason: .invalidVIDGroupMAC, detail: "tab\t, line\n, \\ and \u{1B}[31m")
        let line = HistoryLine.encode(event, key(9))
        #expect(
            String(decoding: line, as: UTF8.self)
                == "\(key(9).port)\t\(key(9).vsiID)\t3\t1795000000123\t1795000000456\t7\trefused-hard\t"
                + VSIReason.invalidVIDGroupMAC.rawValue + #"\#t:tab\t, line\n, \\ and ?[31m"# + "\n")
        let read = HistoryLine.decode(line.dropLast())
        var expected = event
        expected.detail = "tab\t, line\n, \\ and ?[31m"
        #expect(read?.event == expected && read?.key == key(9))
        #expect(line.filter { $0 == UInt8(ascii: "\n") }.count == 1)
        var plain = event
        plain.reason = nil
        plain.detail = nil
        #expect(HistoryLine.decode(HistoryLine.encode(plain, key(9)).dropLast())?.event == plain)
        for damaged in ["", "\t\t\t\t\t\t\t\t", "eth0\tx\t1\t1\t1\t1\tasked\t\t", "eth0"] {
            #expect(HistoryLine.decode(Array(damaged.utf8)) == nil)
        }
        let numbers = "eth0\t\(key(9).vsiID)\t-1\t1\t1\t1\tasked\t\t"
        #expect(HistoryLine.decode(Array(numbers.utf8)) == nil)
        let large = "eth0\t\(key(9).vsiID)\t99999999999999999999\t1\t1\t1\tasked\t\t"
        #expect(HistoryLine.decode(Array(large.utf8)) == nil)
        #expect(HistoryLine.decode([UInt8](repeating: 65, count: 2000)) == nil)
        // What comes after it is counted on from a number, and times are subtracted.
        for field in 0..<4 {
            var fields = ["1", "1", "1", "1"]
            fields[field] = "\(Int.max - 1)"
            let line = "eth0\t\(key(9).vsiID)\t\(fields.joined(separator: "\t"))\tasked\t\t"
            #expect(HistoryLine.decode(Array(line.utf8)) == nil, "\(fields)")
        }
    }

    @Test("OPS-235 a VSI's history is found on all ports that it was on")
    func ports() {
        var book = HistoryBook()
        book.note(.asked, key(1, port: "eth1"), at: 1)
        book.note(.asked, key(1, port: "eth0"), at: 2)
        book.note(.asked, key(2, port: "eth0"), at: 2)
        #expect(book.histories(of: key(1).vsiID).map(\.key.port) == ["eth0", "eth1"])
        #expect(book.histories(of: key(1).vsiID, port: "eth1").count == 1)
        #expect(book.histories(of: key(3).vsiID).isEmpty)
    }
}
