package import Dataplane
internal import EVBLog
internal import EVBSettings
package import EVBWire
internal import LinuxSystem
package import Logging
package import Netlink

/// The virtual functions of a port's network card that belong to VSIs: address, VLAN, priority, spoof check and link state follow
/// the association.
///
/// Set when the bridge has granted it, link state and all else in one request; while it does not, the link is down (`gate: down`);
/// reset when the VSI's manager wants it no more. Reset is always the same, not what was before, so that it is right after a crash
/// too: no address of its own, no VLAN, spoof check on, link state as the card's.
package final class VirtualFunctions {
    /// The function that a VSI is to have.
    package struct Demand: Equatable {
        package var number: UInt32
        package var address: MACAddress
        /// The priority that the filter asks for.
        package var priority: UInt8?

        package init(number: UInt32, address: MACAddress, priority: UInt8? = nil) {
            self.number = number
            self.address = address
            self.priority = priority
        }

        /// As it is named in requests and replies: `vf:3`.
        package var name: String { Self.prefix + "\(number)" }

        package static let prefix = "vf:"

        /// The number in a name; nil if it is the name of something else.
        package static func number(in name: String) -> UInt32? {
            guard name.hasPrefix(prefix) else { return nil }
            let digits = name.dropFirst(prefix.count)
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), digits.count == 1 || digits.first != "0"
            else {
                return nil
            }
            return UInt32(digits)
        }
    }

    package typealias Completion = (Result<Void, NetlinkError>) -> Void

    private enum Wish {
        case up
        case down
        case absent
    }

    private struct Entry {
        var demand: Demand
        var vid: UInt16?
        var wish = Wish.up
        /// What was set last, and how the link then was; nil before anything is known of it.
        var current: VirtualFunctionSettings?
        var isBusy = false
        var waiting: [Completion] = []
        var waitingForEnd: [Completion] = []
    }

    private let programmer: KernelQueue
    private let portName: String
    private let logger: Logger
    /// What a line of the log says of a VSI.
    var facts: (VSIID) -> Logger.Metadata = { ["vsi": "\($0)"] }
    private let portIndex: () -> Int32?
    private var entries: [VSIID: Entry] = [:]
    package var policy: RelayPolicy {
        didSet { for vsiID in entries.keys where policy != oldValue { step(vsiID) } }
    }

    /// Has no functions yet.
    ///
    /// - Parameters:
    ///   - programmer: Who sets them.
    ///   - portName: The physical function.
    ///   - portIndex: Its index, while it is there.
    ///   - policy: What the port's links are to do.
    ///   - logger: Where the port reports.
    package init(
        programmer: KernelQueue, portName: String, portIndex: @escaping () -> Int32?, policy: RelayPolicy,
        logger: Logger
    ) {
        self.programmer = programmer
        self.portName = portName
        self.portIndex = portIndex
        self.policy = policy
        self.logger = logger
    }

    package var isEmpty: Bool { entries.isEmpty }

    package func holds(_ vsiID: VSIID) -> Bool { entries[vsiID] != nil }

    /// The name of the function that a VSI has.
    package func name(of vsiID: VSIID) -> String? {
        entries[vsiID].flatMap { $0.current == nil ? nil : $0.demand.name }
    }

    /// Why a VSI cannot have that function, and what to do about it.
    package func conflict(_ demand: Demand, for vsiID: VSIID) -> String? {
        if let other = entries.first(where: { $0.key != vsiID && $0.value.demand.number == demand.number }) {
            return "\(demand.name) of \(portName) belongs to VSI \(other.key): choose another"
        }
        if let own = entries[vsiID], own.demand != demand {
            return "the VSI already has \(own.demand.name): de-associate it first to change that"
        }
        let file = "/sys/class/net/\(portName)/device/sriov_numvfs"
        let text = (try? Files.read(file, limit: 64)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let count = UInt32(text.filter { $0 != "\n" }) ?? 0
        if demand.number < count { return nil }
        return count == 0
            ? "\(portName) has no virtual functions: write the number of them to \(file), or choose another link"
            : "\(portName) has \(count) virtual functions, from vf:0 on: choose one of these, or write another number to \(file)"
    }

    /// The VSI is associated: its function is set, and its link on.
    package func raise(_ vsiID: VSIID, _ demand: Demand, vid: UInt16?, then: @escaping Completion) {
        var entry = entries[vsiID] ?? Entry(demand: demand)
        entry.demand = demand
        entry.vid = vid
        entry.wish = .up
        entry.waiting.append(then)
        entries[vsiID] = entry
        step(vsiID)
    }

    /// The VSI is associated no longer.
    package func cut(_ vsiID: VSIID) {
        entries[vsiID]?.wish = .down
        step(vsiID)
    }

    /// The VSI's manager wants it no more.
    package func remove(_ vsiID: VSIID, then: @escaping Completion) {
        entries[vsiID]?.wish = .absent
        entries[vsiID]?.waitingForEnd.append(then)
        step(vsiID)
    }

    // MARK: Steps

    private func wanted(_ entry: Entry) -> VirtualFunctionSettings? {
        var settings = VirtualFunctionSettings(number: entry.demand.number)
        switch entry.wish {
        case .absent:
            guard entry.current != nil else { return nil }
            settings.address = HardwareAddress(0)
            settings.vlan = 0
            settings.spoofCheck = true
            settings.linkState = .auto
        case .down where policy.gate == .none: return entry.current
        case .down, .up:
            settings.address = HardwareAddress(entry.demand.address.rawValue)
            settings.vlan = entry.vid ?? 0
            settings.priority = entry.vid == nil ? 0 : entry.demand.priority ?? 0
            settings.spoofCheck = true
            settings.linkState = entry.wish == .up && !policy.isHeld ? .auto : .disable
        }
        return settings
    }

    private func step(_ vsiID: VSIID) {
        guard let entry = entries[vsiID], !entry.isBusy else { return }
        guard let wanted = wanted(entry), wanted != entry.current else { return finish(vsiID, .success(())) }
        guard let index = portIndex() else {
            return finish(
                vsiID,
                .failure(
                    NetlinkError(
                        operation: "set \(entry.demand.name) of \(portName)", kind: .notFound,
                        reason: "the port was removed")))
        }
        // What stays is not set again: some cards reset a function whose address or VLAN is set.
        var change = wanted
        if let current = entry.current {
            if change.address == current.address { change.address = nil }
            if change.vlan == current.vlan, change.priority == current.priority { change.vlan = nil }
            if change.spoofCheck == current.spoofCheck { change.spoofCheck = nil }
            if change.linkState == current.linkState { change.linkState = nil }
        }
        entries[vsiID]?.isBusy = true
        let isTaken = programmer.submit(.setVirtualFunction(portIndex: index, change), of: portName) {
            [weak self] result in
            self?.completed(vsiID, wanted, result)
        }
        guard !isTaken else { return }
        entries[vsiID]?.isBusy = false
        finish(
            vsiID,
            .failure(
                NetlinkError(
                    operation: "set \(entry.demand.name) of \(portName)", kind: .cancelled, reason: "evbd is stopping"))
        )
    }

    private func completed(_ vsiID: VSIID, _ settings: VirtualFunctionSettings, _ result: Result<Link?, NetlinkError>) {
        entries[vsiID]?.isBusy = false
        switch result {
        case .success:
            let isReset = settings.address == HardwareAddress(0)
            entries[vsiID]?.current = isReset ? nil : settings
            step(vsiID)
        case .failure(let error):
            logger.alert(.vsiLinkFailed).error(
                "a virtual function cannot be set",
                metadata: facts(vsiID).with(["error": "\(error)"]))
            // The card may have taken part of it: what it has now is not known, so that all of it is set the next time.
            var unknown = VirtualFunctionSettings(number: settings.number)
            unknown.priority = settings.priority
            entries[vsiID]?.current = unknown
            finish(vsiID, .failure(error))
        }
    }

    private func finish(_ vsiID: VSIID, _ result: Result<Void, NetlinkError>) {
        guard let entry = entries[vsiID] else { return }
        entries[vsiID]?.waiting = []
        entries[vsiID]?.waitingForEnd = []
        if entry.wish == .absent { entries[vsiID] = nil }
        for waiting in entry.waiting + entry.waitingForEnd { waiting(result) }
    }
}
