internal import EVBTime
internal import EVBWire

/// What libvirtds have asked of one port, how it stands, and which of their polls wait for news of it.
///
/// Knows no socket and no clock. A poll names no VSI, so the one that it is about is inferred (`aim`); a poll costs the same
/// whether the port has ten VSIs or 10,000.
///
/// Files: this one takes requests and their ends; `LibvirtLedger+Polls.swift` matches polls with them.
final class LibvirtLedger {
    /// How long an outcome can be polled after the request has ended: a few times the 10 s that libvirt polls. That of a VSI
    /// that is bound can be polled for as long as it is.
    static let memory = Interval.seconds(60)
    /// How long the forgetting of old outcomes waits for more of them.
    static let sweep = Interval.seconds(5)
    /// When a request that libvirt polls is given up: before libvirt does so after 80 polls, without telling. They take 10 s
    /// if none of them is held.
    static let patience = Interval.milliseconds(9_500)
    /// How long a poll is held for the bridge's answer: half of the 2 s after which libvirt gives up the call.
    static let hold = Interval.seconds(1)
    /// How soon after its request a poll is the first one for it: libvirt sends it at once.
    static let firstPoll = Interval.milliseconds(250)
    /// Polls held at a time. libvirtd has one for each of its workers, 20 by default; what is more is answered at once.
    static let heldMax = 1_024
    /// Outcomes of ended requests that are remembered; of more, the oldest are forgotten.
    static let outcomesMax = 16_384
    /// Entries of an answer: 40 octets each, and an attribute holds 65,535; libvirt receives 128 KiB.
    static let entriesMax = 1_024
    /// Of them, others' VSIs in the answer to a caller that has some of its own.
    static let othersMax = 16

    /// One VSI that libvirt asked for.
    struct Entry {
        package var profile: LibvirtRequest.PortProfile
        /// Where libvirt waits for events: which libvirtd it is.
        package var eventPort: UInt32
        /// The number that its request had.
        package var sequence: UInt32
        /// Which request this is.
        package var order: UInt64
        var requestedAt: Instant
        /// PORT_*_RESPONSE; nil while the request is under way.
        package var response: UInt16?
        /// It is bound, so libvirt is to hear if it no longer is.
        package var isGranted = false
        /// libvirt reads how the request ends. It does not where it asks because of a loss, or because it has restarted.
        var isPolled = false
        /// The request has failed and the port goes on asking.
        var isKept = false
        package var expiry: Instant?
        /// The poll that waits for this request.
        var heldPoll: UInt64?
    }

    /// A poll that is to be answered, now or later.
    struct Poll: Equatable {
        var header: NetlinkHeader
        var interfaceIndex: Int32
        /// The port that the answer goes to.
        var sender: UInt32
    }

    struct HeldPoll {
        var poll: Poll
        var deadline: Instant
        /// The VSI that it waits for; nil for the first of its caller's that has news.
        var vsi: VSIID?
    }

    /// One libvirtd.
    final class Caller {
        /// All of its VSIs.
        var vsis = NewestFirst<VSIID>()
        /// Those under way that it has not polled, and does not if it has restarted.
        var unpolled = NewestFirst<VSIID>()
        /// Those under way that it polls.
        var polled: Set<VSIID> = []
        /// Those that have ended, and no answer has said so since.
        var unread: Set<VSIID> = []
        /// Its held polls that wait for a certain VSI, and those that do not.
        var aimedPolls = 0
        var otherPolls: [UInt64] = []
        var polls: Int { aimedPolls + otherPolls.count }
    }

    /// How often what happened.
    struct Counters: Equatable {
        package var requests: UInt64 = 0
        var polls: UInt64 = 0
        /// Polls that waited for the bridge.
        var pollsHeld: UInt64 = 0
        /// Held polls that the bridge was too slow for.
        var holdsExpired: UInt64 = 0
        /// Polls that were not held because too many were.
        var holdsDeclined: UInt64 = 0
        /// Requests that were given up because libvirt was about to.
        var requestsGivenUp: UInt64 = 0
    }

