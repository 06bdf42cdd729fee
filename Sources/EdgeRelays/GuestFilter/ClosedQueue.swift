internal import EVBTime
internal import EventLoop
internal import LinuxSystem

/// The changes of closed addresses that are still to be made in the kernel, and who waits for them.
///
/// There may be changes for ten thousand addresses at once: what is done for one costs the same however many there are, and a
/// transaction takes some of them.
final class ClosedQueue {
    /// Refusals, about a second apart, after which those who wait hear of them.
    static let refusalsMax = 5
    /// Changes in one transaction: it is written in a fraction of a millisecond, and the kernel makes it in a few.
    static let changesMax = 256

    /// What is to be made of an address.
    private struct Wish {
        var isClosed: Bool
        /// When it is to be made; before then it may be taken back. nil is at once.
        var due: Instant?
        /// Names the wish: an entry of a queue that has another number is about an earlier one.
        var number: UInt64
    }

    /// A wish's place in a queue.
    private struct Entry {
        let port: Int32
        let address: HardwareAddress
        let number: UInt64
    }

    /// Entries that are due later, in the order in which they are due.
    private struct Later {
        private var lanes: [(entries: FIFO<(due: Instant, entry: Entry)>, last: Instant)] = []

        var count: Int { lanes.reduce(0) { $0 + $1.entries.count } }
        /// When the first one is due.
        var next: Instant? { lanes.compactMap(\.entries.first?.due).min() }

        /// There is a lane for each patience that is in use, since the clock never goes back: two.
        mutating func append(_ entry: Entry, due: Instant) {
            let lane = lanes.firstIndex { $0.last <= due } ?? lanes.count
            if lane == lanes.count { lanes.append((FIFO(), due)) }
            lanes[lane].entries.append((due, entry))
            lanes[lane].last = due
        }

        /// Takes out one that is due by a moment; nil is whenever.
        mutating func popFirst(dueBy moment: Instant?) -> Entry? {
            for lane in lanes.indices {
                guard let first = lanes[lane].entries.first, moment.map({ first.due <= $0 }) ?? true else { continue }
                _ = lanes[lane].entries.popFirst()
                if lanes[lane].entries.isEmpty { lanes.remove(at: lane) }
                return first.entry
            }
            return nil
        }

        /// Takes out those that are not to stay.
        mutating func prune(_ stays: (Entry) -> Bool) {
            for lane in lanes.indices { _ = lanes[lane].entries.extract { stays($0.entry) ? .leave : .take } }
            lanes.removeAll(where: \.entries.isEmpty)
        }
    }

    /// What is to be made of addresses, by port; nothing that the kernel has already.
    private var pending: [Int32: [HardwareAddress: Wish]] = [:]
    private var lastNumber: UInt64 = 0
    /// Wishes in the order of their transactions: what is closed goes before what is opened. An entry whose wish is another one
    /// by now is passed over.
    private var (closings, openings, later) = (FIFO<Entry>(), FIFO<Entry>(), Later())
    /// How many entries there are when those that are passed over are thrown out; the kernel may take none for a while.
    private var pruneAt = ClosedQueue.entriesMin
    private static let entriesMin = 4096
    /// Those of ports whose sets are deleted first.
    private var held: [Int32: [Entry]] = [:]
    /// The last transaction has left some that were due, as it had as many as it may.
    private(set) var hasLeftSome = false
    /// What the kernel has when the transaction under way is done.
    private var installed: [Int32: Set<HardwareAddress>] = [:]
    /// The addresses that the transaction under way opens.
    private var opening: [Int32: Set<HardwareAddress>] = [:]
    private var openedInOrder: [(port: Int32, address: HardwareAddress)] = []
    /// The changes of the transaction under way.
    private var underWay: [Int32: [HardwareAddress: Bool]] = [:]
    /// Commands that delete a port's set and are still to be given to the kernel, by port. What is asked of the set since
    /// then comes after them.
    private var releases: [Int32: Int] = [:]
    private var waiters = OpeningWaiters()
    /// Gives those who need not wait any more their turns, as a transaction may be of thousands; nil calls all of them at once.
    var turns: WorkQueue<() -> Void>?

    /// Whether some that are waited for were taken back.
    var hasTakenBack: Bool { waiters.hasFreed }

    /// Whether there is nothing to do.
    var isEmpty: Bool { pending.isEmpty }

    /// What the kernel has of a port, or is about to have.
    func installed(port index: Int32) -> Set<HardwareAddress> { installed[index, default: []] }

