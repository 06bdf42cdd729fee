// Puts what bridge ports have granted into force in the kernel. Everything here runs on the kernel worker's thread.

internal import EVBSettings
package import EVBWire
internal import Glibc
internal import LinuxSystem
package import Netlink
internal import Nftables

/// Why something could not be put into force.
package struct EnforcementError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(description: String) {
        self.description = description
    }
}

/// A change of the claims on a port.
package enum ClaimChange: Sendable {
    /// A VSI's frames, as granted.
    case grant(ClaimToken, GrantedFrames)
    /// Addresses of the station itself that may send.
    case stations(ClaimToken, Set<MACAddress>)
    case withdraw(ClaimToken)
    /// What is inherited of the frames of these addresses goes; VLAN 0 is in every one.
    case disinherit([FilterEntry])
    /// So many of what a claim has in force, or all.
    case withdrawSome(ClaimToken, Int)
}

/// Imposes on bridge ports what was granted there: rules for frames by nftables, forwarding entries and VLANs by netlink.
///
/// What is evbd's and what is not is told by the kernel itself: two sets in evbd's own table, which no rule uses, list the
/// forwarding entries and VLANs that evbd has made. They live as long as these do, and longer than evbd, so that an evbd which
/// begins after one that died finds all that this has imposed; and whatever is not in them is somebody else's, and stays.
/// (The kernel keeps no other mark: bridges do not store the protocol attribute of a forwarding entry.)
///
/// Files: this one has the ports and their claims, `BridgeEnforcer+Settle.swift` the steps by which the kernel follows,
/// `BridgeEnforcer+Compare.swift` how it is put right again.
///
/// The context of ``BridgeOperation``s: it never leaves the thread of the kernel worker.
package final class BridgeEnforcer {
    /// What became of changes.
    package struct Outcome: Sendable {
        /// What could not be put into force, by its claim. A withdrawal is never among them.
        package var failures: [ClaimToken: EnforcementError] = [:]
        /// The bridge does not tell VLANs apart, though a VSI has one.
        package var ignoresVLANs = false
        /// Addresses that the bridge had learned elsewhere, by the interface, and that are here now.
        package var takenOver: [MACAddress: Int32] = [:]
        /// Claims of which some was to be withdrawn, and of which there is more.
        package var unfinished: Set<ClaimToken> = []

        package init(
            failures: [ClaimToken: EnforcementError] = [:], ignoresVLANs: Bool = false,
            takenOver: [MACAddress: Int32] = [:], unfinished: Set<ClaimToken> = []
        ) {
            self.failures = failures
            self.ignoresVLANs = ignoresVLANs
            self.takenOver = takenOver
            self.unfinished = unfinished
        }
    }

    /// One port and what is in force there. A class: a copy of a structure would have each change copy all that is in force.
    package final class Port {
        package let rules: PortRules
        var claims = PortClaims()
        /// What the kernel has of evbd's making.
        var actual = ImpositionTable()
        /// What is in force without evbd, and is to stay.
        var foreign: Set<Imposition> = []
        /// Claims on what only frames can tell: without them the port may be one that learns nothing.
        var learners: Set<ClaimToken> = []
        /// What is set of the VXLAN device: its name, or nil for the one of the bridge that can carry the VNI.
        var overlayDevice: String?
        /// The VXLAN device that has what is evbd's for VSIs here.
        var tunnelDevice: String?
        /// What is set of the virtual networks of VSIs here; nil where they may have none.
        var overlay: PortOverlay?
        var hasOverlay: Bool { overlay != nil }

        package init(rules: PortRules) { self.rules = rules }

        package var name: String { rules.port }

        /// Whether it is in force there, and of evbd's making.
        func isHolding(_ item: Imposition) -> Bool { actual[item] != nil && !foreign.contains(item) }

        /// 0 where there is no such interface now.
        package var index: Int32 { settledIndex ?? BridgeEnforcer.index(of: rules.port) }
        /// The index, while items are settled: libc asks the kernel by a socket of its own each time, and there may be hundreds of items.
        fileprivate var settledIndex: Int32?

        /// Does something for which the index is looked up once.
        func withIndex<Result>(_ body: () -> Result) -> Result {
            settledIndex = BridgeEnforcer.index(of: rules.port)
            defer { settledIndex = nil }
            return body()
        }
    }

    /// The index of an interface; 0 where there is none of that name.
    static func index(of name: String) -> Int32 { Int32(bitPattern: if_nametoindex(name)) }

    /// Commands of one transaction, where there are many.
    static let commandsMax = 1000

    package var ports: [String: Port] = [:]
    /// How many elements lead to the chain of these EtherTypes; a chain is there as long as it is listed.
    var chainUses: [Set<UInt16>: Int] = [:]
    /// Addresses that the present change has taken from where the bridge had learned them.
    package var displaced: [MACAddress: Int32] = [:]
    /// What was looked up in the present operation, by port.
    var fabrics: [String: Fabric] = [:] { didSet { if fabrics.isEmpty { carriers = [:] } } }
    /// What was read of VXLAN devices in the present operation.
    var carriers: [Int32: Carrier] = [:]
    /// What ports that are not taken over yet have at VXLAN devices.
    var spared: Set<Imposition> = []
    /// What the tables of VXLAN devices have of evbd's.
    var tables = OverlayTables()
    private var tunnels: Tunnels?
    private var session: NftablesSession?
    private let socket = NftablesSocket()
    private var bridgePorts: BridgePorts?

    package init() {}

    // MARK: Ports

    /// Takes a port over: from here on only what is claimed passes. What an evbd before this one has left in force stays so, as
    /// the claim `inherited`.
    ///
    /// - Returns: whether there was anything left in force.
    package func attach(_ name: String) throws(EnforcementError) -> Bool {
        guard ports[name] == nil else { return false }
        fabrics = [:]
        guard let rules = PortRules(port: name) else {
            throw EnforcementError(description: "nftables cannot use \(name) as the name of an interface")
        }
        try run(rules.declaration)
        let port = Port(rules: rules)
        let inherited = try listed(rules)
        port.actual = inherited
        port.tunnelDevice = PortRules.overlayDevice(in: try list(rules.overlayListing))
        if !inherited.isEmpty { port.claims.set(.inherited, inherited) }
        ports[name] = port
        for (_, value) in inherited { countChain(value, by: 1) }
        // evbd may have died between a mark in the ledger and what it stands for.
        for item in inherited.keys.sorted(by: Self.entriesBeforeVLANs).reversed() where !item.isRule {
            try? restore(item, on: port)
        }
        endFabric(port, settle(name, followFabric(port)))
        return !inherited.isEmpty
    }

    /// What nftables has of a port.
    package func listed(_ rules: PortRules) throws(EnforcementError) -> ImpositionTable {
        var items = ImpositionTable()
        for collection in PortRules.Collection.allCases {
            for (item, value) in try impositions(collection, rules) { items[item] = value }
        }
        return items
    }

    /// What nftables has of one collection.
    ///
    /// - Throws: where there is no such collection.
    func impositions(
        _ collection: PortRules.Collection, _ rules: PortRules
    ) throws(EnforcementError) -> [Imposition: ImpositionValue] {
        guard collection.isCounting else {
            return PortRules.impositions(collection, in: try list(rules.listing(collection)))
        }
        do throws(SystemError) {
            let counts = try CounterReader(table: PortRules.tableName).elements(of: rules.name(collection))
            let items = counts.keys.lazy.compactMap { PortRules.imposition(collection, key: $0) }
            return Dictionary(items.map { ($0, .plain) }) { first, _ in first }
        } catch {
            throw EnforcementError(description: "nftables cannot list \(rules.name(collection)): \(error)")
        }
    }

    /// Gives a port up: everything that evbd has imposed there is taken back, and whatever comes in passes again.
    package func detach(_ name: String) throws(EnforcementError) {
        guard let port = ports.removeValue(forKey: name) else { return }
        fabrics = [:]
        if !tables.made.isEmpty { _ = followTables() }
        // The rules last: as long as they are there, so is the ledger.
        for item in port.actual.keys.sorted(by: Self.entriesBeforeVLANs) where port.isHolding(item) && !item.isRule {
            try? retract(item, on: port)
        }
        for (_, value) in port.actual { countChain(value, by: -1) }
        // Somebody may have flushed all rules.
        guard (try? list(PortRules.tableListing)) != nil else { return }
        try run(port.rules.removal)
        // The table may have ports that this evbd has not taken over yet.
        if ports.isEmpty, PortRules.ports(in: try list(PortRules.portsListing)).isEmpty {
            chainUses = [:]
            try run("delete table \(PortRules.table)")
        } else {
            removeIdleChains()
        }
    }

    /// Takes back what an evbd before this one has left on ports that are not this one's.
    package func removeLeftovers(keeping names: Set<String>) {
        // Without the table there is nothing to remove.
        guard let listing = try? list(PortRules.portsListing) else { return }
        spareNetworks(of: names.intersection(PortRules.ports(in: listing)))
        defer { spared = [] }
        for name in PortRules.ports(in: listing) where !names.contains(name) {
            guard (try? attach(name)) != nil else { continue }
            try? detach(name)
        }
    }

    /// Takes over what is set of the VXLAN network behind a port.
    ///
    /// - Returns: What is wrong with it.
    package func setOverlay(_ name: String, _ overlay: PortOverlay?) -> [OverlayProblem] {
        fabrics = [:]
        ports[name]?.overlay = overlay
        ports[name]?.overlayDevice = overlay?.settings.device
        // What cannot be moved or made is found by the next comparison.
        if let overlay { try? followOverlay(overlay.settings.device, name) }
        _ = followTables()
        return overlayProblems(of: name)
    }

    /// Where the ledger of tables is.
    package func setLedger(_ path: String) {
        if tables.ledger == nil { tables.ledger = path }
    }

    // MARK: Claims

    /// Changes the claims on a port, and lets the kernel follow.
    ///
    /// - Parameters:
    ///   - name: a port that was attached.
    ///   - changes: in their order. Those that cannot be put into force are undone by themselves.
    /// - Returns: what became of them.
    package func change(_ name: String, _ changes: [ClaimChange]) -> Outcome {
        var outcome = Outcome()
        displaced = [:]
        fabrics = [:]
        defer { displaced = [:] }
        guard ports[name] != nil else {
            let error = EnforcementError(description: "rules cannot be installed on \(name)")
            for case .grant(let token, _) in changes { outcome.failures[token] = error }
            for case .stations(let token, _) in changes { outcome.failures[token] = error }
            return outcome
        }
        var view: Result<BridgeView, EnforcementError>?
        var touched: Set<Imposition> = []
        var departed: [FilterEntry] = []
        for change in changes {
            switch change {
            case .disinherit(let entries): departed += entries
            case .withdraw(let token): touched.formUnion(ports[name]?.claims.remove(token) ?? [])
            case .withdrawSome(let token, let limit):
                touched.formUnion(ports[name]?.claims.remove(token, atMost: limit) ?? [])
                if ports[name]?.claims.contains(token) == true { outcome.unfinished.insert(token) }
            case .stations(let token, let addresses):
                var items: [Imposition: ImpositionValue] = [:]
                for address in addresses { items[.station(address)] = .plain }
                touched.formUnion(items.keys)
                ports[name]?.claims.set(token, items)
                if !addresses.isEmpty { ports[name]?.learners.insert(token) }
            case .grant(let token, let frames):
                let bridge = view ?? Result { () throws(EnforcementError) in try self.view(ofPort: name) }
                view = bridge
                do {
                    let bridge = try bridge.get()
                    let items = try frames.impositions(at: bridge)
                    if !frames.networks.isEmpty { try followOverlay(frames.overlayDevice, name) }
                    if !bridge.filtersVLANs, frames.entries.contains(where: { $0.vid != 0 }) {
                        outcome.ignoresVLANs = true
                    }
                    touched.formUnion(items.keys)
                    ports[name]?.claims.set(token, items)
                    if frames.needLearning { ports[name]?.learners.insert(token) }
                } catch {
                    outcome.failures[token] = error as? EnforcementError ?? EnforcementError(description: "\(error)")
                }
            }
        }
        if !departed.isEmpty {
            // Together: each look goes through all that is inherited.
            let items = ports[name]?.claims.inherited(of: departed) ?? []
            touched.formUnion(ports[name]?.claims.disinherit(items) ?? [])
        }
        if let port = ports[name] { touched.formUnion(followFabric(port)) }
        let unsettled = settle(name, touched)
        if let port = ports[name] { endFabric(port, unsettled) }
        // What other boxes have is to be known before the first frame of a VSI here.
        let isNewNetwork = touched.contains { if case .network = $0 { true } else { false } }
        if isNewNetwork, ports.values.contains(where: { $0.overlay?.hasTables == true }) { _ = followTables() }
        outcome.takenOver = displaced
        undo(changes, on: name, unsettled, &outcome)
        if let bridge = try? view?.get() { endInheritance(of: changes, on: name, at: bridge, outcome) }
        return outcome
    }

    /// Undoes those changes of which something could not be put into force.
    private func undo(
        _ changes: [ClaimChange], on name: String, _ unsettled: [Imposition: EnforcementError], _ outcome: inout Outcome
    ) {
        guard !unsettled.isEmpty else { return }
        for change in changes {
            let token: ClaimToken
            switch change {
            case .withdraw, .withdrawSome, .disinherit: continue
            case .grant(let changed, _), .stations(let changed, _): token = changed
            }
            guard let claimed = ports[name]?.claims.items(of: token) else { continue }
            guard let failed = claimed.lazy.compactMap({ unsettled[$0] }).first else { continue }
            outcome.failures[token] = failed
            ports[name]?.claims.remove(token)
            _ = settle(name, claimed)
        }
    }

    /// What is granted is not inherited any more: it goes with the grant, and from a port that the VSI has left it goes at once.
    private func endInheritance(of changes: [ClaimChange], on name: String, at bridge: BridgeView, _ outcome: Outcome) {
        guard ports.values.contains(where: { $0.claims.hasInherited }) else { return }
        var entries: Set<FilterEntry> = []
        var granted: Set<Imposition> = []
        for case .grant(let token, let frames) in changes where outcome.failures[token] == nil {
            granted.formUnion(ports[name]?.claims.items(of: token) ?? [])
            for entry in frames.entries {
                guard let address = entry.macAddress, !frames.profile.shares(address) else { continue }
                let vid = bridge.filtersVLANs ? (entry.vid != 0 ? entry.vid : bridge.pvid ?? 0) : 0
                entries.insert(FilterEntry(vid: vid, macAddress: address))
            }
        }
        _ = ports[name]?.claims.disinherit(granted)
        guard !entries.isEmpty else { return }
        for (other, port) in ports where other != name {
            let items = port.claims.inherited(of: Array(entries))
            guard !items.isEmpty, let itsBridge = try? view(ofPort: other), itsBridge.bridgeIndex == bridge.bridgeIndex
            else { continue }
            _ = settle(other, ports[other]?.claims.disinherit(items) ?? [])
        }
    }

    /// How the bridge sees a port now.
    private func view(ofPort name: String) throws(EnforcementError) -> BridgeView {
        guard let port = ports[name], let bridge = try bridge(of: port) else {
            throw EnforcementError(description: "\(name) is not a port of a Linux bridge")
        }
        let index = port.index
        var view = BridgeView(
            bridgeIndex: bridge.index, portIndex: index, filtersVLANs: bridge.filtersVLANs == true)
        if view.filtersVLANs {
            let vlans = try netlink { try $0.vlans(portIndex: index) }
            view.vlans = vlans.members
            view.pvid = vlans.pvid
        }
        return view
    }

    // MARK: Chains of EtherTypes

    /// Counts an element that leads to a chain, or one that does no more.
    func countChain(_ value: ImpositionValue, by count: Int) {
        guard case .pass(let types?) = value else { return }
        chainUses[types, default: 0] += count
    }

    /// Removes chains that nothing leads to any more.
    func removeIdleChains() {
        for (types, uses) in chainUses where uses <= 0 {
            // One that something leads to all the same stays: the kernel refuses.
            try? run(PortRules.chainRemoval(of: types))
            chainUses[types] = nil
        }
    }

    // MARK: The kernel

    /// Carries out nft's commands, all or none. Where somebody has flushed all rules, evbd's are set up again before.
    package func run(_ commands: String) throws(EnforcementError) {
        do throws(NftablesError) {
            try nftables().run(commands)
        } catch {
            guard isTableMissing() else { throw EnforcementError(description: "nftables refuses: \(error)") }
            do throws(NftablesError) {
                // What cannot be set up again is found by the comparison that follows the news of it.
                _ = try setUpEverything()
                try nftables().run(commands)
            } catch {
                throw EnforcementError(description: "nftables refuses: \(error)")
            }
        }
    }

    /// Changes elements without reading anything back.
    ///
    /// - Returns: Whether all of it is in force. Where it is not, or where that is not known, commands do it, which set up what is
    ///   missing, and find what cannot be.
    func commit(_ changes: TableChanges) -> Bool { (try? socket.commit([changes])) != nil }

    package func list(_ command: String) throws(EnforcementError) -> String {
        do throws(NftablesError) {
            return try nftables().list(command)
        } catch {
            throw EnforcementError(description: "nftables refuses: \(error)")
        }
    }

    func isTableMissing() -> Bool {
        !ports.isEmpty && (try? nftables().list(PortRules.tableListing)) == nil
    }

    func nftables() throws(NftablesError) -> NftablesSession {
        if let session { return session }
        let session = try NftablesSession()
        self.session = session
        return session
    }

    /// Asks for VNIs and their mappings, or has them changed.
    func overlay<Value>(_ body: (Tunnels) throws -> Value) throws(EnforcementError) -> Value {
        do {
            let opened: Tunnels
            if let tunnels { opened = tunnels } else { opened = try Tunnels() }
            tunnels = opened
            return try body(opened)
        } catch {
            throw EnforcementError(description: "\(error)")
        }
    }

    /// Asks the bridge something, or has it change something.
    package func netlink<Value>(
        _ body: (BridgePorts) throws -> Value
    ) throws(EnforcementError) -> Value {
        do {
            let ports: BridgePorts
            if let bridgePorts { ports = bridgePorts } else { ports = try BridgePorts() }
            bridgePorts = ports
            return try body(ports)
        } catch {
            throw EnforcementError(description: "\(error)")
        }
    }
}
