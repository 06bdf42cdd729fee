internal import EVBModel

/// The events of one VSI, packed into octets: of tens of thousands of VSIs each may have some, and few are ever looked at.
///
/// An event is its kind, its reason, and in as few octets as they need its number, the two times, the count and the detail.
package struct HistoryEvents: Equatable, Sendable {
    /// Where an event is, and what of it is compared.
    struct Place {
        /// The place among the events.
        var index: Int
        var octets: Range<Int>
        var number: Int
        var kind: VSIHistoryEvent.Kind
    }

    private static let kinds = VSIHistoryEvent.Kind.allCases
    private static let reasons = VSIReason.allCases

    private var octets: [UInt8] = []
    private var kept: UInt32 = 0

    package private(set) var count: Int {
        get { Int(kept) }
        set { kept = UInt32(newValue) }
    }

    package init() {}

    /// All events, in their order.
    package var list: [HistoryEvent] {
        var cursor = Cursor(octets)
        return (0..<count).map { _ in cursor.event() }
    }

    /// Adds an event behind the others.
    mutating func append(_ event: HistoryEvent) {
        // No more than is needed: most VSIs have no more events for long.
        octets.reserveCapacity(octets.count + Self.length(event))
        Self.pack(event, into: &octets)
        count += 1
    }

    /// Forgets the first ones.
    mutating func removeFirst(_ surplus: Int) {
        var cursor = Cursor(octets)
        for _ in 0..<surplus { cursor.skip() }
        octets = Array(octets[cursor.place...])
        count -= surplus
    }

    /// The last event with these, as far as it is one of the last `lookBack`, and where the last event of a kind is.
    func last(
        _ kind: VSIHistoryEvent.Kind, reason: VSIReason?, detail: String?, lookBack: Int,
        and other: VSIHistoryEvent.Kind
    ) -> (same: Place?, other: Int?) {
        var (cursor, found) = (Cursor(octets), (same: Place?.none, other: Int?.none))
        for index in 0..<count {
            let start = cursor.place
            let head = cursor.head()
            if head.kind == other { found.other = index }
            let isSame =
                index >= count - lookBack && head.kind == kind && head.reason == reason
                && cursor.isDetail(detail, length: head.detail)
            cursor.skipDetail(head.detail)
            guard isSame else { continue }
            found.same = Place(index: index, octets: start..<cursor.place, number: head.number, kind: head.kind)
        }
        return found
    }

    /// The last event with a number.
    func place(ofNumber number: Int) -> Place? {
        var (cursor, found) = (Cursor(octets), Place?.none)
        for index in 0..<count {
            let start = cursor.place
            let head = cursor.head()
            cursor.skipDetail(head.detail)
            guard head.number == number else { continue }
            found = Place(index: index, octets: start..<cursor.place, number: number, kind: head.kind)
        }
        return found
    }

    /// Changes an event in its place.
    ///
    /// - Returns: what it is then.
    @discardableResult
    mutating func change(_ place: Place, _ body: (inout HistoryEvent) -> Void) -> HistoryEvent {
        var cursor = Cursor(octets)
        cursor.place = place.octets.lowerBound
        var event = cursor.event()
        body(&event)
        var packed: [UInt8] = []
        Self.pack(event, into: &packed)
        octets.replaceSubrange(place.octets, with: packed)
        return event
    }

    // MARK: As octets

    /// The numbers of an event, in their order. The second time is nearly always that of the first or a little later, and of damaged files
    /// any; the last number is that of the detail's octets and one more, 0 for none.
    private static func numbers(_ event: HistoryEvent) -> (UInt64, UInt64, UInt64, UInt64, UInt64) {
        (
            UInt64(bitPattern: Int64(event.number)), UInt64(bitPattern: Int64(event.first)),
            UInt64(bitPattern: Int64(event.last &- event.first)), UInt64(bitPattern: Int64(event.count)),
            event.detail.map { UInt64($0.utf8.count) + 1 } ?? 0
        )
    }

    /// How many octets an event takes.
    private static func length(_ event: HistoryEvent) -> Int {
        func length(_ number: UInt64) -> Int { max((70 - number.leadingZeroBitCount) / 7, 1) }
        let (number, first, later, count, detail) = numbers(event)
        return 2 + length(number) + length(first) + length(later) + length(count) + length(detail)
            + (event.detail?.utf8.count ?? 0)
    }

    private static func pack(_ event: HistoryEvent, into packed: inout [UInt8]) {
        packed.append(UInt8(kinds.firstIndex(of: event.kind) ?? 0))
        packed.append(UInt8(event.reason.flatMap { reasons.firstIndex(of: $0) }.map { $0 + 1 } ?? 0))
        func append(_ number: UInt64) {
            var rest = number
            while rest >= 0x80 {
                packed.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            packed.append(UInt8(truncatingIfNeeded: rest))
        }
        let (number, first, later, count, detail) = numbers(event)
        append(number)
        append(first)
        append(later)
        append(count)
        append(detail)
        if let detail = event.detail { packed.append(contentsOf: detail.utf8) }
    }

    /// Reads events one after the other.
    private struct Cursor {
        struct Head {
            var kind: VSIHistoryEvent.Kind
            var reason: VSIReason?
            var number: Int
            var first: Int
            var last: Int
            var count: Int
            /// Octets of the detail and one more; 0 for none.
            var detail: Int
        }

        let octets: [UInt8]
        var place = 0

        init(_ octets: [UInt8]) { self.octets = octets }

        private mutating func number() -> Int {
            var (value, shift): (UInt64, UInt64) = (0, 0)
            while true {
                let octet = octets[place]
                place += 1
                value |= UInt64(octet & 0x7F) << shift
                guard octet & 0x80 != 0 else { return Int(truncatingIfNeeded: value) }
                shift += 7
            }
        }

        mutating func head() -> Head {
            let (kind, reason) = (Int(octets[place]), Int(octets[place + 1]))
            place += 2
            let (number, first) = (number(), number())
            let last = first &+ self.number()
            let count = self.number()
            return Head(
                kind: HistoryEvents.kinds[kind], reason: reason == 0 ? nil : HistoryEvents.reasons[reason - 1],
                number: number, first: first, last: last, count: count, detail: self.number())
        }

        func isDetail(_ detail: String?, length: Int) -> Bool {
            guard let detail else { return length == 0 }
            return detail.utf8.count == length - 1 && octets[place..<(place + length - 1)].elementsEqual(detail.utf8)
        }

        mutating func skipDetail(_ length: Int) { place += max(length - 1, 0) }

        mutating func skip() { skipDetail(head().detail) }

        mutating func event() -> HistoryEvent {
            let head = head()
            let text = head.detail == 0 ? nil : octets[place..<(place + head.detail - 1)]
            skipDetail(head.detail)
            return HistoryEvent(
                number: head.number, first: head.first, last: head.last, count: head.count, kind: head.kind,
                reason: head.reason, detail: text.map { String(decoding: $0, as: UTF8.self) })
        }
    }
}
