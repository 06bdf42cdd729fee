internal import Dataplane
internal import EVBLog
internal import LinuxSystem
internal import Logging
internal import Netlink

/// Where machines' links are found around a port. Pure.
struct GuestPlaces: Equatable {
    /// The port, its VLAN devices, and the bridge or bond that it is in with the VLAN devices of that.
    var parents: Set<Int32> = []
    /// The bridge that the port is in.
    var bridgeIndex: Int32?

    /// Kinds of links that sit on another one and send by it.
    private static let stackedKinds: Set<String> = ["macvtap", "macvlan", "ipvlan", "ipvtap"]
    /// Kinds of bridge ports behind which machines are.
    static let portKinds: Set<String> = ["tun", "veth"]
    /// VLAN devices on VLAN devices, at most so deep.
    private static let depthMax = 4

    /// There is no port.
    init() {}

    /// Finds the places around a port.
    ///
    /// - Parameters:
    ///   - port: The port.
    ///   - link: Gives the link of an index.
    ///   - vlanDevices: All VLAN devices.
    init(around port: Link, link: (Int32) -> Link?, vlanDevices: [Link]) {
        parents = [port.index]
        if let master = port.masterIndex.flatMap(link), ["bridge", "bond"].contains(master.kind) {
            parents.insert(master.index)
            if master.kind == "bridge" { bridgeIndex = master.index }
        }
        for _ in 0..<Self.depthMax {
            let found = vlanDevices.filter { $0.parentIndex.map(parents.contains) ?? false }
            guard !found.allSatisfy({ parents.contains($0.index) }) else { break }
            parents.formUnion(found.map(\.index))
        }
    }

    /// The rules of a link, if it is one of a machine.
    func rules(of link: Link, isPort: (String) -> Bool) -> GuestRules.Guest? {
        guard !parents.contains(link.index), let kind = link.kind else { return nil }
        if Self.stackedKinds.contains(kind), let parent = link.parentIndex, parents.contains(parent) {
            return GuestRules.Guest(index: link.index, name: link.name, isAlone: link.macvlanMode == .passthru)
        }
        guard let bridgeIndex, link.masterIndex == bridgeIndex, Self.portKinds.contains(kind), !isPort(link.name) else {
            return nil
        }
        return GuestRules.Guest(index: link.index, name: link.name)
    }
}

