// What machines say and hear of the protocols between host and switch: nothing. A machine that could send ECP would
// de-associate its neighbours; one that hears LLDP and ECP learns of them what is none of its business.
//
// The rules are nftables', in the family netdev, where a link's frames can be met before anything else has them: at a
// macvtap's egress what its machine sends, at its ingress what it is about to hear. A tap in a bridge is the other way
// round, and both ends have the same rule, so that it does not matter.
//
// A macvlan is made for a container, and nothing that hangs on it goes with it into another network namespace. What
// such a machine sends is met at the egress of the port instead, together with what this host sends, and only evbd's
// own frames pass: they bear a mark that nobody else knows.

internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink
internal import Nftables

/// Keeps LLDP and ECP from and to the links of VSIs, by rules of nftables that it alone owns.
///
/// Changes are made on the link worker, all that wait in one transaction.
final class GuestFilter {
    /// Called with nil when the rules are in force, or with why they are not.
    typealias Completion = (String?) -> Void

    static let table = "netdev evbd-guests"
    /// Changes in one transaction: enough for a burst to cost little, and few enough for one to take milliseconds.
    private static let batchMax = 128

    /// LLDP, both ECPs, and what a tag could hide them behind, to the addresses that bridges keep for themselves.
    private static let rule = """
        ether type { 0x8940, 0x88b7, 0x88cc, 0x8100, 0x88a8 } \
        ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter drop
        """

    private static let declaration = """
        add table \(table)
        add chain \(table) guests
        flush chain \(table) guests
        add rule \(table) guests \(rule)
        """

    /// nftables' session. Used on the worker's thread only, which is why it can be handed there.
    private final class Session: @unchecked Sendable {
        private var session: NftablesSession?

        private func open() throws(NftablesError) -> NftablesSession {
            if let session { return session }
            let session = try NftablesSession()
            self.session = session
            return session
        }

        private func run(_ commands: String) -> String? {
            do throws(NftablesError) {
                try open().run(commands)
                return nil
            } catch {
                return error.description
            }
        }

        /// Makes changes together, or one by one where that fails, so that one that cannot be made spoils no other.
        func run(_ changes: [String]) -> [String?] {
            if run(GuestFilter.declaration + "\n" + changes.joined(separator: "\n")) == nil {
                return changes.map { _ in nil }
            }
            return changes.map { run(GuestFilter.declaration + "\n" + $0) }
        }

        func list() -> String? {
            try? open().list("list chains netdev")
        }
    }

    /// What the worker's thread leaves behind for the loop's; the queue between them puts the one after the other.
    private final class Outcome: @unchecked Sendable {
        var problems: [String?] = []
        var listing: String?
    }

    private let programmer: LinkProgrammer
    private let session = Session()
    private var waiting: [(change: String, then: Completion)] = []
    private var isBusy = false
    /// The changes that have made the rules in force, by the links and ports that they are at.
    private var inForce: [String: String] = [:]
    private let loop: EventLoop
    private let logger: Logger
    /// Tells when somebody flushes all rules; there once there are any of ours.
    private var watch: EventLoop.Watch?
    private var isLooking = false

    /// Has made no rules yet.
    init(programmer: LinkProgrammer, loop: EventLoop, logger: Logger) {
        self.programmer = programmer
        self.loop = loop
        self.logger = logger
    }

    // MARK: Rules

    /// Keeps a machine from the protocols by rules at its link.
    func protect(link: Link, then: @escaping Completion) {
        guard Self.isExpressible(link.name) else { return then("nftables cannot have the name \(link.name) in a rule") }
        let chains = Self.chains("link", link.index)
        enforce(
            chains.out,
            """
            \(Self.removal(chains))
            add chain \(Self.table) \(chains.out) { type filter hook egress device "\(link.name)" priority -500; }
            add rule \(Self.table) \(chains.out) jump guests
            add chain \(Self.table) \(chains.in) { type filter hook ingress device "\(link.name)" priority -500; }
            add rule \(Self.table) \(chains.in) jump guests
            """, then: then)
    }

    /// Keeps everybody but evbd from the protocols by rules at the port.
    ///
    /// - Parameters:
    ///   - port: The port.
    ///   - mark: What evbd's own frames are known by.
    ///   - then: Hears when it is so, or why it cannot be.
    func protect(port: Link, mark: UInt32, then: @escaping Completion) {
        guard Self.isExpressible(port.name) else { return then("nftables cannot have the name \(port.name) in a rule") }
        let chains = Self.chains("port", port.index)
        enforce(
            chains.out,
            """
            \(Self.removal(chains))
            add chain \(Self.table) \(chains.out) { type filter hook egress device "\(port.name)" priority -500; }
            add rule \(Self.table) \(chains.out) meta mark != \(mark) jump guests
            add chain \(Self.table) \(chains.in) { type filter hook ingress device "\(port.name)" priority -500; }
            add rule \(Self.table) \(chains.in) jump guests
            """, then: then)
    }

