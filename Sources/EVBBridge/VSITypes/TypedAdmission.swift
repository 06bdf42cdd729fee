package import BridgeDataplane
package import Dataplane
package import EVBProtocol
package import EVBSettings
package import EVBTime
package import EVBWire
package import EventLoop
package import Logging

/// Grants what a database of VSI types allows, and has it enforced in the kernel: the station hears of an association when all of
/// it is in force, and where that fails it hears of insufficient resources.
///
/// One serves all ports of a daemon, each with the database that it names, so that a type's VSIs are counted on all of them and a
/// VSI that migrates from one to another is counted once. Used on the thread of the loop; the kernel is changed on the link
/// worker's, by a ``BridgeEnforcer``. While that is at one port's changes, further ones gather and are made together.
///
/// Files: this one decides, `TypedAdmission+Ports.swift` has the ports, their databases and the way to the worker,
/// `TypedAdmission+Watch.swift` what keeps in force what is.
package final class TypedAdmission: VSIAdmission {
    /// How long what an evbd before this one has imposed stays in force without being claimed: until the station's next LLDPDU
    /// (30 s) and the keep-alives after it (17.5 s by default), with some to spare.
    static let inheritancePatience = Interval.seconds(60)

    /// Changes of one port that may wait for the kernel. A station that asks faster than the kernel follows is refused beyond.
    static let waitingMax = 16_384
    /// Changes that may wait where one is about what is inherited of a VSI that holds nothing.
    static let disinheritancesMax = 1024
    /// Filter entries of the changes that are made together, at all ports that have any to make. A port's next changes wait until
    /// the other ports had their turn, so this is what all of them together may have one wait for: one or two milliseconds. A
    /// change with more entries is made alone.
    static let batchEntriesMax = 32
    /// What a port may change together however many others have changes to make: each transaction costs the same beside its entries.
    static let batchEntriesMin = 16

    /// What each of so many ports may change together.
    static func batchEntries(of count: Int) -> Int { max(batchEntriesMax / max(count, 1), batchEntriesMin) }

    /// Addresses that one change may tell of one by one.
    static let takenMax = 16

    /// A VSI on a port.
    package struct Key: Hashable {
        package let port: String
        package let vsiID: VSIID

        package init(port: String, vsiID: VSIID) {
            self.port = port
            self.vsiID = vsiID
        }
    }

    /// Something that was granted, or will be when the kernel has it.
    package struct Grant {
        package let type: VSIType
        package let request: BridgeRequest
        package let filter: FilterInfo
        /// What is in force for it; nil for what is not associated.
        package let token: ClaimToken?
        /// Its addresses, as far as it holds them.
        package let addresses: AddressLedger.Claim?
        /// Whether the kernel has it.
        var isInForce: Bool
        /// The edition of the port's database that has allowed it.
        let edition: UInt64

        /// The same as a VSI of another type, or of one that imposes something else, which is in force as `token`.
        package func of(_ type: VSIType, _ token: ClaimToken?, _ edition: UInt64) -> Grant {
            Grant(
                type: type, request: request, filter: filter, token: token, addresses: addresses, isInForce: true,
                edition: edition)
        }
    }

    /// A change that waits for those under way.
    package struct Waiting {
        package let change: ClaimChange
        /// Filter entries that it is about, at least 1.
        package let entries: Int
        package let completion: ((EnforcementError?) -> Void)?

        package init(change: ClaimChange, entries: Int, completion: ((EnforcementError?) -> Void)?) {
            self.change = change
            self.entries = entries
            self.completion = completion
        }
    }

    /// What the enforcer does for a port.
    package enum Step {
        case attach
        case change([Waiting])
    }

    /// One port. A class, so that to change one part of it copies no other.
    package final class Port {
        package private(set) var database: VSITypeDatabase
        /// Counts the databases that it has had.
        private(set) var edition: UInt64 = 0
        package var stations: ClaimToken?
        /// Whether the enforcer has taken it over.
        var isAttached = false
        /// Changes that wait for those under way.
        package var waiting = FIFO<Waiting>()
        /// What the enforcer does for this port now.
        package var changing = Reconciler<Step>()
        package var isBusy: Bool { changing.isBusy }
        /// Whether it has been told that VLANs are not kept apart there.
        var isToldOfVLANs = false
        /// Ends what was inherited.
        package var patience: Timers.Timer?

        /// What holds.
        package var held = ShardedDictionary<VSIID, Grant>()

        /// What is wrong with the VXLAN network behind the port.
        var overlayProblems: [OverlayProblem] = []
        /// Whether the enforcer was given anything of it.
        var hasSetOverlay = false

        /// What is known of comparisons with the kernel.
        var watch = PortWatch()

        /// Tells what became of changes. One for each port: what another has to be told is not waited for.
        package let told: WorkQueue<() -> Void>

        package init(database: VSITypeDatabase, loop: EventLoop) {
            self.database = database
            told = WorkQueue(loop: loop) { $0() }
        }

        /// Decides by another database from now on.
        package func replace(_ database: VSITypeDatabase) {
            self.database = database
            edition &+= 1
        }

        /// Whether there is anything to do for the port, or something is being done.
        var isActive: Bool { isBusy || !waiting.isEmpty }

        /// What the enforcer is to do next for the port, with so many filter entries at most.
        func nextStep(_ most: Int) -> Step? {
            guard !waiting.isEmpty else { return nil }
            // Whatever was in the way of taking the port over may be gone.
            return isAttached ? .change(takeBatch(most)) : .attach
        }

        /// Takes out what is to be changed next, together.
        func takeBatch(_ most: Int = batchEntriesMax) -> [Waiting] {
            var batch: [Waiting] = []
            var entries = 0
            while let next = waiting.first, batch.isEmpty || entries + next.entries <= most {
                entries += next.entries
                batch.append(next)
                _ = waiting.popFirst()
            }
            return batch
        }
    }

    package let programmer: KernelQueue
    package let timers: Timers
    package let loop: EventLoop
    /// News of rules that another process removes; there while there are ports.
    var ruleWatch: EventLoop.Watch?
    /// News of entries and VLANs that go.
    var bridgeWatch: EventLoop.Watch?
    /// Ends the pause after news of a bridge.
    var newsTimer: Timers.Timer?
    package var comparisonTimer: Timers.Timer?
    /// How far apart comparisons of all that is in force are, at the least.
    package let comparisonPeriod: Interval
    /// How long after a first failure something is put back again.
    let retryDelay: Interval
    /// Setting up rules again.
    package var restoring = Reconciler<Bool>()
    var restoreTimer: Timers.Timer?
    /// How often in a row rules could not be set up again.
    var restoreFailures = 0
    /// A file that is there while rules may be, so that an evbd without VSI types need not look for them.
    package let note: String
    /// What the tables of VXLAN devices have of other boxes.
    let tablesLedger: String
    var misses = MissWatch()
    package let registry: BridgeRegistry
    package var logger: Logger
    package var ports: [String: Port] = [:]
    /// What was granted and is not bound yet, or is being put into force, the latest last.
    var proposed = ShardedDictionary<Key, [Grant]>()
    /// VSIs of which something else is being put into force since the database has become another.
    var reviews: [Key: ClaimToken] = [:]
    /// How often each VSI counts for its type: on each port, for what holds and for what is proposed.
    private var members: [VSIType.Key: ShardedDictionary<VSIID, Int>] = [:]
    private var lastToken = ClaimToken.inherited.number

    /// Called with a VSI that the database does not allow any more, and why; its port de-associates it and logs that.
    package var onRevoked: ((_ vsiID: VSIID, _ port: String, _ reason: String) -> Void)?
    /// Called when something else is wrong with the VXLAN network behind a port.
    package var onOverlay: ((_ port: String) -> Void)?
    /// Called with what an operator should know of a port.
    package var onNotice: ((_ text: String, _ port: String) -> Void)?

    /// An admission without ports.
    package init(
        programmer: KernelQueue, timers: Timers, loop: EventLoop, runtimeDirectory: String, registry: BridgeRegistry,
        logger: Logger, comparisonPeriod: Interval = .seconds(30), retryDelay: Interval = .seconds(1)
    ) {
        self.retryDelay = retryDelay
        self.comparisonPeriod = comparisonPeriod
        self.loop = loop
        self.registry = registry
        note = "\(runtimeDirectory)/imposed"
        tablesLedger = "\(runtimeDirectory)/overlay"
        self.programmer = programmer
        self.timers = timers
        self.logger = logger
    }

    // MARK: VSIAdmission

    package func decide(_ request: BridgeRequest, on port: String, completion: @escaping (AdmissionDecision) -> Void) {
        guard let (database, edition) = ports[port].map({ ($0.database, $0.edition) }) else {
            return completion(.refuse(.shortage, because: "the port is being removed"))
        }
        switch database.decide(request, on: port, vsisOfType: { self.count(of: $0, without: request.vsiID) }) {
        case .refused(let reason): completion(.refuse(reason.refusal, because: "\(reason)"))
        case .allowed(let filter, let type):
            let key = Key(port: port, vsiID: request.vsiID)
            let addresses: AddressLedger.Claim?
            do throws(AddressLedger.Obstacle) {
                addresses = try registry.claim(filter, for: request, on: port, shared: type.profile.sharedAddresses)
            } catch {
                return completion(.refuse(error.refusal, because: registry.words(error)))
            }
            let isAssociated = request.command == .associate
            let token = isAssociated ? makeToken() : nil
            propose(
                key,
                Grant(
                    type: type, request: request, filter: filter, token: token, addresses: addresses,
                    isInForce: !isAssociated, edition: edition))
            guard let token else { return completion(.grant(filter)) }
            let frames = GrantedFrames(
                entries: Array(filter.entries), profile: type.profile, networks: type.networks(of: filter),
                overlayDevice: database.overlay?.device)
            change(port, .grant(token, frames), entries: frames.entries.count) { [weak self] error in
                guard let self else { return }
                if let error {
                    withdrawProposal(key, token)
                    completion(.refuse(.shortage, because: "\(error)"))
                } else {
                    confirmProposal(key, token)
                    completion(.grant(filter))
                }
            }
        }
    }

    package func bind(_ vsiID: VSIID, _ grant: BridgeGrant, request: BridgeRequest, on port: String) {
        let key = Key(port: port, vsiID: vsiID)
        var settled = proposed[key, default: []].filter(\.isInForce)
        // By its request: what is granted may differ from what was decided, on a port that misbehaves.
        let place = settled.lastIndex { $0.request == request }
        if let place {
            let meant = settled.remove(at: place)
            let former = ports[port]?.held[vsiID]
            ports[port]?.held[vsiID] = meant
            if let former { forget(former, key) }
        }
        // What was granted besides has been overtaken.
        proposed[key]?.removeAll(where: \.isInForce)
        if proposed[key]?.isEmpty == true { proposed[key] = nil }
        for grant in settled { forget(grant, key) }
        let shared = ports[port]?.held[vsiID]?.type.profile.sharedAddresses ?? []
        registry.note(vsiID, grant.command, grant.filter, on: port, shared: shared)
        // The database may have become another since it was decided.
        review(key)
    }

    package func release(_ vsiID: VSIID, on port: String) {
        let key = Key(port: port, vsiID: vsiID)
        if let former = ports[port]?.held.removeValue(forKey: vsiID) { forget(former, key) }
        for grant in proposed[key, default: []] where grant.isInForce { forget(grant, key) }
        proposed[key]?.removeAll(where: \.isInForce)
        if proposed[key]?.isEmpty == true { proposed[key] = nil }
    }

    package func typeName(of vsiID: VSIID, on port: String) -> String? { ports[port]?.held[vsiID]?.type.name }

    package func isSettled(on port: String) -> Bool {
        guard let port = ports[port] else { return true }
        return !port.isBusy && port.waiting.isEmpty && port.told.isEmpty
    }

    package func departed(_ vsiID: VSIID, _ filter: FilterInfo, on port: String) {
        // Only while something may be inherited.
        guard ports[port]?.patience != nil else { return }
        change(port, .disinherit(Array(filter.entries)), entries: filter.entries.count, nil)
    }

    // MARK: Grants

    func makeToken() -> ClaimToken {
        lastToken &+= 1
        return ClaimToken(number: lastToken)
    }

    private func propose(_ key: Key, _ grant: Grant) {
        proposed[key, default: []].append(grant)
        count(grant, key.vsiID, by: 1)
    }

    private func confirmProposal(_ key: Key, _ token: ClaimToken) {
        guard let place = proposed[key]?.firstIndex(where: { $0.token == token }) else { return }
        proposed[key]?[place].isInForce = true
    }

    private func withdrawProposal(_ key: Key, _ token: ClaimToken) {
        guard let place = proposed[key]?.firstIndex(where: { $0.token == token }),
            let grant = proposed[key]?.remove(at: place)
        else { return }
        if proposed[key]?.isEmpty == true { proposed[key] = nil }
        // The kernel has nothing of it.
        count(grant, key.vsiID, by: -1)
        registry.release(grant.addresses)
    }

    /// Ends a grant: it counts no more, and nothing of it is to be in force.
    package func forget(_ grant: Grant, _ key: Key) {
        count(grant, key.vsiID, by: -1)
        registry.release(grant.addresses)
        if let token = grant.token {
            change(key.port, .withdraw(token), entries: grant.filter.entries.count, nil)
        }
    }

    /// A Pre-Associate without reservation takes no place.
    private func count(_ grant: Grant, _ vsiID: VSIID, by number: Int) {
        guard grant.request.command != .preAssociate else { return }
        let count = members[grant.type.key]?[vsiID] ?? 0
        members[grant.type.key, default: ShardedDictionary()][vsiID] = count + number > 0 ? count + number : nil
        if members[grant.type.key]?.isEmpty == true { members[grant.type.key] = nil }
    }

    /// What holds counts for another type, or the same, from now on.
    func recount(_ former: Grant, _ grant: Grant, _ vsiID: VSIID) {
        count(former, vsiID, by: -1)
        count(grant, vsiID, by: 1)
    }

    private func count(of type: VSIType.Key, without vsiID: VSIID) -> Int {
        guard let members = members[type] else { return 0 }
        return members.count - (members[vsiID] == nil ? 0 : 1)
    }
}

extension Refusal {
    /// What the kernel does not do now it may do later.
    fileprivate static let shortage = Refusal(reason: .insufficientResources, isHard: false, isKept: true)
}
