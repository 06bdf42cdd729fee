internal import EVBTime
internal import EVBWire
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

    /// An address that is closed, or that is to be or about to be another thing than it is.
    private struct Address {
        /// Whether the kernel has it as closed when the transaction under way is done.
        var isClosed = false
        /// The transaction under way opens it.
        var isBeingOpened = false
        /// Nothing where it is to stay as it is.
        var wish: Wish?
        var waiters: [Waiter] = []

        var isOpening: Bool { isBeingOpened || wish?.isClosed == false }
        var isForgettable: Bool { !isClosed && !isBeingOpened && wish == nil && waiters.isEmpty }
    }

    /// What is known of the addresses of a port. An object, so that its table changes in place.
    private final class Port {
        var addresses = DenseDictionary<HardwareAddress, Address>()
        /// Commands that delete the port's set and are still to be given to the kernel. What is asked of the set since then comes after them.
        var releases = 0
        /// Entries that wait for that.
        var held: [Entry] = []
    }

    /// Who waits for addresses to be opened. Each stands at one that is not open yet, and is looked at when that one is open, or need not
    /// be any more: what becomes of one address costs the same however many wait for others.
    struct Waiter {
        var addresses: AddressSet
        var portIndex: Int32
        var then: (String?) -> Void
        /// How often nftables has refused to open the addresses.
        var refusals = 0
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

    private var ports: [Int32: Port] = [:]
    /// The one that was asked for last. Nearly always it is asked for again.
    private var lastPort: (index: Int32, port: Port)?
    /// How many wishes there are.
    private var wishCount = 0
    private var lastNumber: UInt64 = 0
    /// Wishes in the order of their transactions: what is closed goes before what is opened. An entry whose wish is another one
    /// by now is passed over.
    private var (closings, openings, later) = (FIFO<Entry>(), FIFO<Entry>(), Later())
    /// How many entries there are when those that are passed over are thrown out; the kernel may take none for a while.
    private var pruneAt = ClosedQueue.entriesMin
    private static let entriesMin = 4096
    /// How many entries are held.
    private var heldCount = 0
    /// The last transaction has left some that were due, as it had as many as it may.
    private(set) var hasLeftSome = false
    /// The changes of the transaction under way, in their order.
    private var underWay: [(port: Int32, address: HardwareAddress, isClosed: Bool)] = []
    /// Those who stand nowhere any more, in the order in which that came.
    private var freed: [Waiter] = []
    /// Gives those who need not wait any more their turns, as a transaction may be of thousands; nil calls all of them at once.
    private var turns: WorkQueue<Waiter>?

    /// Calls those who need not wait any more in turns of a loop.
    func takeTurns(of loop: EventLoop) { turns = WorkQueue(loop: loop) { [weak self] in self?.callBack($0) } }

    /// Whether some that are waited for were taken back.
    var hasTakenBack: Bool { !freed.isEmpty }

    /// Whether there is nothing to do.
    var isEmpty: Bool { wishCount == 0 }

    private func known(_ index: Int32) -> Port? {
        if let lastPort, lastPort.index == index { return lastPort.port }
        guard let port = ports[index] else { return nil }
        lastPort = (index, port)
        return port
    }

    private func port(_ index: Int32) -> Port {
        if let port = known(index) { return port }
        let port = Port()
        ports[index] = port
        return port
    }

    /// What the kernel has of a port, or is about to have.
    func installed(port index: Int32) -> Set<HardwareAddress> {
        guard let port = known(index) else { return [] }
        return Set(port.addresses.lazy.filter(\.value.isClosed).map(\.key))
    }

    /// An earlier run has closed these addresses.
    func adopt(_ addresses: Set<HardwareAddress>, port index: Int32) {
        lost(allBut: addresses, port: index)
        for address in addresses { port(index).addresses[address, default: Address()].isClosed = true }
    }

    /// The kernel has these addresses only; others that it should have are to be asked for again. What is under way may be
    /// among those, and does no harm twice.
    func lost(allBut present: Set<HardwareAddress>, port index: Int32) {
        guard let port = known(index) else { return }
        for (address, var former) in port.addresses where former.isClosed && !present.contains(address) {
            former.isClosed = false
            put(former, at: address, port)
        }
    }

    private func put(_ state: Address, at address: HardwareAddress, _ port: Port) {
        port.addresses[address] = state.isForgettable ? nil : state
    }

    /// When the next change is due; nil if there is none.
    func nextDue(now: Instant) -> Instant? {
        guard !isEmpty else { return nil }
        return hasCurrent(&closings) || hasCurrent(&openings) || heldCount > 0 ? now : later.next
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
        let port = port(index)
        var state = port.addresses[change.address] ?? Address()
        let former = state.wish
        if state.isClosed == change.isClosed {
            guard former != nil else { return }
            state.wish = nil
            wishCount -= 1
        } else {
            let due = former == nil ? due : Self.earlier(former?.due, due)
            guard former?.isClosed != change.isClosed || former?.due != due else { return }
            lastNumber &+= 1
            let wish = Wish(isClosed: change.isClosed, due: due, number: lastNumber)
            state.wish = wish
            if former == nil { wishCount += 1 }
            queue(Entry(port: index, address: change.address, number: lastNumber), wish)
        }
        if former?.isClosed == false { free(&state) }
        put(state, at: change.address, port)
        if entryCount > pruneAt { prune() }
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

    private func isCurrent(_ entry: Entry) -> Bool { wish(of: entry) != nil }

    /// What an entry is about; nil where that is another wish by now.
    private func wish(of entry: Entry) -> Wish? {
        let wish = known(entry.port)?.addresses[entry.address]?.wish
        return wish?.number == entry.number ? wish : nil
    }

    private static func earlier(_ one: Instant?, _ other: Instant?) -> Instant? {
        guard let one, let other else { return nil }
        return min(one, other)
    }

    /// A port's set is to be deleted, by a command that waits. What is asked for from now on is for the set after it.
    func forget(port index: Int32) {
        let port = port(index)
        for state in port.addresses.values {
            if state.wish != nil { wishCount -= 1 }
            freed += state.waiters
        }
        port.addresses = DenseDictionary()
        underWay.removeAll { $0.port == index }
        heldCount -= port.held.count
        port.held = []
        port.releases += 1
        callBack()
    }

    /// The command that deletes a port's set is given to the kernel, before what is taken from now on.
    func releaseBegins(port index: Int32) {
        guard let port = known(index), port.releases > 0 else { return }
        port.releases -= 1
        guard port.releases == 0 else { return }
        heldCount -= port.held.count
        let held = port.held
        port.held = []
        for entry in held { if let wish = wish(of: entry) { queue(entry, wish) } }
        guard port.addresses.isEmpty else { return }
        ports[index] = nil
        lastPort = nil
    }

    // MARK: Waiting

    /// Whether one of the addresses is closed in the kernel and about to be opened.
    func isOpening(_ addresses: AddressSet, port index: Int32) -> Bool {
        firstOpening(addresses, port: index) != nil
    }

    private func firstOpening(_ addresses: AddressSet, port index: Int32) -> HardwareAddress? {
        guard let port = known(index), !port.addresses.isEmpty else { return nil }
        return addresses.first { port.addresses[$0]?.isOpening == true }
    }

    /// Calls back when none of the addresses is, or with why they are still closed.
    ///
    /// - Returns: Whether one of them is: where none is, nothing waits, and `then` is not called.
    @discardableResult
    func wait(_ addresses: AddressSet, port index: Int32, then: @escaping (String?) -> Void) -> Bool {
        wait(Waiter(addresses: addresses, portIndex: index, then: then))
    }

    private func wait(_ waiter: Waiter) -> Bool {
        guard let address = firstOpening(waiter.addresses, port: waiter.portIndex) else { return false }
        port(waiter.portIndex).addresses[address, default: Address()].waiters.append(waiter)
        return true
    }

    private func free(_ state: inout Address) {
        guard !state.waiters.isEmpty else { return }
        freed += state.waiters
        state.waiters = []
    }

    // MARK: Transactions

    /// Takes changes for the next transaction, as many as it may have: those that are due, but those of ports whose sets are deleted
    /// first. May be called again for the same transaction, after `releaseBegins`.
    ///
    /// - Parameter moment: What is due later is not taken; nil takes all, however many there are.
    /// - Returns: A change for each port.
    func take(dueBy moment: Instant? = nil) -> [GuestRules.Change] {
        while let entry = later.popFirst(dueBy: moment) {
            guard let wish = wish(of: entry) else { continue }
            if wish.isClosed { closings.append(entry) } else { openings.append(entry) }
        }
        var left = moment == nil ? Int.max : Self.changesMax
        var taken: [Int32: (closing: [HardwareAddress], opening: [HardwareAddress])] = [:]
        let first = underWay.count
        take(&closings, &left)
        take(&openings, &left)
        hasLeftSome = left == 0 && underWay.count > first
        for change in underWay[first...] {
            if change.isClosed {
                taken[change.port, default: ([], [])].closing.append(change.address)
            } else {
                taken[change.port, default: ([], [])].opening.append(change.address)
            }
        }
        return taken.sorted { $0.key < $1.key }.map { index, changes in
            GuestRules.closed(
                index, adding: changes.closing.sorted { $0.value < $1.value },
                removing: changes.opening.sorted { $0.value < $1.value })
        }
    }

    /// Takes up to so many out of a queue.
    private func take(_ queue: inout FIFO<Entry>, _ left: inout Int) {
        while left > 0, let entry = queue.popFirst() {
            guard let port = known(entry.port), var state = port.addresses[entry.address], let wish = state.wish,
                wish.number == entry.number
            else { continue }
            guard port.releases == 0 else {
                port.held.append(entry)
                heldCount += 1
                continue
            }
            state.wish = nil
            wishCount -= 1
            state.isClosed = wish.isClosed
            if !wish.isClosed { state.isBeingOpened = true }
            port.addresses[entry.address] = state
            underWay.append((entry.port, entry.address, wish.isClosed))
            left -= 1
        }
    }

    /// nftables has refused the transaction under way: what it was to change is asked for again, unless it has been since.
    ///
    /// - Parameters:
    ///   - problem: Why.
    ///   - due: When it is to be tried again.
    func failed(_ problem: String, due: Instant? = nil) {
        let tired = countRefusal()
        for (index, address, isClosed) in underWay {
            let port = port(index)
            var state = port.addresses[address] ?? Address()
            let asked = state.wish
            (state.isClosed, state.isBeingOpened, state.wish) = (!isClosed, false, nil)
            free(&state)
            put(state, at: address, port)
            // Where the opposite has been asked for since, that is how it is.
            if asked != nil { wishCount -= 1 }
            if asked?.isClosed ?? isClosed == isClosed {
                set(ClosedAddresses.Change(address: address, isClosed: isClosed), port: index, due: due)
            }
        }
        underWay = []
        for waiter in tired { waiter.then(problem) }
    }

    /// nftables has refused to open some addresses. Takes out those who have waited for too many refusals.
    private func countRefusal() -> [Waiter] {
        var refused: [Int32: Set<HardwareAddress>] = [:]
        for change in underWay where !change.isClosed { refused[change.port, default: []].insert(change.address) }
        var tired: [Waiter] = []
        for (index, addresses) in refused {
            guard let port = known(index) else { continue }
            for (address, state) in port.addresses where !state.waiters.isEmpty {
                let counted = state.waiters.map { waiter in
                    var waiter = waiter
                    if !waiter.addresses.isDisjoint(with: addresses) { waiter.refusals += 1 }
                    return waiter
                }
                tired += counted.filter { $0.refusals >= Self.refusalsMax }
                port.addresses[address]?.waiters = counted.filter { $0.refusals < Self.refusalsMax }
            }
        }
        return tired
    }

    /// The transaction is done.
    func done() {
        for (index, address, isClosed) in underWay where !isClosed {
            guard let port = known(index), var state = port.addresses[address] else { continue }
            state.isBeingOpened = false
            free(&state)
            put(state, at: address, port)
        }
        underWay = []
        callBack()
    }

    /// Calls back those who need not wait any more, because what they waited for is done or was taken back.
    func callBack() {
        let ready = freed
        freed = []
        guard let turns else { return ready.forEach(callBack) }
        if !ready.isEmpty { turns.append(contentsOf: ready) }
    }

    /// Calls back one whose addresses are open; they may be about to be opened once more when its turn comes.
    private func callBack(_ waiter: Waiter) {
        if !wait(waiter) { waiter.then(nil) }
    }
}
