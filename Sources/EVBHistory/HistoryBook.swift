package import EVBModel
package import EVBWire

/// A VSI on a port.
package struct HistoryKey: Hashable, Sendable {
    package var port: String
    package var vsiID: VSIID

    package init(port: String, vsiID: VSIID) {
        self.port = port
        self.vsiID = vsiID
    }

    /// What tables ask for. A VSI is on one port, or on few.
    package func _rawHashValue(seed: Int) -> Int { vsiID._rawHashValue(seed: seed) }
}

/// Something that happened to a VSI, as it is kept.
package struct HistoryEvent: Equatable, Sendable {
    /// Place among the events of the VSI, from 1.
    package var number: Int
    /// When it happened first and last, in milliseconds since 1970 (UTC).
    package var first: Int
    package var last: Int
    package var count: Int
    package var kind: VSIHistoryEvent.Kind
    package var reason: VSIReason?
    /// Who or what, in words; may be a client's or a peer's text.
    package var detail: String?
}

/// What has happened to VSIs, those that are gone included. A value that is told what happened and when.
///
/// Bounded: the events of each VSI, all events, and the VSIs of a port that are gone. What happens again and again, such as the
/// tries of a request that is refused, is one event with a count, so that the cause of a long night is still there in the
/// morning.
package struct HistoryBook: Sendable {
    /// Bounds of what is kept.
    package struct Limits: Equatable, Sendable {
        /// Events of one VSI.
        package var eventsPerVSI: Int
        /// Events of all VSIs. Where there are many VSIs, each has fewer.
        package var events: Int
        /// VSIs of one port that are gone.
        package var gonePerPort: Int

        package init(eventsPerVSI: Int = 32, events: Int = 65_536, gonePerPort: Int = 512) {
            self.eventsPerVSI = max(eventsPerVSI, 1)
            self.events = max(events, 1)
            self.gonePerPort = max(gonePerPort, 0)
        }
    }

    /// What is kept of one VSI. There may be tens of thousands: 32 octets of each, and where there are so many that each has one event, nothing
    /// beside them.
    package struct Entry: Equatable, Sendable {
        package var events: [HistoryEvent] { packed.list }
        var packed = HistoryEvents()
        private var leftOutCount: UInt32 = 0
        /// 0 while it is known.
        private var goneAt: UInt32 = 0
        private var nextNumber: UInt32 = 1

        /// The number of its next event.
        var next: Int {
            get { Int(nextNumber) }
            set { nextNumber = UInt32(clamping: newValue) }
        }

        /// Events that are not kept any more.
        package var leftOut: Int {
            get { Int(leftOutCount) }
            set { leftOutCount = UInt32(clamping: newValue) }
        }

        /// Which VSI that went it is, from 1: a number that no other VSI of those that are listed as gone has. nil while it is known.
        var goneSince: UInt32? {
            get { goneAt == 0 ? nil : goneAt }
            set { goneAt = newValue ?? 0 }
        }
    }

    /// Events back from the newest among which one that happens again is looked for.
    private static let lookBack = 6
    /// Octets of a detail that are kept.
    private static let detailMax = 256
    /// VSIs that are trimmed with each event, while there are any to trim.
    private static let trimmedPerEvent = 4

    package let limits: Limits
    /// All that is kept.
    package var entries: HistoryEntries { HistoryEntries(table: table, ports: ports) }
    private var table = HistoryEntries.Table()
    /// The ports of the entries, and of some that are forgotten.
    private var ports = HistoryPorts()
    /// Events that each VSI may have now.
    private(set) var share: Int
    /// Events of all VSIs.
    private var total = 0
    /// Events of all VSIs that are kept now.
    package var eventCount: Int { total }
    /// VSIs that may have more events than their share since it was halved. Some are trimmed with each event: all at once would keep
    /// the loop for milliseconds.
    /// In the parts in which the table has them, which are shared: to copy tens of thousands of keys takes the loop a millisecond.
    private var untrimmed: [[HistoryEntries.Key]] = []
    private var gone: [UInt16: Gone] = [:]

    /// VSIs of a port that are gone, oldest first; one that has come back since is passed over. Those before `first` are forgotten, and stay until they are half of all: an array moves all the
    /// rest when its first is removed.
    private struct Gone: Sendable {
        var keys: [(key: HistoryEntries.Key, since: UInt32)] = []
        var first = 0
        /// VSIs that are gone now.
        var count = 0

        /// Those of the list, with some that have come back.
        var listed: Int { keys.count - first }

        mutating func append(_ key: HistoryEntries.Key, since: UInt32, isNew: Bool) {
            keys.append((key, since))
            if isNew { count += 1 }
        }

        mutating func compact() {
            guard first >= 32, first * 2 >= keys.count else { return }
            keys.removeFirst(first)
            first = 0
        }
    }
    private var clock: UInt32 = 0

    package init(limits: Limits = Limits()) {
        self.limits = limits
        share = limits.eventsPerVSI
    }

    /// Whether an event of this kind, when it happens again soon, is counted and not listed.
    private static func isCounted(_ kind: VSIHistoryEvent.Kind) -> Bool {
        switch kind {
        case .restored, .withdrawn, .retried, .ended, .released: false
        case .requested, .asked, .askedAgain, .granted, .refused, .refusedHard, .refusedKept, .unacknowledged,
            .unanswered,
            .unaskable, .mismatched, .takenBack, .lost, .waiting, .linkUp, .linkCut, .linkFailed, .note:
            true
        }
    }

    /// Notes that something happened. `isGone`: nothing is known of the VSI afterwards, as with each event of the kind `ended`.
    ///
    /// - Returns: the event as it is kept now: a new one, or one that has happened before; nil if there is no room for the VSI.
    @discardableResult
    package mutating func note(
        _ kind: VSIHistoryEvent.Kind, _ key: HistoryKey, reason: VSIReason? = nil, detail: String? = nil,
        isGone: Bool = false, at time: Int
    ) -> HistoryEvent? {
        let detail = detail.map { Self.shortened($0) }
        guard let key = ports.key(key), let index = table.index(forKey: key) ?? begin(key) else { return nil }
        let event = Self.note(
            HistoryEvent(
                number: table[index].next, first: time, last: time, count: 1, kind: kind, reason: reason,
                detail: detail), in: &table[index])
        if event.count == 1 { added(at: index) }
        if isGone || kind == .ended {
            retire(key, at: index)
        } else if table[index].goneSince != nil {
            table[index].goneSince = nil
            gone[key.port, default: Gone()].count -= 1
        }
        trimSome()
        return event
    }

    /// Adds an event, or counts one that has happened before; the event as it is then.
    private static func note(_ event: HistoryEvent, in entry: inout Entry) -> HistoryEvent {
        // What follows from another request is listed after it, though the same has happened before.
        if isCounted(event.kind) {
            let found = entry.packed.last(
                event.kind, reason: event.reason, detail: event.detail, lookBack: lookBack, and: .requested)
            if let same = found.same, event.kind == .requested || same.index >= found.other ?? 0 {
                return entry.packed.change(same) {
                    $0.last = max(event.last, $0.last)
                    $0.count += $0.count < .max ? 1 : 0
                }
            }
            entry.packed.append(event, behind: found.end)
        } else {
            entry.packed.append(event)
        }
        entry.next += 1
        return event
    }

    /// Takes an event that an earlier run has written. Afterwards its VSI counts as gone until something happens to it.
    package mutating func restore(_ event: HistoryEvent, _ key: HistoryKey) {
        // No VSI comes to that many: the file is damaged.
        guard event.number < UInt32.max, let key = ports.key(key), let index = table.index(forKey: key) ?? begin(key)
        else { return }
        if table[index].goneSince == nil {
            let since = nextClock()
            table[index].goneSince = since
            gone[key.port, default: Gone()].append(key, since: since, isNew: true)
        }
        if let place = table[index].packed.place(ofNumber: event.number) {
            table[index].packed.change(place) { $0 = event }
        } else if event.number >= table[index].next {
            if table[index].packed.count == 0 { table[index].leftOut += event.number - 1 }
            table[index].next = event.number + 1
            table[index].packed.append(event)
            added(at: index)
        }
        trimSome()
    }

    /// The histories of a VSI, on one port or on all, in the order of the ports' names.
    package func histories(of vsiID: VSIID, port: String? = nil) -> [(key: HistoryKey, entry: Entry)] {
        let entries = entries
        return (port.map { [$0] } ?? ports.names.sorted()).compactMap { port in
            let key = HistoryKey(port: port, vsiID: vsiID)
            return entries[key].map { (key, $0) }
        }
    }

    // MARK: Bounds

    /// A VSI has an event more.
    private mutating func added(at index: HistoryEntries.Table.Index) {
        total += 1
        trim(at: index)
    }

    /// The next of the numbers of VSIs that go. Far fewer are listed than there are numbers, so that it may begin again.
    private mutating func nextClock() -> UInt32 {
        clock = clock == .max ? 1 : clock + 1
        return clock
    }

    private mutating func trim(at index: HistoryEntries.Table.Index) {
        let surplus = table[index].packed.count - share
        guard surplus > 0 else { return }
        table[index].packed.removeFirst(surplus)
        table[index].leftOut += surplus
        total -= surplus
    }

    /// Keeps to the bound of all events.
    private mutating func trimSome() {
        var trimmed = 0
        while trimmed < Self.trimmedPerEvent || total > limits.events, let key = nextUntrimmed() {
            trimmed += 1
            if let index = table.index(forKey: key) { trim(at: index) }
        }
    }

    private mutating func nextUntrimmed() -> HistoryEntries.Key? {
        while !untrimmed.isEmpty {
            if let key = untrimmed[untrimmed.count - 1].popLast() { return key }
            untrimmed.removeLast()
        }
        return nil
    }

    /// A VSI comes. The share of each is halved when there are too many for it.
    ///
    /// - Returns: its place; nil where there is no room for it.
    private mutating func begin(_ key: HistoryEntries.Key) -> HistoryEntries.Table.Index? {
        guard table.count < limits.events else { return nil }
        table[key] = Entry()
        let former = share
        while share > 1, table.count > limits.events / share { share /= 2 }
        if share != former { untrimmed = table.keyParts }
        return table.index(forKey: key)
    }

    /// Counts a VSI among those that are gone, and forgets the oldest of them where there are too many. After a start there may
    /// be very many: their VSIs are about to come back, so that only a few are forgotten at a time.
    private mutating func retire(_ key: HistoryEntries.Key, at index: HistoryEntries.Table.Index) {
        let (isNew, since) = (table[index].goneSince == nil, nextClock())
        table[index].goneSince = since
        gone[key.port, default: Gone()].append(key, since: since, isNew: isNew)
        total -= Self.forgetOldest(
            of: &gone[key.port, default: Gone()], &table, besides: key, most: limits.gonePerPort)
        if share * 2 <= limits.eventsPerVSI, table.count <= limits.events / share / 4 { share *= 2 }
    }

    /// - Returns: how many events are forgotten with them.
    private static func forgetOldest(
        of list: inout Gone, _ entries: inout HistoryEntries.Table, besides key: HistoryEntries.Key, most: Int
    ) -> Int {
        var (forgotten, events) = (0, 0)
        while list.listed > 1, list.count > most, forgotten < 2 {
            let oldest = list.keys[list.first]
            list.first += 1
            guard oldest.key != key, entries[oldest.key]?.goneSince == oldest.since else { continue }
            events += entries.removeValue(forKey: oldest.key)?.packed.count ?? 0
            list.count -= 1
            forgotten += 1
        }
        list.compact()
        // Those that have come back since, or have gone once more.
        if list.listed > 2 * max(list.count, most) + 64 {
            list.keys = list.keys[list.first...].filter { entries[$0.key]?.goneSince == $0.since }
            list.first = 0
        }
        return events
    }

    private static func shortened(_ text: String) -> String {
        guard text.utf8.count > detailMax else { return text }
        return String(decoding: Array(text.utf8.prefix(detailMax)), as: UTF8.self)
    }
}