    /// An earlier run has closed these addresses.
    func adopt(_ addresses: Set<HardwareAddress>, port index: Int32) { installed[index] = addresses }

    /// The kernel has these addresses only; others that it should have are to be asked for again. What is under way may be
    /// among those, and does no harm twice.
    func lost(allBut present: Set<HardwareAddress>, port index: Int32) { installed[index]?.formIntersection(present) }

    /// When the next change is due; nil if there is none.
    func nextDue(now: Instant) -> Instant? {
        guard !pending.isEmpty else { return nil }
        return hasCurrent(&closings) || hasCurrent(&openings) || !held.isEmpty ? now : later.next
    }

    private func hasCurrent(_ queue: inout FIFO<Entry>) -> Bool {
        while let first = queue.first {
            if isCurrent(first) { return true }
            _ = queue.popFirst()
        }
        return false
    }

    // MARK: Asking

    /// Asks for a change; one that takes an earlier one back costs nothing.
    ///
    /// - Parameters:
    ///   - change: The change.
    ///   - index: The port.
    ///   - due: When it is to be made at the latest; nil is with the next transaction.
    func set(_ change: ClosedAddresses.Change, port index: Int32, due: Instant? = nil) {
        let former = pending[index]?[change.address]
        if installed[index]?.contains(change.address) ?? false == change.isClosed {
            forget(change.address, port: index)
        } else {
            let due = former == nil ? due : Self.earlier(former?.due, due)
            guard former?.isClosed != change.isClosed || former?.due != due else { return }
            lastNumber &+= 1
            let wish = Wish(isClosed: change.isClosed, due: due, number: lastNumber)
            pending[index, default: [:]][change.address] = wish
            queue(Entry(port: index, address: change.address, number: lastNumber), wish)
            if entryCount > pruneAt { prune() }
        }
        if former?.isClosed == false { waiters.free(change.address, port: index) }
    }

    private func queue(_ entry: Entry, _ wish: Wish) {
        if let due = wish.due {
            later.append(entry, due: due)
        } else if wish.isClosed {
            closings.append(entry)
        } else {
            openings.append(entry)
        }
    }

    /// Entries of all queues.
    var entryCount: Int { closings.count + openings.count + later.count }

    private func prune() {
        _ = closings.extract { isCurrent($0) ? .leave : .take }
        _ = openings.extract { isCurrent($0) ? .leave : .take }
        later.prune(isCurrent)
        pruneAt = max(2 * entryCount, Self.entriesMin)
    }

    private func forget(_ address: HardwareAddress, port index: Int32) {
        guard pending[index]?.removeValue(forKey: address) != nil, pending[index]?.isEmpty == true else { return }
        pending[index] = nil
    }

    private func isCurrent(_ entry: Entry) -> Bool { pending[entry.port]?[entry.address]?.number == entry.number }

    private static func earlier(_ one: Instant?, _ other: Instant?) -> Instant? {
        guard let one, let other else { return nil }
        return min(one, other)
    }

    /// A port's set is to be deleted, by a command that waits. What is asked for from now on is for the set after it.
    func forget(port index: Int32) {
        pending[index] = nil
        installed[index] = nil
        opening[index] = nil
        underWay[index] = nil
        held[index] = nil
        releases[index, default: 0] += 1
        waiters.free(port: index)
        callBack()
    }

    /// The command that deletes a port's set is given to the kernel, before what is taken from now on.
    func releaseBegins(port index: Int32) {
        guard let count = releases[index] else { return }
        releases[index] = count > 1 ? count - 1 : nil
        guard count == 1 else { return }
        for entry in held.removeValue(forKey: index) ?? [] {
            if isCurrent(entry), let wish = pending[index]?[entry.address] { queue(entry, wish) }
        }
    }

    // MARK: Waiting

    /// Whether one of the addresses is closed in the kernel and about to be opened.
    func isOpening(_ addresses: AddressSet, port index: Int32) -> Bool {
        firstOpening(addresses, port: index) != nil
    }

    private func firstOpening(_ addresses: AddressSet, port index: Int32) -> HardwareAddress? {
        addresses.first { address in
            opening[index]?.contains(address) == true || pending[index]?[address]?.isClosed == false
        }
    }

    /// Calls back when none of the addresses is, or with why they are still closed.
    func wait(_ addresses: AddressSet, port index: Int32, then: @escaping (String?) -> Void) {
        wait(OpeningWaiters.Waiter(addresses: addresses, portIndex: index, then: then))
    }