/// The links of machines around one port, with a VSI or without: it keeps the guest filter's rules on each.
package final class GuestLinks {
    private struct Entry {
        var rules: GuestRules.Guest
        /// Those who wait for the rules that are being made; nil when none are.
        var waiting: [GuestFilter.Completion]?
        /// Why the rules are not in force.
        var problem: String?
    }

    private let filter: GuestFilter
    private let portName: String
    private let table: LinkTable
    private let logger: Logger
    /// Whether an interface is a port of evbd, and no machine's.
    private let isPort: (String) -> Bool
    private var isOn: Bool
    private var places = GuestPlaces()
    private var entries: [Int32: Entry] = [:]
    private var indices: [String: Int32] = [:]
    private var loneGuests: Set<Int32> = []
    private var hasToldOfProblem = false
    /// Whether a link is in the Open vSwitch bridge that the port is in.
    var isInSwitch: (Link) -> Bool = { _ in false }
    /// Called when a machine has the port for itself, or none has any more.
    var onLoneGuest: (() -> Void)?
    /// Called with the index of a link that is gone.
    var onGone: ((Int32) -> Void)?
    /// Called with the index of a link that has gone to another network namespace, where its machine may go on.
    var onDeparted: ((Int32) -> Void)?

    /// Knows no links before `portChanged`.
    init(
        filter: GuestFilter, portName: String, table: LinkTable, isOn: Bool, isPort: @escaping (String) -> Bool,
        logger: Logger
    ) {
        self.filter = filter
        self.portName = portName
        self.table = table
        self.isOn = isOn
        self.isPort = isPort
        self.logger = logger
    }

    /// Whether a machine has the port for itself.
    var hasLoneGuest: Bool { !loneGuests.isEmpty }

    /// Whether a link is one of a machine on this port.
    func isGuest(_ link: Link) -> Bool { rules(of: link) != nil }

    private func rules(of link: Link) -> GuestRules.Guest? {
        if let rules = places.rules(of: link, isPort: isPort) { return rules }
        guard link.kind.map(GuestPlaces.portKinds.contains) ?? false, isInSwitch(link) else { return nil }
        return GuestRules.Guest(index: link.index, name: link.name)
    }

    /// Whether a link is one that machines' links are on or in: the port, its bridge, a VLAN's device.
    func isAround(_ link: Link) -> Bool { places.parents.contains(link.index) }

    /// Switches it.
    func setOn(_ isOn: Bool) {
        guard isOn != self.isOn else { return }
        self.isOn = isOn
        if isOn {
            lookAtAll()
        } else {
            for index in entries.keys { drop(index) }
            hasToldOfProblem = false
        }
    }

    /// Removes all rules: the port is not evbd's any more.
    func lower() {
        isOn = false
        for index in entries.keys { drop(index) }
    }

    // MARK: News

    /// The port has changed, or it is to be looked at for the first time.
    package func portChanged() { findPlaces() }

    /// A link has changed, or is gone.
    func linkChanged(_ name: String) {
        if let index = indices[name], table[index]?.name != name {
            indices[name] = nil
            if table[index] == nil {
                drop(index)
                if table.isElsewhere(index) { onDeparted?(index) } else { onGone?(index) }
            }
        }
        guard let link = table[name] else { return findPlacesIfLost() }
        if places.parents.contains(link.index) || isVLAN(link) { findPlaces() }
        indices[name] = link.index
        look(link)
    }

    /// Whether a link is a VLAN's device here. What is elsewhere changes nothing: there may be hundreds of ports and devices.
    private func isVLAN(_ link: Link) -> Bool {
        link.kind == "vlan" && link.parentIndex.map(places.parents.contains) ?? false
    }

    private func findPlacesIfLost() {
        if places.parents.contains(where: { table[$0] == nil }) { findPlaces() }
    }

    private func findPlaces() {
        var found = GuestPlaces()
        if let port = table[portName] {
            found = GuestPlaces(
                around: port, link: { table[$0] }, vlanDevices: table.all { $0.kind == "vlan" })
        }
        guard found != places else { return }
        places = found
        lookAtAll()
    }

    func lookAtAll() {
        for link in table.all(where: { $0.kind != nil }) {
            indices[link.name] = link.index
            look(link)
        }
    }

    private func look(_ link: Link) {
        guard isOn, let rules = rules(of: link) else {
            if entries[link.index] != nil { drop(link.index) }
            return
        }
        guard entries[link.index]?.rules != rules else { return }
        protect(rules)
    }

    // MARK: Rules

    /// Calls back when a link that evbd is about to set up has its rules, with the problem where it cannot have them.
    func secure(_ link: Link, then: @escaping GuestFilter.Completion) {
        look(link)
        guard let entry = entries[link.index] else { return then(nil) }
        if entry.waiting == nil { then(entry.problem) } else { entries[link.index]?.waiting?.append(then) }
    }

    /// Whether nothing is under way for a link, and nothing is to be.
    func isSecured(_ link: Link) -> Bool {
        guard isOn, let rules = rules(of: link) else { return true }
        guard let entry = entries[link.index] else { return false }
        return entry.rules == rules && entry.waiting == nil
    }

    private func protect(_ rules: GuestRules.Guest) {
        let former = entries[rules.index]?.waiting ?? []
        entries[rules.index] = Entry(rules: rules, waiting: former)
        setLone(rules.index, rules.isAlone)
        filter.protect(rules) { [weak self] problem in
            guard let self, let entry = entries[rules.index], entry.rules == rules else { return }
            entries[rules.index]?.waiting = nil
            entries[rules.index]?.problem = problem
            if let problem { tell(rules, problem) }
            for then in entry.waiting ?? [] { then(problem) }
        }
    }

    private func tell(_ rules: GuestRules.Guest, _ problem: String) {
        // Also where the link has gone or been renamed meanwhile, of which news is on its way.
        let level: Logger.Level = hasToldOfProblem ? .debug : .notice
        hasToldOfProblem = true
        logger.alert(.enforcementFailed).log(
            level: level, "the guest filter cannot be set up at a link; the port's own filter remains",
            metadata: ["link": "\(rules.name)", "problem": "\(problem)"])
    }

    private func drop(_ index: Int32) {
        guard let entry = entries.removeValue(forKey: index) else { return }
        setLone(index, false)
        filter.release(link: index)
        for then in entry.waiting ?? [] { then(nil) }
    }

    private func setLone(_ index: Int32, _ isAlone: Bool) {
        let had = hasLoneGuest
        if isAlone { loneGuests.insert(index) } else { loneGuests.remove(index) }
        if had != hasLoneGuest { onLoneGuest?() }
    }
}
