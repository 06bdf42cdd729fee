package import Dataplane
internal import EVBLog
internal import EVBModel
package import EVBPorts
internal import EVBProtocol
package import EVBSettings
internal import EVBTime
package import EVBWire
package import EventLoop
internal import LinuxSystem
package import Logging
internal import Netlink
internal import OVSDB
package import OpenVSwitch

/// Associates taps for which no manager speaks VDP: those of an Open vSwitch by the profiles of their rows, those of a Linux bridge by rules.
///
/// The third front beside the control socket and libvirt. A tap that appears is asked for, one that goes is given back, and what became of
/// it is written into its row. Taps are looked at one by one, of many some in each turn of the loop.
package final class TapAssociator {
    /// How long after a request that could not be taken a tap is looked at again.
    private static let patience = Interval.seconds(5)
    /// Taps that are associated, or are to be, at most.
    private static let wishesMax = 65_536

    /// What there is to do.
    private enum Work {
        case look(String)
        /// Its address is being closed: the tap is asked for.
        case ask(String)
        /// All taps of one kind have been looked at: what an earlier run had and is not wanted now is given back.
        case settle(isOVSDB: Bool)
    }

    private let directory: any PortDirectory
    private let openVSwitch: OpenVSwitch
    private let table: LinkTable
    private let timers: Timers
    private let loop: EventLoop
    private let logger: Logger
    private var profiles: [String: TapType]
    private var rules: [TapRule]
    /// What was asked for, by the names of taps.
    private var wishes: [String: TapWish] = [:]
    /// The taps of VSIs.
    private var links: [VSIID: String] = [:]
    /// VSIs of an earlier run, and where they are.
    private var restored: [VSIID: (port: String, source: TapSource)] = [:]
    /// Taps whose requests could not be taken, and why.
    private var failed: [String: String] = [:]
    private var hasBegun = false
    private lazy var timer = timers.timer { [weak self] in self?.tryAgain() }
    private lazy var queue = WorkQueue<Work>(loop: loop) { [weak self] in self?.perform($0) }

    /// Looks at nothing before `begin`.
    package init(
        directory: any PortDirectory, openVSwitch: OpenVSwitch, table: LinkTable, settings: DaemonSettings,
        loop: EventLoop, timers: Timers, logger: Logger
    ) {
        self.directory = directory
        self.openVSwitch = openVSwitch
        self.table = table
        profiles = settings.openVSwitch.profiles
        rules = settings.taps
        self.loop = loop
        self.timers = timers
        self.logger = logger
    }

    // MARK: What goes in

    /// The ports are there: looks at all taps.
    package func begin() {
        hasBegun = true
        lookAtAll()
    }

    /// The configuration is another one.
    package func reconfigure(_ settings: DaemonSettings) {
        guard profiles != settings.openVSwitch.profiles || rules != settings.taps else { return }
        profiles = settings.openVSwitch.profiles
        rules = settings.taps
        lookAtAll()
    }

    /// Goes on with what an earlier run had asked for on a port.
    package func resume(_ port: any StationPortControl) {
        // Those of an earlier life of the port went with it.
        for (name, wish) in wishes where wish.port == port.name {
            wishes[name] = nil
            links[wish.vsiID] = nil
        }
        // The directory has the port in a later turn.
        if hasBegun { loop.later { [weak self] in self?.lookAtAll() } }
        for (vsiID, source) in port.restoredForTaps { restored[vsiID] = (port.name, source) }
    }

    /// A link or its row has changed, or is gone.
    package func linkChanged(_ name: String) {
        if case .station? = directory.port(name) { return lookAtAll() }
        guard wishes[name] != nil || failed[name] != nil || isCandidate(name) else { return }
        queue.append(contentsOf: [.look(name)])
    }

    /// The database of an Open vSwitch is there with all of its rows, or is not there any more.
    package func switchStateChanged() {
        guard openVSwitch.isConnected, !restored.isEmpty else { return }
        queue.append(contentsOf: openVSwitch.table.ports.keys.sorted().map { .look($0) } + [.settle(isOVSDB: true)])
    }

    /// Something has become of a VSI: its row is told.
    package func changed(_ vsiID: VSIID, on port: String) {
        guard let name = links[vsiID], wishes[name]?.port == port else { return }
        tell(name)
    }

    private func lookAtAll() {
        // Nothing is wanted, and nothing was.
        guard !profiles.isEmpty || !rules.isEmpty || !wishes.isEmpty || !restored.isEmpty else { return }
        var names = Set(wishes.keys).union(openVSwitch.table.ports.keys)
        if !rules.isEmpty { names.formUnion(table.all { Self.isTap($0) && $0.masterIndex != nil }.map(\.name)) }
        var work = names.sorted().map { Work.look($0) }
        work.append(.settle(isOVSDB: false))
        if openVSwitch.isKnown { work.append(.settle(isOVSDB: true)) }
        queue.append(contentsOf: work)
    }

    private func isCandidate(_ name: String) -> Bool {
        if openVSwitch.port(name)?.profile != nil { return true }
        guard !rules.isEmpty, let link = table[name] else { return false }
        return Self.isTap(link)
    }

    /// Xen's links have no kind; neither have cards, which a rule has to name.
    private static func isTap(_ link: Link) -> Bool { link.kind.map { ["tun", "veth"].contains($0) } ?? true }

    // MARK: What is wanted

    private func wish(of name: String) -> TapWish? {
        if let row = openVSwitch.port(name), openVSwitch.port(name)?.profile != nil { return wish(row) }
        return ruleWish(name)
    }

    private var stations: [any StationPortControl] {
        directory.ports.compactMap { if case .station(let station) = $0 { station } else { nil } }
    }

    private func wish(_ row: SwitchPort) -> TapWish? {
        guard let type = row.profile.flatMap({ profiles[$0] }), isThere(row), let address = row.attachedMAC,
            !address.isGroup, let station = stations.first(where: { openVSwitch.port($0.name)?.bridge == row.bridge }),
            directory.port(row.name) == nil
        else { return nil }
        let vsiID = row.interfaceID.flatMap { VSIID($0) } ?? VSIID(derivedFrom: ["ovsdb", "\(address)"])
        return TapWish(
            port: station.name, link: row.name, vsiID: vsiID, type: type, address: address, vlan: row.tag,
            source: .ovsdb)
    }

    /// Whether the row's link is there. vswitchd says so in the row a moment after the row has come, the kernel before.
    private func isThere(_ row: SwitchPort) -> Bool {
        if table[row.name] == nil { table.catchUp() }
        return table[row.name] != nil || row.linkIndex.map { table.isElsewhere($0) } ?? false
    }

    private func ruleWish(_ name: String) -> TapWish? {
        guard !rules.isEmpty, let link = table[name], Self.isTap(link), let master = link.masterIndex,
            table[master]?.kind == "bridge", directory.port(name) == nil,
            let station = stations.first(where: { table[$0.name]?.masterIndex == master })
        else { return nil }
        let address = link.address.map { MACAddress(truncating: $0.value) }
        for rule in rules where rule.link?.matches(name) ?? (link.kind != nil) {
            let machine = TapAddress.machine(address, rule.address)
            guard machine.matches else { continue }
            // A machine keeps its identity where it goes; a tap of which no machine is known is this host's.
            let texts =
                machine.address.map { ["machine", "\($0)"] }
                ?? ["tap", station.transport.link?.address.map { "\($0)" } ?? station.name, name]
            return TapWish(
                port: station.name, link: name, vsiID: VSIID(derivedFrom: texts), type: rule.type,
                address: machine.address, vlan: rule.vlan, source: .rule(rule.name))
        }
        return nil
    }

    /// A tap that is in no bridge yet, and that a rule will mean when it is: its manager sets it up as soon as it has put it there.
    private func keepOut(_ name: String) {
        guard !rules.isEmpty, let link = table[name], Self.isTap(link), link.masterIndex == nil,
            directory.port(name) == nil, let own = link.address.map({ MACAddress(truncating: $0.value) })
        else { return }
        for rule in rules where rule.link?.matches(name) ?? (link.kind != nil) {
            let machine = TapAddress.machine(own, rule.address)
            guard machine.matches else { continue }
            guard let address = machine.address else { return }
            for station in stations { station.keepOut(address, link: link.index) }
            return
        }
    }

    // MARK: What is done

    private func perform(_ work: Work) {
        switch work {
        case .look(let name): look(name)
        case .ask(let name): if wishes[name] == nil, let wanted = wish(of: name) { ask(name, wanted) }
        case .settle(let isOVSDB): settleRestored(isOVSDB: isOVSDB)
        }
    }

    private func look(_ name: String) {
        let wanted = wish(of: name)
        let current = wishes[name]
        if let current, current.vsiID != wanted?.vsiID || current.port != wanted?.port {
            end(
                name, current,
                because: wanted == nil ? "its tap \(name) is gone" : "its tap \(name) is another machine's")
        }
        guard let wanted else {
            failed[name] = nil
            if current == nil { keepOut(name) }
            return tellUnknown(name)
        }
        guard wanted != current || failed[name] != nil else { return }
        if current == nil, failed[name] == nil, restored[wanted.vsiID] == nil, closeFirst(name, wanted) { return }
        ask(name, wanted)
    }

    /// Has the address of a new machine closed at once, and asks for the machine's tap afterwards: a request is stored first, which takes as
    /// long as a disk does.
    ///
    /// - Returns: Whether the address is known.
    private func closeFirst(_ name: String, _ wish: TapWish) -> Bool {
        guard let address = wish.address, let index = table[name]?.index,
            case .station(let station)? = directory.port(wish.port)
        else { return false }
        station.keepOut(address, link: index)
        loop.later { [weak self] in self?.queue.append(contentsOf: [.ask(name)]) }
        return true
    }

    private func ask(_ name: String, _ wish: TapWish) {
        guard case .station(let station)? = directory.port(wish.port) else { return }
        guard let request = wish.request(station.managerIDPlacement) else {
            return fail(name, wish, "its type's manager or VLAN cannot be asked for at \(wish.port)", isForGood: true)
        }
        if let other = links[wish.vsiID], other != name {
            return fail(name, wish, "VSI \(wish.vsiID) is that of \(other) already", isForGood: true)
        }
        if links[wish.vsiID] == nil, restored[wish.vsiID] == nil, station.holds(wish.vsiID),
            station.tapSource(of: wish.vsiID) == nil
        {
            return fail(name, wish, "another manager has asked for VSI \(wish.vsiID)", isForGood: false)
        }
        guard wishes.count < Self.wishesMax else {
            return fail(name, wish, "more than \(Self.wishesMax) taps", isForGood: false)
        }
        let isSame = station.isWanted(request, for: wish.source)
        restored[wish.vsiID] = nil
        wishes[name] = wish
        links[wish.vsiID] = name
        failed[name] = nil
        guard !isSame else { return tell(name) }
        let refusal = Requester.$current.withValue(.tap(wish.source)) { () -> RequestRefusal? in
            do throws(RequestRefusal) {
                // Where the machine's address is not known, the tap's name is all that it is found by.
                try station.request(
                    request, link: wish.address == nil ? LinkRequest(name: name) : nil, label: nil,
                    owner: .tap(wish.source), because: nil, waiter: nil)
                return nil
            } catch {
                return error
            }
        }
        guard let refusal else { return tell(name) }
        wishes[name] = nil
        links[wish.vsiID] = nil
        fail(name, wish, refusal.words, isForGood: false)
    }

    private func end(_ name: String, _ wish: TapWish, because reason: String) {
        wishes[name] = nil
        links[wish.vsiID] = nil
        guard case .station(let station)? = directory.port(wish.port),
            station.tapSource(of: wish.vsiID) != nil
        else { return }
        try? station.withdraw(wish.vsiID, because: "\(wish.source), as \(reason)", waiter: nil)
    }

    /// Notes that a tap is not asked for, and why.
    private func fail(_ name: String, _ wish: TapWish, _ reason: String, isForGood: Bool) {
        if failed[name] != reason {
            logger.alert(.vsiRefused).warning(
                "a tap is not associated",
                metadata: [
                    "port": "\(wish.port)", "link": "\(name)", "vsi": "\(wish.vsiID)", "source": "\(wish.source)",
                    "reason": "\(reason)",
                ])
        }
        failed[name] = reason
        openVSwitch.write(SwitchPort.Verdict(status: "failed", reason: reason), of: name)
        if !isForGood { timer.set(timers.now + Self.patience) }
    }

    private func tryAgain() { queue.append(contentsOf: failed.keys.sorted().map { .look($0) }) }

    /// An earlier run's VSIs whose taps are not there any more are given back.
    private func settleRestored(isOVSDB: Bool) {
        for (vsiID, place) in restored where (place.source == .ovsdb) == isOVSDB {
            restored[vsiID] = nil
            guard case .station(let station)? = directory.port(place.port) else { continue }
            try? station.withdraw(
                vsiID, because: "\(place.source), as its tap went while evbd did not run", waiter: nil)
        }
    }

    // MARK: What the row is told

    private func tell(_ name: String) {
        guard let wish = wishes[name], wish.source == .ovsdb,
            case .station(let station)? = directory.port(wish.port)
        else { return }
        let status = station.vsiStatus(wish.vsiID)
        openVSwitch.write(
            SwitchPort.Verdict(
                status: (status?.state ?? .deassociated).rawValue, reason: status?.reason?.rawValue),
            of: name)
    }

    /// A row whose profile evbd does not have, or that is no longer asked for.
    private func tellUnknown(_ name: String) {
        guard let row = openVSwitch.port(name) else { return }
        guard let profile = row.profile, profiles[profile] == nil, !profiles.isEmpty,
            stations.contains(where: { openVSwitch.port($0.name)?.bridge == row.bridge })
        else {
            if row.verdict != SwitchPort.Verdict() { openVSwitch.write(SwitchPort.Verdict(), of: name) }
            return
        }
        openVSwitch.write(
            SwitchPort.Verdict(status: "failed", reason: "open-vswitch.profiles has no \(profile)"), of: name)
    }
}

extension RequestRefusal {
    /// Why, for people.
    fileprivate var words: String {
        switch self {
        case .unfit(let error): "\(error)"
        case .unusableLink(let problem, let remedy): "\(problem): \(remedy)"
        case .unstored(let error): "it cannot be stored: \(error)"
        }
    }
}
