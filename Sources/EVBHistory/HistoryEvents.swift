internal import EVBModel

/// The events of one VSI, packed into octets: of tens of thousands of VSIs each may have some, and few are ever looked at.
///
/// An event is an octet with its kind and what is usual of it; then, in as few octets as they need, what is not usual, when it happened
/// after the event before, and the detail (``HistoryDetail``).
package struct HistoryEvents: Equatable, Sendable {
    /// Where an event is, and what of it is compared.
    struct Place {
        /// The place among the events.
        var index: Int
        var octets: Range<Int>
        var number: Int
        var kind: VSIHistoryEvent.Kind
        var before: Before
    }

    /// What of an event is told by that of the one before; of the first by zeros.
    struct Before {
        var number = 0
        var first = 0
    }

    private static let kinds = VSIHistoryEvent.Kind.allCases
    private static let reasons = VSIReason.allCases

    private var octets = FixedOctets()
    private var kept: UInt32 = 0

    package private(set) var count: Int {
        get { Int(kept) }
        set { kept = UInt32(newValue) }
    }

    package init() {}

    package static func == (left: HistoryEvents, right: HistoryEvents) -> Bool {
        left.kept == right.kept && left.look { own in right.look { own.octets.elementsEqual($0.octets) } }
    }

    /// Octets that the events take.
    var octetCount: Int { look { $0.octets.count } }

    /// Whether the events have no memory of their own.
    var isInPlace: Bool { octets.areInPlace }

    /// All events, in their order.
    package var list: [HistoryEvent] {
        look { cursor in
            var cursor = cursor
            return (0..<count).map { _ in cursor.event() }
        }
    }

    /// Calls back with what reads the events from the first one on.
    private func look<Result>(_ body: (Cursor) -> Result) -> Result {
        octets.look { body(Cursor($0)) }
    }

    /// Adds an event behind the others.
    mutating func append(_ event: HistoryEvent) {
        let end = look { cursor in
            var cursor = cursor
            for _ in 0..<count { cursor.skip() }
            return cursor.before
        }
        append(event, behind: end)
    }

    /// The same where it is known what the last event tells of it.
    mutating func append(_ event: HistoryEvent, behind end: Before) {
        octets = look { cursor in Self.pack(event, behind: end) { FixedOctets(cursor.octets, $0) } }
        count += 1
    }

    /// Forgets the first ones.
    mutating func removeFirst(_ surplus: Int) {
        let rest = count - surplus
        octets = look { cursor in
            var cursor = cursor
            for _ in 0..<surplus { cursor.skip() }
            guard rest > 0 else { return FixedOctets() }
            return Self.pack(cursor.event(), behind: Before()) { FixedOctets($0, cursor.rest) }
        }
        count = rest
    }

    /// The last event with these, as far as it is one of the last `lookBack`, where the last event of a kind is, and what the last of all tells
    /// of the next.
    func last(
        _ kind: VSIHistoryEvent.Kind, reason: VSIReason?, detail: String?, lookBack: Int,
        and other: VSIHistoryEvent.Kind
    ) -> (same: Place?, other: Int?, end: Before) {
        var (found, packed) = ((same: Place?.none, other: Int?.none, end: Before()), [UInt8]?.none)
        forEach { index, head, place, cursor in
            found.end = cursor.before
            if head.kind == other { found.other = index }
            guard index >= count - lookBack, head.kind == kind, head.reason == reason,
                (head.detail > 0) == (detail != nil)
            else { return }
            if packed == nil { packed = detail.map(HistoryDetail.packed) ?? [] }
            if let packed, cursor.isDetail(packed, length: head.detail) { found.same = place }
        }
        return found
    }

    /// The last event with a number.
    func place(ofNumber number: Int) -> Place? {
        var found: Place?
        forEach { _, head, place, _ in if head.number == number { found = place } }
        return found
    }

    /// Calls back with each event: the cursor stands at its detail.
    private func forEach(_ body: (Int, Cursor.Head, Place, Cursor) -> Void) {
        look { cursor in
            var cursor = cursor
            for index in 0..<count {
                let (start, before) = (cursor.place, cursor.before)
                let head = cursor.head()
                let detail = cursor
                cursor.skipDetail(head.detail)
                let place = Place(
                    index: index, octets: start..<cursor.place, number: head.number, kind: head.kind, before: before)
                body(index, head, place, detail)
            }
        }
    }

    /// Changes an event in its place.
    ///
    /// - Returns: what it is then.
    @discardableResult
    mutating func change(_ place: Place, _ body: (inout HistoryEvent) -> Void) -> HistoryEvent {
        var event = look { cursor in
            var cursor = cursor
            (cursor.place, cursor.before) = (place.octets.lowerBound, place.before)
            return cursor.event()
        }
        let former = event
        body(&event)
        guard event.number == former.number, event.first == former.first else {
            replace(place.index, event)
            return event
        }
        octets = look { cursor in
            let packed = Self.pack(event, behind: place.before, Array.init)
            let head = Array(cursor.octets[..<place.octets.lowerBound]) + packed
            return head.withUnsafeBufferPointer {
                FixedOctets($0, UnsafeBufferPointer(rebasing: cursor.octets[place.octets.upperBound...]))
            }
        }
        return event
    }

    /// Puts an event in the place of one that the next is told by.
    private mutating func replace(_ index: Int, _ event: HistoryEvent) {
        var events = list
        events[index] = event
        self = HistoryEvents()
        for event in events { append(event) }
    }

    // MARK: As octets

    /// What the first octet of an event says beside its kind.
    private enum Mark {
        static let kind: UInt8 = 0x1F
        /// Its number is not that of the event before and one more.
        static let number: UInt8 = 0x20
        /// It has a reason.
        static let reason: UInt8 = 0x40
        /// It has happened more than once.
        static let again: UInt8 = 0x80
    }

    /// Octets that an event takes at most beside its detail: two and five numbers.
    private static let numbersMax = 64

    /// Calls back with an event as octets: an array would be one more for each of thousands of events.
    private static func pack<Result>(
        _ event: HistoryEvent, behind before: Before, _ body: (UnsafeBufferPointer<UInt8>) -> Result
    ) -> Result {
        let capacity = numbersMax + (event.detail?.utf8.count ?? 0)
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: capacity) { room in
            // The detail behind what comes before it, which has its length.
            let behind = UnsafeMutableBufferPointer(rebasing: room[numbersMax...])
            let detail = event.detail.map { HistoryDetail.pack($0, into: behind) }
            var packed = Packer(room: room)
            packed.add(event, behind: before, detail: detail)
            for place in 0..<(detail ?? 0) { packed.add(behind[place]) }
            return body(UnsafeBufferPointer(rebasing: room[..<packed.count]))
        }
    }

    /// Writes an event.
    private struct Packer {
        let room: UnsafeMutableBufferPointer<UInt8>
        var count = 0

        init(room: UnsafeMutableBufferPointer<UInt8>) { self.room = room }

        mutating func add(_ octet: UInt8) {
            room[count] = octet
            count += 1
        }

        mutating func add(_ number: Int) {
            var rest = UInt64(bitPattern: Int64(number))
            while rest >= 0x80 {
                add(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            add(UInt8(truncatingIfNeeded: rest))
        }

        /// All of it but its detail, of which only the length.
        mutating func add(_ event: HistoryEvent, behind before: Before, detail: Int?) {
            let isAgain = event.last != event.first || event.count != 1
            let isOther = event.number != before.number &+ 1
            var head = UInt8(kinds.firstIndex(of: event.kind) ?? 0)
            if isOther { head |= Mark.number }
            if event.reason != nil { head |= Mark.reason }
            if isAgain { head |= Mark.again }
            add(head)
            if isOther { add(event.number) }
            if let reason = event.reason { add(UInt8(reasons.firstIndex(of: reason) ?? 0)) }
            // Nearly always it is a little later; of damaged files any.
            add(event.first &- before.first)
            if isAgain {
                add(event.last &- event.first)
                add(event.count)
            }
            add(detail.map { $0 + 1 } ?? 0)
        }
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

        let octets: UnsafeBufferPointer<UInt8>
        var place = 0
        var before = Before()

        init(_ octets: UnsafeBufferPointer<UInt8>) { self.octets = octets }

        /// What has not been read.
        var rest: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: octets[place...]) }

        private mutating func octet() -> UInt8 {
            defer { place += 1 }
            return octets[place]
        }

        private mutating func number() -> Int {
            var (value, shift): (UInt64, UInt64) = (0, 0)
            while true {
                let octet = octet()
                value |= UInt64(octet & 0x7F) << shift
                guard octet & 0x80 != 0 else { return Int(truncatingIfNeeded: value) }
                shift += 7
            }
        }

        mutating func head() -> Head {
            let mark = octet()
            var head = Head(
                kind: HistoryEvents.kinds[Int(mark & Mark.kind)], number: before.number &+ 1, first: 0, last: 0,
                count: 1, detail: 0)
            if mark & Mark.number != 0 { head.number = number() }
            if mark & Mark.reason != 0 { head.reason = HistoryEvents.reasons[Int(octet())] }
            head.first = before.first &+ number()
            head.last = head.first
            if mark & Mark.again != 0 {
                head.last = head.first &+ number()
                head.count = number()
            }
            head.detail = number()
            before = Before(number: head.number, first: head.first)
            return head
        }

        /// Whether the detail is that one, as it is packed.
        func isDetail(_ packed: [UInt8], length: Int) -> Bool {
            let count = max(length - 1, 0)
            return packed.count == count && octets[place..<(place + count)].elementsEqual(packed)
        }

        mutating func skipDetail(_ length: Int) { place += max(length - 1, 0) }

        mutating func skip() { skipDetail(head().detail) }

        mutating func event() -> HistoryEvent {
            let head = head()
            let text = head.detail == 0 ? nil : octets[place..<(place + head.detail - 1)]
            skipDetail(head.detail)
            return HistoryEvent(
                number: head.number, first: head.first, last: head.last, count: head.count, kind: head.kind,
                reason: head.reason, detail: text.map(HistoryDetail.text))
        }
    }
}