    var entries: [VSIID: Entry] = [:]
    var vsis = NewestFirst<VSIID>()
    var callers: [UInt32: Caller] = [:]
    /// Those that are polled and under way, by their first poll.
    var awaited = NewestFirst<VSIID>()
    /// Those that can be forgotten, by their end.
    private var ended = NewestFirst<VSIID>()
    var held: [UInt64: HeldPoll] = [:]
    var heldOrder = NewestFirst<UInt64>()
    var lastPoll: UInt64 = 0
    private var lastOrder: UInt64 = 0
    var counters = Counters()
    /// Requests that libvirt has polled and that have failed, while the port goes on asking; given once.
    private var readFailures: [(vsi: VSIID, order: UInt64)] = []
    /// VSIs whose loss could not be sent to their libvirtd.
    private(set) var undelivered = NewestFirst<VSIID>()

    // MARK: Requests

    /// Notes a request that the port has taken. What the caller was told of an earlier one for the VSI no longer counts.
    ///
    /// - Returns: which request it is, and the polls for an earlier one, which are to be answered.
    func take(
        _ profile: LibvirtRequest.PortProfile, _ header: NetlinkHeader, at now: Instant
    ) -> (order: UInt64, answered: [Poll]) {
        let vsi = profile.instance
        let former = entries[vsi]
        let answered = former?.heldPoll.flatMap { release($0) }.map { [$0] } ?? []
        forget(vsi)
        lastOrder &+= 1
        counters.requests &+= 1
        entries[vsi] = Entry(
            profile: profile, eventPort: header.port, sequence: header.sequence, order: lastOrder, requestedAt: now,
            isGranted: former?.isGranted ?? false)
        vsis.insert(vsi)
        let caller = callers[header.port] ?? Caller()
        callers[header.port] = caller
        caller.vsis.insert(vsi)
        caller.unpolled.insert(vsi)
        return (lastOrder, answered)
    }

    /// Notes a VSI that the run of evbd before this one was asked for. Where it had been granted libvirt is to hear if it is lost.
    func resume(_ profile: LibvirtRequest.PortProfile, eventPort: UInt32, isGranted: Bool = true, at now: Instant) {
        let vsi = profile.instance
        guard entries[vsi] == nil else { return }
        lastOrder &+= 1
        entries[vsi] = Entry(
            profile: profile, eventPort: eventPort, sequence: 0, order: lastOrder, requestedAt: now,
            response: isGranted ? LibvirtReply.success : LibvirtReply.failure, isGranted: isGranted, isKept: !isGranted)
        vsis.insert(vsi)
        let caller = callers[eventPort] ?? Caller()
        callers[eventPort] = caller
        caller.vsis.insert(vsi)
    }

    /// The request `order` has ended. `isKept`: it has failed, and the port goes on asking for the VSI.
    ///
    /// - Returns: the polls that are to be answered.
    func end(
        _ vsi: VSIID, _ order: UInt64, response: UInt16, isGranted: Bool, isKept: Bool = false, at now: Instant
    ) -> [Poll] {
        guard let entry = entries[vsi], entry.order == order else { return [] }
        if isKept, entry.isPolled { readFailures.append((vsi, order)) }
        return end(vsi, response: response, isGranted: isGranted, isKept: isKept, at: now)
    }

    /// The VSI has an outcome, or another one.
    private func end(_ vsi: VSIID, response: UInt16, isGranted: Bool, isKept: Bool, at now: Instant) -> [Poll] {
        guard var entry = entries[vsi] else { return [] }
        entry.response = response
        entry.isGranted = isGranted
        entry.isKept = isKept && entry.profile.operation != .disassociate
        entry.expiry = nil
        entries[vsi] = entry
        if isGranted { undelivered.remove(vsi) }
        awaited.remove(vsi)
        let caller = callers[entry.eventPort]
        caller?.unpolled.remove(vsi)
        caller?.polled.remove(vsi)
        caller?.unread.insert(vsi)
        if isGranted || entry.isKept { ended.remove(vsi) } else { expire(vsi, at: now) }
        let waiting = entry.heldPoll.map { [$0] } ?? caller?.otherPolls ?? []
        return waiting.compactMap { release($0) }
    }

    /// Lets what is said of a VSI be forgotten after a while.
    private func expire(_ vsi: VSIID, at now: Instant) {
        entries[vsi]?.expiry = now + Self.memory
        ended.insert(vsi)
        if ended.count > Self.outcomesMax, let oldest = ended.oldest { forget(oldest) }
    }