    private func wait(_ waiter: OpeningWaiters.Waiter) {
        waiters.append(waiter, at: firstOpening(waiter.addresses, port: waiter.portIndex))
    }

    // MARK: Transactions

    /// Takes changes for the next transaction, as many as it may have: those that are due, but those of ports whose sets are deleted
    /// first. May be called again for the same transaction, after `releaseBegins`.
    ///
    /// - Parameter moment: What is due later is not taken; nil takes all, however many there are.
    /// - Returns: A change for each port.
    func take(dueBy moment: Instant? = nil) -> [GuestRules.Change] {
        while let entry = later.popFirst(dueBy: moment) {
            guard isCurrent(entry), let wish = pending[entry.port]?[entry.address] else { continue }
            if wish.isClosed { closings.append(entry) } else { openings.append(entry) }
        }
        var left = moment == nil ? Int.max : Self.changesMax
        let (closing, opened) = (take(&closings, &left), take(&openings, &left))
        hasLeftSome = left == 0 && !(closings.isEmpty && openings.isEmpty)
        for (index, addresses) in closing { installed[index, default: []].formUnion(addresses) }
        for (index, addresses) in opened {
            installed[index, default: []].subtract(addresses)
            opening[index, default: []].formUnion(addresses)
        }
        return Set(closing.keys).union(opened.keys).sorted().map { index in
            let (adding, removing) = (closing[index] ?? [], opened[index] ?? [])
            return GuestRules.closed(
                index, adding: adding.sorted { $0.value < $1.value }, removing: removing.sorted { $0.value < $1.value })
        }
    }

    /// Takes up to so many out of a queue: the addresses by port.
    private func take(_ queue: inout FIFO<Entry>, _ left: inout Int) -> [Int32: [HardwareAddress]] {
        var taken: [Int32: [HardwareAddress]] = [:]
        while left > 0, let entry = queue.popFirst() {
            guard isCurrent(entry), let wish = pending[entry.port]?[entry.address] else { continue }
            guard releases[entry.port] == nil else {
                held[entry.port, default: []].append(entry)
                continue
            }
            forget(entry.address, port: entry.port)
            underWay[entry.port, default: [:]][entry.address] = wish.isClosed
            taken[entry.port, default: []].append(entry.address)
            if !wish.isClosed { openedInOrder.append((entry.port, entry.address)) }
            left -= 1
        }
        return taken
    }

    /// nftables has refused the transaction under way: what it was to change is asked for again, unless it has been since.
    ///
    /// - Parameters:
    ///   - problem: Why.
    ///   - due: When it is to be tried again.
    func failed(_ problem: String, due: Instant? = nil) {
        let tired = waiters.countRefusal(of: opening)
        for (index, changes) in underWay where installed[index] != nil {
            for (address, isClosed) in changes {
                if isClosed { installed[index]?.remove(address) } else { installed[index]?.insert(address) }
                // Where the opposite has been asked for since, that is how it is.
                let asked = pending[index]?[address]?.isClosed
                if asked == nil {
                    set(ClosedAddresses.Change(address: address, isClosed: isClosed), port: index, due: due)
                } else if asked != isClosed {
                    forget(address, port: index)
                    waiters.free(address, port: index)
                }
            }
        }
        underWay = [:]
        for waiter in tired { waiter.then(problem) }
    }

    /// The transaction is done.
    func done() {
        opening = [:]
        underWay = [:]
        for (index, address) in openedInOrder { waiters.free(address, port: index) }
        openedInOrder = []
        callBack()
    }

    /// Calls back those who need not wait any more, because what they waited for is done or was taken back.
    func callBack() {
        var ready: [() -> Void] = []
        for waiter in waiters.takeFreed() {
            if isOpening(waiter.addresses, port: waiter.portIndex) {
                wait(waiter)
            } else if turns == nil {
                callBack(waiter)
            } else {
                ready.append { [weak self] in self?.callBack(waiter) }
            }
        }
        if !ready.isEmpty { turns?.append(contentsOf: ready) }
    }

    /// Calls back one whose addresses are open; they may be about to be opened once more when its turn comes.
    private func callBack(_ waiter: OpeningWaiters.Waiter) {
        if isOpening(waiter.addresses, port: waiter.portIndex) { wait(waiter) } else { waiter.then(nil) }
    }
}
