import EVBModel
import EVBTime
import Glibc
import Testing

@testable import EVBHistory

private let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? 20_261_130

@Suite struct HistoryEventsTests {
    private static let details: [String?] = [
        nil, "", "associate", "pre-associate with reservation", "associates", "user 0, process 4711 (evbctl)",
        "user 0, process 4711 (evbctl): associate, type 100 v1, mac=52:54:00:00:00:01,vlan=0",
        "libvirt (netlink port 4711): associate, type 1 v0, vlan=7 and 3 more",
        "user 1000: associate, type 7 v2, mac=5a:9f:06:b8:0e:c7,vlan=12", ", mac=52:54:00:00:00:0A,vlan=1",
        ", mac=52:54:00:00:00:01", ", mac=", "mac=52:54:00:00:00:01,vlan=",
        "VSI ist assoziiert \u{1F600} \u{FF}\u{0}, mac=52:54:00:00:00:01,vlan=1 ",
    ]

    @Test("OPS-235 the details of an event are what they were, whatever they say")
    func details() {
        print("details: EVBD_SEED=\(seed)")
        for detail in Self.details.compactMap(\.self) {
            #expect(HistoryDetail.text(HistoryDetail.packed(detail)) == detail)
            #expect(HistoryDetail.packed(detail).count <= detail.utf8.count)
        }
        var random = SplitMix64(seed: seed)
        for _ in 0..<2000 {
            // Pieces of all of them, cut anywhere.
            let text = (0..<3).map { _ in
                let detail = Array((Self.details[Int(random.next() % UInt64(Self.details.count))] ?? "").unicodeScalars)
                let start = Int(random.next() % UInt64(detail.count + 1))
                var part = String.UnicodeScalarView()
                part.append(contentsOf: detail[start...].prefix(Int(random.next() % 60)))
                return String(part)
            }.joined()
            #expect(
                HistoryDetail.text(HistoryDetail.packed(text)).unicodeScalars.elementsEqual(text.unicodeScalars),
                "\(text.debugDescription)")
        }
    }

    @Test("SPD-190 what nearly every VSI has of events takes few octets")
    func few() {
        var events = HistoryEvents()
        let asker = "user 0, process 4711 (evbctl): associate, type 100 v1, mac=52:54:00:00:00:01,vlan=0"
        #expect(HistoryDetail.packed(asker).count <= 22)
        for (number, event) in [
            (VSIHistoryEvent.Kind.requested, asker), (.asked, "associate"), (.granted, "associate"),
        ].enumerated() {
            let time = 1_795_000_000_000 + 20 * number
            events.append(
                HistoryEvent(number: number + 1, first: time, last: time, count: 1, kind: event.0, detail: event.1))
        }
        #expect(events.octetCount <= 40)
    }

    @Test("OPS-235 packed events are those that were added, changed and forgotten")
    func walk() {
        print("events: EVBD_SEED=\(seed)")
        var random = SplitMix64(seed: seed)
        for _ in 0..<50 {
            var (packed, plain) = (HistoryEvents(), [HistoryEvent]())
            for _ in 0..<60 {
                switch random.next() % 6 {
                case 0 where !plain.isEmpty:
                    let surplus = Int(random.next() % UInt64(plain.count + 1))
                    packed.removeFirst(surplus)
                    plain.removeFirst(surplus)
                case 1 where !plain.isEmpty:
                    let number = plain[Int(random.next() % UInt64(plain.count))].number
                    let changed = Self.event(&random, number: random.next() % 2 == 0 ? number : nil)
                    guard let place = packed.place(ofNumber: number) else {
                        Issue.record("there is no event \(number)")
                        break
                    }
                    #expect(packed.change(place) { $0 = changed } == changed)
                    if let index = plain.lastIndex(where: { $0.number == number }) { plain[index] = changed }
                case 2 where !plain.isEmpty:
                    let like = plain[Int(random.next() % UInt64(plain.count))]
                    let found = packed.last(
                        like.kind, reason: like.reason, detail: like.detail, lookBack: 6, and: .requested)
                    let same = plain.indices.suffix(6).last {
                        plain[$0].kind == like.kind && plain[$0].reason == like.reason
                            && plain[$0].detail == like.detail
                    }
                    #expect(found.same?.index == same && found.other == plain.lastIndex { $0.kind == .requested })
                default:
                    let event = Self.event(&random, number: nil)
                    packed.append(event)
                    plain.append(event)
                }
                #expect(packed.list == plain && packed.count == plain.count)
            }
        }
    }

    private static func event(_ random: inout SplitMix64, number: Int?) -> HistoryEvent {
        // Usual ones, and those of damaged files.
        let first =
            random.next() % 4 == 0 ? Int(random.next() % (1 << 53)) : 1_795_000_000_000 + Int(random.next() % 1000)
        let isOnce = random.next() % 2 == 0
        return HistoryEvent(
            number: number ?? Int(random.next() % (random.next() % 2 == 0 ? 8 : 1 << 53)), first: first,
            last: isOnce ? first : Int(random.next() % (1 << 53)), count: isOnce ? 1 : Int(random.next() % (1 << 53)),
            kind: VSIHistoryEvent.Kind.allCases[Int(random.next() % UInt64(VSIHistoryEvent.Kind.allCases.count))],
            reason: random.next() % 2 == 0
                ? nil : VSIReason.allCases[Int(random.next() % UInt64(VSIReason.allCases.count))],
            detail: details[Int(random.next() % UInt64(details.count))])
    }
}
