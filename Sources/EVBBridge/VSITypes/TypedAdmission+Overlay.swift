internal import BridgeDataplane
internal import Dataplane
internal import EVBLog
package import EVBModel
internal import EVBSettings
internal import EVBTime
package import EVBWire
internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink

/// Virtual networks of VSIs, and what is wrong with the VXLAN devices that carry them.
extension TypedAdmission {
    /// Has the enforcer know what the port's file says of the VXLAN network.
    func setOverlay(_ port: Port, _ name: String) {
        guard port.database.overlay != nil || port.hasSetOverlay else { return }
        port.hasSetOverlay = true
        let overlay = port.database.overlay.map { PortOverlay($0, vlans: port.database.vlansOfNetworks) }
        let operation = BridgeOperation.overlay(name, overlay, ledger: tablesLedger)
        watchMisses()
        _ = programmer.perform(operation, of: name) { [weak self, weak port] answer in
            guard let self, let port, ports[name] === port, case .overlay(let problems)? = answer else { return }
            noteOverlay(problems, port, name)
        }
    }

    func noteOverlay(_ problems: [OverlayProblem], _ port: Port, _ name: String) {
        guard port.overlayProblems != problems else { return }
        port.overlayProblems = problems
        onOverlay?(name)
    }

    /// What other processes have taken from tables of VXLAN devices is there again, or cannot be.
    func noteTables(_ report: TablesReport) {
        if report.restored > 0 {
            logger.warning(
                "entries for other boxes were gone from tables of VXLAN devices; they are there again",
                metadata: ["count": "\(report.restored)"])
        }
        if report.problem != misses.shownProblem, let problem = report.problem {
            logger.alert(.enforcementFailed).error(
                "not all entries for other boxes can be put into tables of VXLAN devices; trying again",
                metadata: ["reason": "\(problem)"])
        }
        misses.shownProblem = report.problem
    }

    /// Takes back what an evbd before this one has made for other boxes, where nothing wants it.
    func removeTables(endsInheritance: Bool) {
        let operation = BridgeOperation.tables(ledger: tablesLedger, endsInheritance: endsInheritance)
        _ = programmer.perform(operation) { _ in }
    }

    /// Answers what VXLAN devices ask for (l2miss, l3miss) from what is set of other boxes: the tables are looked at again.
    private func watchMisses() {
        let isWanted = ports.values.contains { $0.database.overlay?.remotes.isEmpty == false }
        guard isWanted != misses.isOn else { return }
        guard isWanted else { return misses.end() }
        do {
            let monitor = try MissMonitor()
            misses.watch = try loop.watch(monitor.descriptor, for: .readable) { [weak self] _ in
                self?.take(monitor.receive())
            }
        } catch {
            logger.warning(
                "evbd does not hear what VXLAN devices ask for (l2miss, l3miss)", metadata: ["reason": "\(error)"])
        }
    }

    private func take(_ questions: Set<TunnelMiss>) {
        let isKnown = ports.values.contains { port in
            port.database.overlay?.remotes.contains { remote in
                questions.contains { question in
                    switch question {
                    case .box(let address, _): address.value == remote.address.rawValue
                    case .neighbour(let address, _): address == remote.ip
                    }
                }
            } == true
        }
        // A machine may send as fast as it likes to addresses that are nowhere.
        guard isKnown, !misses.isBusy, misses.budget.available(at: timers.now) > 0 else { return }
        misses.budget.take()
        misses.isBusy = true
        let operation = BridgeOperation.tables(ledger: tablesLedger, endsInheritance: false)
        _ = programmer.perform(operation) { [weak self] answer in
            self?.misses.isBusy = false
            if case .tables(let report)? = answer { self?.noteTables(report) }
        }
    }

    package func problems(on port: String) -> [PortProblem] {
        // One of each kind: the book of problems tells those of a kind apart by VSI alone.
        var seen: Set<Bool> = []
        return (ports[port]?.overlayProblems ?? []).filter { seen.insert($0.isOfMTU).inserted }.map {
            PortProblem(kind: $0.isOfMTU ? .overlayMTU : .overlay, message: $0.message, hint: $0.hint)
        }
    }

    package func vni(of entry: FilterEntry, _ vsiID: VSIID, on port: String) -> UInt32? {
        ports[port]?.held[vsiID]?.type.vni(of: entry)
    }
}

/// What is known of questions of VXLAN devices.
struct MissWatch {
    /// Looks at the tables because of questions: ten a second, and some at once.
    var budget = TokenBucket(burst: 10, every: .milliseconds(100))
    var watch: EventLoop.Watch?
    var isBusy = false
    var shownProblem: EnforcementError?

    var isOn: Bool { watch != nil }

    mutating func end() {
        watch?.cancel()
        watch = nil
    }
}

extension VSITypeDatabase {
    /// The VLAN of each virtual network.
    var vlansOfNetworks: [UInt32: UInt16] {
        var vlans: [UInt32: UInt16] = [:]
        for type in types {
            for vlan in Array(type.groups.values) + type.vlans { if let vni = vlan.vni { vlans[vni] = vlan.vid } }
        }
        return vlans
    }
}

extension VSIType {
    /// The virtual network of each VLAN of a filter that has one.
    func networks(of filter: FilterInfo) -> [UInt16: UInt32] {
        var networks: [UInt16: UInt32] = [:]
        for entry in filter.entries {
            if let vni = vni(of: entry) { networks[entry.vid] = vni }
        }
        return networks
    }
}
