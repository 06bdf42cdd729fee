internal import EVBControl
internal import EVBWire
internal import LinuxSystem
internal import Logging
internal import Netlink

/// The links of one port's VSIs: what each should be, and the steps that bring it there.
///
/// Traffic passes only while the bridge has granted the association: a link is made when it does, set down when the bridge
/// takes it back, and deleted when its manager wants it no more. Each link has at most one command under way; what is
/// wanted meanwhile is compared with what has come of it when it is done.
final class EdgeRelay {
    /// A link that a manager asked for.
    struct Specification: Equatable {
        var name: String
        var kind: MacvlanSpec.Kind
        /// nil follows the edge relay.
        var mode: MacvlanMode?
        var address: MACAddress
    }

    private enum Wish {
        case up
        case down
        case absent
    }

    private struct Entry {
        var specification: Specification
        var wish = Wish.absent
        var link: Link?
        var isBusy = false
        var waiting: [(Result<Void, NetlinkError>) -> Void] = []
        /// Those who wait for the link to be gone.
        var waitingForEnd: [(Result<Void, NetlinkError>) -> Void] = []
    }

    /// What a link's alias begins with, by which evbd knows its own after a restart.
    static let aliasPrefix = "evbd "

    private let programmer: LinkProgrammer
    private let table: LinkTable
    private let portName: String
    /// The mode of links whose manager named none.
    var defaultMode: MacvlanMode
    private let logger: Logger
    private var entries: [VSIID: Entry] = [:]
    private var vsiOfLink: [String: VSIID] = [:]

    /// Has no links yet.
    init(
        programmer: LinkProgrammer, table: LinkTable, portName: String, defaultMode: MacvlanMode, logger: Logger
    ) {
        self.programmer = programmer
        self.table = table
        self.portName = portName
        self.defaultMode = defaultMode
        self.logger = logger
    }

    /// Whether there is no link to care for.
    var isEmpty: Bool { entries.isEmpty }

    /// Why a link of that name cannot be made, seen before the bridge is asked.
    func conflict(_ specification: Specification, for vsiID: VSIID) -> String? {
        if let other = vsiOfLink[specification.name], other != vsiID {
            return "the link \(specification.name) belongs to VSI \(other)"
        }
        if let own = entries[vsiID], own.link != nil || own.isBusy, own.wish != .absent,
            own.specification != specification
        {
            return "the VSI has the link \(own.specification.name) already; de-associate it first to change the link"
        }
        guard entries[vsiID]?.link == nil, let link = table[specification.name] else { return nil }
        if link.alias == Self.alias(vsiID) { return nil }
        return "there is a link \(specification.name) already, which evbd did not make"
    }

    /// The VSI is associated: its link is to be there and up.
    func raise(_ vsiID: VSIID, _ specification: Specification, then: @escaping (Result<Void, NetlinkError>) -> Void) {
        if let other = vsiOfLink[specification.name], other != vsiID {
            return then(
                .failure(
                    NetlinkError(
                        operation: "create \(specification.kind.rawValue) \(specification.name) on \(portName)",
                        kind: .exists, reason: "it belongs to VSI \(other)")))
        }
        var entry = entries[vsiID] ?? Entry(specification: specification)
        entry.specification = specification
        entry.wish = .up
        entry.waiting.append(then)
        entries[vsiID] = entry
        vsiOfLink[specification.name] = vsiID
        step(vsiID)
    }

    /// The VSI is associated no longer: its traffic is to stop, its link to stay for whoever has it open.
    func cut(_ vsiID: VSIID) {
        guard entries[vsiID] != nil else { return }
        entries[vsiID]?.wish = .down
        step(vsiID)
    }

    /// The VSI's manager wants it no more: its link goes.
    func remove(_ vsiID: VSIID, then: @escaping (Result<Void, NetlinkError>) -> Void) {
        guard entries[vsiID] != nil else { return then(.success(())) }
        entries[vsiID]?.wish = .absent
        entries[vsiID]?.waitingForEnd.append(then)
        step(vsiID)
    }

    /// The link of a VSI as managers see it; nil while there is none.
    func link(of vsiID: VSIID) -> VSILink? {
        guard let entry = entries[vsiID], let link = entry.link else { return nil }
        let mode = (link.macvlanMode ?? mode(entry)).flatMap(LinkMode.init)
        return VSILink(
            name: link.name, kind: entry.specification.kind == .macvtap ? .macvtap : .macvlan, mode: mode)
    }

