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
    private static let codeOfKind = Dictionary(
        kinds.enumerated().map { ($1, UInt8($0)) }, uniquingKeysWith: { first, _ in first })
    private static let codeOfReason = Dictionary(
        reasons.enumerated().map { ($1, UInt8($0 + 1)) }, uniquingKeysWith: { first, _ in first })

    private var octets: [UInt8] = []
    package private(set) var count = 0

    package init() {}

    /// All events, in their order.
    package var list: [HistoryEvent] {
        var cursor = Cursor(octets)
        return (0..<count).map { _ in cursor.event() }
    }

    /// Adds an event behind the others.
    mutating func append(_ event: HistoryEvent) {
        let packed = Self.packed(event)
        // No more than is needed: most VSIs have no more events for long.
        octets.reserveCapacity(octets.count + packed.count)
        octets += packed
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
        octets.replaceSubrange(place.octets, with: Self.packed(event))
        return event
    }

    // MARK: As octets

    private static func packed(_ event: HistoryEvent) -> [UInt8] {
        var packed: [UInt8] = []
        packed.reserveCapacity(32 + (event.detail?.utf8.count ?? 0))
        packed.append(codeOfKind[event.kind] ?? 0)
        packed.append(event.reason.flatMap { codeOfReason[$0] } ?? 0)
        func append(_ number: UInt64) {
            var rest = number
            while rest >= 0x80 {
                packed.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            packed.append(UInt8(truncatingIfNeeded: rest))
        }
        append(UInt64(bitPattern: Int64(event.number)))
        append(UInt64(bitPattern: Int64(event.first)))
        // Nearly always a small number or none, and of damaged files any.
        append(UInt64(bitPattern: Int64(event.last &- event.first)))
        append(UInt64(bitPattern: Int64(event.count)))
        append(event.detail.map { UInt64($0.utf8.count) + 1 } ?? 0)
        if let detail = event.detail { packed.append(contentsOf: detail.utf8) }
        return packed
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