    /// Removes the rules of a link, which may be gone.
    func release(link index: Int32) { release(Self.chains("link", index)) }

    /// Removes the rules of a port, which may be gone.
    func release(port index: Int32) { release(Self.chains("port", index)) }

    private func release(_ chains: (out: String, in: String)) {
        inForce[chains.out] = nil
        // What was under way for it ends before this.
        change(Self.removal(chains)) { [weak self] _ in self?.inForce[chains.out] = nil }
    }

    private func enforce(_ key: String, _ text: String, then: @escaping Completion) {
        watchRules()
        change(text) { [weak self] problem in
            if problem == nil { self?.inForce[key] = text }
            then(problem)
        }
    }

    private static func chains(_ what: String, _ index: Int32) -> (out: String, in: String) {
        ("\(what)-\(index)-out", "\(what)-\(index)-in")
    }

    /// Chains are removed as they are found: adding one that is there is no mistake, removing one that is not would be.
    private static func removal(_ chains: (out: String, in: String)) -> String {
        [chains.out, chains.in].map { chain in
            "add chain \(table) \(chain)\nflush chain \(table) \(chain)\ndelete chain \(table) \(chain)"
        }.joined(separator: "\n")
    }

    /// Whether nft takes a name between quotation marks as it is.
    private static func isExpressible(_ name: String) -> Bool {
        !name.utf8.contains { $0 == 0x22 || $0 == 0x5C || $0 == 0x2A || $0 <= 0x20 || $0 >= 0x7F }
    }

    // MARK: Rules that others flush

    private func watchRules() {
        guard watch == nil else { return }
        do {
            let monitor = try TableMonitor()
            watch = try loop.watch(monitor.descriptor, for: .readable) { [weak self] _ in
                if monitor.drain() { self?.lookForRules() }
            }
        } catch {
            logger.warning("evbd will not notice when the guest filter is flushed", metadata: ["reason": "\(error)"])
        }
    }

    private func lookForRules() {
        guard !isLooking, !inForce.isEmpty else { return }
        let session = session
        let outcome = Outcome()
        isLooking = programmer.submit(.perform(LinkTask { outcome.listing = session.list() })) { [weak self] _ in
            guard let self else { return }
            isLooking = false
            let present = Self.words(of: outcome.listing)
            let missing = inForce.filter { !present.contains($0.key) }
            guard !missing.isEmpty else { return }
            logger.warning(
                "somebody has flushed the rules of nftables; the guest filter is set up again",
                metadata: ["links": "\(missing.count)"])
            for text in missing.values {
                change(text) { [logger] problem in
                    guard let problem else { return }
                    logger.error("the guest filter cannot be set up again", metadata: ["problem": "\(problem)"])
                }
            }
        }
    }

    // MARK: What an earlier evbd has left

    /// Removes rules of links that are no more; those of links that are stay in force until they are made anew.
    ///
    /// A port's rules let the earlier evbd speak and nobody else, so they go, or are made anew by `keepPort`.
    ///
    /// - Parameters:
    ///   - isLink: Whether there is a link of that index.
    ///   - keepPort: Makes the rules of that port anew; false if it is no port any more.
    func removeLeftovers(isLink: @escaping (Int32) -> Bool, keepPort: @escaping (Int32) -> Bool) {
        let session = session
        let outcome = Outcome()
        _ = programmer.submit(.perform(LinkTask { outcome.listing = session.list() })) { [weak self] _ in
            guard let self else { return }
            for word in Self.words(of: outcome.listing) where word.hasSuffix("-out") {
                let parts = word.split(separator: "-")
                guard parts.count == 3, let index = Int32(parts[1]) else { continue }
                if parts[0] == "link", !isLink(index) { release(link: index) }
                if parts[0] == "port", !keepPort(index) { release(port: index) }
            }
        }
    }

    /// What stands between quotation marks in a listing: our own names among it, in whatever order nft lists them.
    private static func words(of listing: String?) -> Set<String> {
        Set((listing ?? "").split(separator: "\"").map(String.init))
    }

    // MARK: The worker

    private func change(_ text: String, then: @escaping Completion) {
        waiting.append((text, then))
        submit()
    }

    private func submit() {
        guard !isBusy, !waiting.isEmpty else { return }
        let batch = Array(waiting.prefix(Self.batchMax))
        waiting.removeFirst(batch.count)
        let outcome = Outcome()
        let session = session
        let changes = batch.map(\.change)
        isBusy = true
        let isTaken = programmer.submit(.perform(LinkTask { outcome.problems = session.run(changes) })) {
            [weak self] result in
            self?.isBusy = false
            var problems = outcome.problems
            // The worker has ended before it came to this.
            if case .failure(let error) = result { problems = batch.map { _ in "\(error)" } }
            for (item, problem) in zip(batch, problems) { item.then(problem) }
            self?.submit()
        }
        guard !isTaken else { return }
        isBusy = false
        for item in batch { item.then("evbd is stopping") }
    }
}