    /// A VSI that was bound is so no more, and libvirt did not ask for that. `isKept`: the port goes on asking for it.
    ///
    /// - Returns: the entry whose loss libvirt is to hear, and polls that are to be answered; nil if it is none of libvirt's.
    func lose(_ vsi: VSIID, isKept: Bool = false, at now: Instant) -> (entry: Entry, answered: [Poll])? {
        guard let entry = entries[vsi], entry.isGranted, entry.profile.operation != .disassociate else { return nil }
        return (entry, end(vsi, response: LibvirtReply.failure, isGranted: false, isKept: isKept, at: now))
    }

    /// A VSI is bound although no request for it is under way: what was said of its loss or its failure is over.
    ///
    /// - Returns: the polls that are to be answered.
    func regain(_ vsi: VSIID, at now: Instant) -> [Poll] {
        guard let entry = entries[vsi], entry.isKept || entry.isGranted, entry.profile.operation != .disassociate else {
            return []
        }
        return end(vsi, response: LibvirtReply.success, isGranted: true, isKept: false, at: now)
    }

    /// The port asks for a VSI no more, and libvirt has heard how that ended: that is remembered for a while.
    func settle(_ vsi: VSIID, at now: Instant) {
        guard let entry = entries[vsi], entry.response != nil, entry.expiry == nil else { return }
        entries[vsi]?.isGranted = false
        entries[vsi]?.isKept = false
        expire(vsi, at: now)
    }

    /// The requests whose failure libvirt has read, or is about to read, since the last call.
    func takeReadFailures() -> [(vsi: VSIID, order: UInt64)] {
        defer { readFailures = [] }
        return readFailures
    }

    /// libvirt polls a request that ended before the first poll for it came.
    func noteRead(_ vsi: VSIID) {
        guard let entry = entries[vsi], !entry.isPolled else { return }
        entries[vsi]?.isPolled = true
        if entry.isKept { readFailures.append((vsi, entry.order)) }
    }

    /// Whether the news that a VSI is lost has reached its libvirtd.
    func setDelivered(_ vsi: VSIID, _ isDelivered: Bool) {
        if isDelivered || entries[vsi] == nil { undelivered.remove(vsi) } else { undelivered.insert(vsi) }
    }

    /// Everything that was said of a VSI; its held poll has been released.
    private func forget(_ vsi: VSIID) {
        guard let entry = entries.removeValue(forKey: vsi) else { return }
        vsis.remove(vsi)
        awaited.remove(vsi)
        ended.remove(vsi)
        undelivered.remove(vsi)
        guard let caller = callers[entry.eventPort] else { return }
        caller.vsis.remove(vsi)
        caller.unpolled.remove(vsi)
        caller.polled.remove(vsi)
        caller.unread.remove(vsi)
        dropIfIdle(entry.eventPort)
    }

    func dropIfIdle(_ port: UInt32) {
        guard let caller = callers[port], caller.vsis.isEmpty, caller.polls == 0 else { return }
        callers[port] = nil
    }

    // MARK: Time

    /// When `advance` has something to do; nil for never.
    var nextDeadline: Instant? {
        let hold = heldOrder.oldest.flatMap { held[$0]?.deadline }
        let patience = awaited.oldest.flatMap { entries[$0] }.map { $0.requestedAt + Self.patience }
        let memory = ended.oldest.flatMap { entries[$0]?.expiry }.map { $0 + Self.sweep }
        return [hold, patience, memory].lazy.compactMap(\.self).min()
    }

    /// What the time has come for: polls to be answered although nothing is decided, and requests to be taken back.
    ///
    /// What libvirt is about to give up has to fail, and to be taken back from the bridge: a late success would leave the
    /// switch with a VSI that nobody owns.
    func advance(to now: Instant) -> (answered: [Poll], overdue: [VSIID]) {
        var answered: [Poll] = []
        while let oldest = heldOrder.oldest, let deadline = held[oldest]?.deadline, deadline <= now {
            counters.holdsExpired &+= 1
            if let poll = release(oldest) { answered.append(poll) }
        }
        var overdue: [VSIID] = []
        while let oldest = awaited.oldest, let entry = entries[oldest], now.since(entry.requestedAt) >= Self.patience {
            awaited.remove(oldest)
            counters.requestsGivenUp &+= 1
            overdue.append(oldest)
        }
        while let oldest = ended.oldest, let expiry = entries[oldest]?.expiry, expiry <= now { forget(oldest) }
        return (answered, overdue)
    }
}