    /// A link has changed, or is gone.
    func linkChanged(_ name: String) {
        guard let vsiID = vsiOfLink[name], let entry = entries[vsiID], !entry.isBusy else { return }
        if let link = table[name], link.index == entry.link?.index {
            entries[vsiID]?.link = link
        } else if entry.link != nil {
            entries[vsiID]?.link = nil
            logger.warning(
                "the link of a VSI was removed by somebody else",
                metadata: ["vsi": "\(vsiID)", "link": "\(name)"])
        }
    }

    private static func alias(_ vsiID: VSIID) -> String { aliasPrefix + vsiID.description }

    private func mode(_ entry: Entry) -> MacvlanMode? { entry.specification.mode ?? defaultMode }

    /// Takes the next step towards what is wanted, or tells those who wait that all is done.
    private func step(_ vsiID: VSIID) {
        guard let entry = entries[vsiID], !entry.isBusy else { return }
        switch (entry.wish, entry.link) {
        case (.up, nil): create(vsiID, entry)
        case (.up, let link?) where !link.isUp: run(vsiID, .setUp(index: link.index, true))
        case (.down, let link?) where link.isUp: run(vsiID, .setUp(index: link.index, false))
        case (.absent, let link?): run(vsiID, .delete(index: link.index))
        case (.up, _?), (.down, _), (.absent, nil): finish(vsiID, .success(()))
        }
    }

    private func create(_ vsiID: VSIID, _ entry: Entry) {
        if let link = table[entry.specification.name], link.alias == Self.alias(vsiID) {
            entries[vsiID]?.link = link
            return step(vsiID)
        }
        guard let port = table[portName] else {
            let operation = "create \(entry.specification.kind.rawValue) \(entry.specification.name) on \(portName)"
            return finish(
                vsiID, .failure(NetlinkError(operation: operation, kind: .notFound, reason: "the port is gone")))
        }
        let specification = entry.specification
        run(
            vsiID,
            .create(
                MacvlanSpec(
                    name: specification.name, kind: specification.kind, mode: mode(entry) ?? .vepa,
                    parentIndex: port.index, address: HardwareAddress(specification.address.rawValue),
                    alias: Self.alias(vsiID), up: true)))
    }

    private func run(_ vsiID: VSIID, _ command: LinkCommand) {
        entries[vsiID]?.isBusy = true
        let isTaken = programmer.submit(command) { [weak self] result in self?.completed(vsiID, result) }
        guard !isTaken else { return }
        entries[vsiID]?.isBusy = false
        finish(
            vsiID,
            .failure(
                NetlinkError(
                    operation: "change the link \(entries[vsiID]?.specification.name ?? "")", kind: .busy,
                    reason: "too many changes of links are waiting")))
    }

    private func completed(_ vsiID: VSIID, _ result: Result<Link?, NetlinkError>) {
        entries[vsiID]?.isBusy = false
        switch result {
        case .success(let link):
            entries[vsiID]?.link = link
            tellIfGone(vsiID)
            step(vsiID)
        case .failure(let error)
        where entries[vsiID]?.wish != .up && (error.kind == .notFound || entries[vsiID]?.link == nil):
            // Deleted meanwhile or never made, which is what was wanted or more.
            entries[vsiID]?.link = nil
            tellIfGone(vsiID)
            step(vsiID)
        case .failure(let error):
            logger.error("a link cannot be changed", metadata: ["vsi": "\(vsiID)", "error": "\(error)"])
            finish(vsiID, .failure(error))
        }
    }

    /// Who waited for the end of a link has it, also where another is wanted by now.
    private func tellIfGone(_ vsiID: VSIID) {
        guard let entry = entries[vsiID], entry.link == nil, entry.wish != .absent else { return }
        entries[vsiID]?.waitingForEnd = []
        for waiting in entry.waitingForEnd { waiting(.success(())) }
    }

    private func finish(_ vsiID: VSIID, _ result: Result<Void, NetlinkError>) {
        guard let entry = entries[vsiID] else { return }
        entries[vsiID]?.waiting = []
        entries[vsiID]?.waitingForEnd = []
        if entry.link == nil, entry.wish == .absent || result.isFailure {
            entries[vsiID] = nil
            if vsiOfLink[entry.specification.name] == vsiID { vsiOfLink[entry.specification.name] = nil }
        }
        for waiting in entry.waiting + entry.waitingForEnd { waiting(result) }
    }
}

extension Result {
    fileprivate var isFailure: Bool {
        if case .failure = self { true } else { false }
    }
}

extension LinkMode {
    /// The mode as managers name it; nil for modes that they have no name for.
    init?(_ mode: MacvlanMode) {
        switch mode {
        case .vepa: self = .vepa
        case .bridge: self = .bridge
        case .private: self = .private
        case .passthru: self = .passthru
        case .source: return nil
        }
    }
}
