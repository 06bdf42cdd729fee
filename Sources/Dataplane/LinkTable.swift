internal import EVBTime
package import EventLoop
package import LinuxSystem
package import Logging
package import Netlink

/// The kernel's links as it last told of them: the one owner of that truth.
///
/// What takes long on a host with ten thousand links is done over many turns of the loop: who hears of changes hears of some in
/// each turn, and where news were lost, a thread of its own reads all links, which are then compared a part at a time.
package final class LinkTable {
    /// How long after the links could not be read they are read again.
    private static let patience = Interval.milliseconds(200)
    /// Links that one turn of the loop compares with a reading of all: less than a millisecond.
    package static let comparedPerTurn = 256

    /// Reads all links, on a thread of its own.
    package typealias Reader = @Sendable () -> Result<[Link], NetlinkError>

    /// A reading of all links after news were lost.
    private enum Reading {
        case none
        case underWay(BackgroundTask<Result<[Link], NetlinkError>>?)
        /// What was read, by index, and the indices that are still to be compared with it.
        case comparing([Int32: Link], ArraySlice<Int32>)
    }

    private let monitor: LinkMonitor
    private let loop: EventLoop
    private let timers: Timers
    private let logger: Logger
    private let reader: Reader
    private var reading = Reading.none
    /// The links of which there were news since the reading began: for these the news count.
    private var heard: Set<Int32> = []
    /// News were lost since the reading began, so that it does not count.
    private var isOverrun = false
    private var timer: Timers.Timer?
    private var sliceTimer: Timers.Timer?
    /// News of switches inside of cards that no port has taken; of links that are there.
    private var cardSwitches: [Int32: CardSwitchMode] = [:]
    /// The names of links that have changed, of which `onChange` is still to be called.
    private lazy var changes = WorkQueue<String>(loop: loop) { [weak self] in self?.tell($0) }
    private var changedNames: Set<String> = []
    private var waiting: [() -> Void] = []
    private var watch: EventLoop.Watch?
    private var links: [Int32: Link] = [:]
    private var indices: [String: Int32] = [:]
    /// Links by their alternative names, which are no other link's names either.
    private var alternatives: [String: Int32] = [:]
    private var holders: [HardwareAddress: Set<Int32>] = [:]
    private var aliases: [String: Set<Int32>] = [:]
    /// Links that have gone to other network namespaces, by the indices that they had here.
    private var departed: Set<Int32> = []
    /// Of more, none is remembered: such a host moves links all the time, and what is theirs has been asked long ago.
    private static let departedMax = 16_384

    /// Called with a link's name whenever something about it has changed; the table has the new state by then. Many changes at
    /// once are heard of over several turns of the loop, and one of a link that changes again before that once.
    package var onChange: ((String) -> Void)?
    /// Called some time after a network namespace has ended that links of this one had gone to, or may have.
    package var onNamespaceEnd: (() -> Void)?
    private var endTimer: Timers.Timer?
    /// How long after a namespace's end its links are looked for: the kernel ends them after it has told of that.
    private static let endDelay = Interval.milliseconds(500)

    /// Reads all links and listens for changes.
    ///
    /// - Parameters:
    ///   - loop: tells when there is news.
    ///   - timers: end the pauses between attempts.
    ///   - logger: where trouble is logged.
    ///   - reader: reads all links again when news were lost, on another thread.
    /// - Throws: `NetlinkError` or `SystemError` when the kernel gives no socket.
    package init(
        loop: EventLoop, timers: Timers, logger: Logger, reader: @escaping Reader = LinkTable.readAll
    ) throws {
        self.loop = loop
        self.timers = timers
        self.logger = logger
        self.reader = reader
        monitor = try LinkMonitor()
        timer = timers.timer { [weak self] in self?.beginReading() }
        sliceTimer = timers.timer { [weak self] in self?.compareSome() }
        endTimer = timers.timer { [weak self] in self?.onNamespaceEnd?() }
        for link in try monitor.dump() { insert(link) }
        watch = try loop.watch(monitor.descriptor, for: .readable) { [weak self] _ in self?.receive() }
    }

    /// Reads all links by a socket of its own.
    package static let readAll: Reader = {
        Result { () throws(NetlinkError) in try Links().dump() }
    }

    /// Whether no news are missing: none were lost, or all links have been read since.
    package var isComplete: Bool { if case .none = reading { true } else { false } }

    /// Calls back when the table has all that the kernel has said until now: at once, or after all links have been read.
    package func whenCaughtUp(_ body: @escaping () -> Void) {
        if isComplete { catchUp() }
        if isComplete { body() } else { waiting.append { [weak self] in self?.whenCaughtUp(body) } }
    }

    /// The link of that name.
    package subscript(name: String) -> Link? { indices[name].flatMap { links[$0] } }

    /// The name that the kernel shows for a link, by that or an alternative name; the same name where there is no such link.
    package func name(of name: String) -> String {
        guard indices[name] == nil, let link = alternatives[name].flatMap({ links[$0] }) else { return name }
        return link.name
    }

    /// The link of that index.
    package subscript(index: Int32) -> Link? { links[index] }

    /// The links that have an address.
    package func links(of address: HardwareAddress) -> [Link] {
        guard let found = holders[address] else { return [] }
        return found.sorted().compactMap { links[$0] }
    }

    /// The links that have an alias.
    package func links(alias: String) -> [Link] { aliases[alias, default: []].sorted().compactMap { links[$0] } }

    /// Whether a link has an address.
    package func hasLink(of address: HardwareAddress) -> Bool { holders[address] != nil }

    /// The first link of which something is true, by its index. Looks at all of them.
    package func first(where isMeant: (Link) -> Bool) -> Link? {
        links.values.filter(isMeant).min { $0.index < $1.index }
    }

    /// The links of which something is true, by their indices. Looks at all of them.
    package func all(where isMeant: (Link) -> Bool) -> [Link] {
        links.values.filter(isMeant).sorted { $0.index < $1.index }
    }

    /// Whether the link that had this index is in another network namespace now.
    package func isElsewhere(_ index: Int32) -> Bool { departed.contains(index) }

    private func insert(_ link: Link) {
        if let old = links[link.index], old.name != link.name, indices[old.name] == link.index {
            indices[old.name] = nil
        }
        if let old = links[link.index], old.address != link.address { forgetAddress(of: old) }
        if let old = links[link.index], old.alias != link.alias { forgetAlias(of: old) }
        if let old = links[link.index] { forgetAlternatives(of: old) }
        for name in link.alternativeNames { alternatives[name] = link.index }
        if let alias = link.alias { aliases[alias, default: []].insert(link.index) }
        if let address = link.address { holders[address, default: []].insert(link.index) }
        departed.remove(link.index)
        links[link.index] = link
        indices[link.name] = link.index
    }

    private func forgetAddress(of link: Link) {
        guard let address = link.address else { return }
        holders[address]?.remove(link.index)
        if holders[address]?.isEmpty == true { holders[address] = nil }
    }

    private func forgetAlternatives(of link: Link) {
        for name in link.alternativeNames where alternatives[name] == link.index { alternatives[name] = nil }
    }

    private func forgetAlias(of link: Link) {
        guard let alias = link.alias else { return }
        aliases[alias]?.remove(link.index)
        if aliases[alias]?.isEmpty == true { aliases[alias] = nil }
    }

    /// - Returns: The name that the link had.
    private func remove(_ index: Int32) -> String? {
        cardSwitches[index] = nil
        guard let link = links.removeValue(forKey: index) else { return nil }
        if indices[link.name] == index { indices[link.name] = nil }
        forgetAddress(of: link)
        forgetAlias(of: link)
        forgetAlternatives(of: link)
        return link.name
    }

    /// Takes all news that wait, so that what the kernel has said before an answer is known before that.
    package func catchUp() { receive(limit: .max) }

    private func receive(limit: Int = 256) {
        var changed: [String] = []
        do {
            try monitor.receive(limit: limit) { take($0, &changed) }
        } catch {
            logger.warning("link changes cannot be read; reading all links", metadata: ["error": "\(error)"])
            overrun()
        }
        announce(changed)
    }

    /// Takes news as the kernel's, for tests.
    package func take(_ events: [LinkEvent]) {
        var changed: [String] = []
        for event in events { take(event, &changed) }
        announce(changed)
    }

    /// Takes one piece of news. The names of links that have changed by it are added to `changed`.
    private func take(_ event: LinkEvent, _ changed: inout [String]) {
        switch event {
        case .changed(let link):
            note(link.index)
            if let old = links[link.index], old.name != link.name { changed.append(old.name) }
            guard links[link.index] != link || indices[link.name] != link.index else { return }
            insert(link)
            changed.append(link.name)
        case .removed(let index, _):
            note(index)
            if let name = remove(index) { changed.append(name) }
        case .moved(let index, _):
            note(index)
            guard let name = remove(index) else { return }
            if departed.count == Self.departedMax { departed = [] }
            departed.insert(index)
            changed.append(name)
        case .bridgePort(let index, let hairpin):
            guard let link = links[index], link.hairpin != hairpin else { return }
            links[index]?.hairpin = hairpin
            changed.append(link.name)
        case .cardSwitch(let index, let mode):
            guard let link = links[index] else { return }
            cardSwitches[index] = mode
            changed.append(link.name)
        case .namespaceEnded: endTimer?.set(timers.now + Self.endDelay)
        case .overrun:
            logger.notice("links changed faster than they were read; reading all of them")
            overrun()
        }
    }

    /// What a card has said of its switch since this was asked last; nil if nothing.
    package func takeCardSwitch(of index: Int32) -> CardSwitchMode? { cardSwitches.removeValue(forKey: index) }

    private func note(_ index: Int32) { if !isComplete { heard.insert(index) } }

    private func announce(_ names: [String]) {
        let fresh = names.filter { changedNames.insert($0).inserted }
        if !fresh.isEmpty { changes.append(contentsOf: fresh) }
    }

    private func tell(_ name: String) {
        changedNames.remove(name)
        onChange?(name)
    }

    // MARK: Reading all links

    private func overrun() {
        endTimer?.set(timers.now + Self.endDelay)
        switch reading {
        case .underWay: isOverrun = true
        case .none, .comparing: beginReading()
        }
    }

    /// Reads all links, beside the loop's thread: where there are ten thousand it takes a tenth of a second.
    private func beginReading() {
        isOverrun = false
        heard = []
        do {
            let task = try BackgroundTask(on: loop, reader) { [weak self] in self?.wasRead($0) }
            reading = .underWay(task)
        } catch {
            failed("\(error)")
        }
    }

    private func failed(_ problem: String) {
        // Others may be changing them all the time.
        logger.error("the links cannot be read; trying again", metadata: ["error": "\(problem)"])
        reading = .underWay(nil)
        timer?.set(timers.now + Self.patience)
    }

    private func wasRead(_ result: Result<[Link], NetlinkError>) {
        guard !isOverrun else { return beginReading() }
        switch result {
        case .failure(let error): failed("\(error)")
        case .success(let all):
            let found = Dictionary(all.map { ($0.index, $0) }) { _, last in last }
            reading = .comparing(found, Array(Set(links.keys).union(found.keys))[...])
            compareSome()
        }
    }

    /// Compares some links with what was read, and the others in later turns of the loop.
    private func compareSome() {
        guard case .comparing(let found, let all) = reading else { return }
        var changed: [String] = []
        for index in all.prefix(Self.comparedPerTurn) where !heard.contains(index) {
            let (old, new) = (links[index], found[index])
            guard old != new else { continue }
            if let old, old.name != new?.name { changed.append(old.name) }
            if let new { insert(new) } else { _ = remove(index) }
            if let new { changed.append(new.name) }
        }
        let rest = all.dropFirst(Self.comparedPerTurn)
        if rest.isEmpty {
            reading = .none
            heard = []
        } else {
            reading = .comparing(found, rest)
            sliceTimer?.set(timers.now)
        }
        announce(changed)
        guard rest.isEmpty else { return }
        let ready = waiting
        waiting = []
        for body in ready { body() }
    }
}
