internal import EVBLog
package import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBSettings
package import EVBWire
internal import EdgeRelayMachine
package import EdgeRelays
internal import EventLoop
internal import Logging
internal import Netlink

// What a machine will notice of its link, and what is wrong with a port whose bridge reflects frames.

extension StationPortController {
    /// Addresses that a warning names.
    private static let addressesMax = 8
    /// VSIs that are looked at in one turn.
    private static let looksPerTurn = 64

    // MARK: VSIs

    /// What the machine behind a link will notice.
    package func warnings(of link: EdgeRelay.LinkDescription, _ filter: FilterInfo) -> [VSIWarning] {
        [selfHearing(link), unreachable(link, filter)].compactMap(\.self)
    }

    /// Whether the machine behind a link hears its own broadcasts: macvlan's modes other than vepa do not know the frames of their own.
    private func hearsItself(_ link: EdgeRelay.LinkDescription) -> Bool {
        port.isReflecting && link.mode.map { $0 != .vepa } ?? false
    }

    private func selfHearing(_ link: EdgeRelay.LinkDescription) -> VSIWarning? {
        guard hearsItself(link), let mode = link.mode else { return nil }
        let kernel = mode == .bridge ? ", on Linux 7.2 and later," : ""
        return VSIWarning(
            kind: .hearsItself,
            message:
                "the bridge reflects frames, and in mode \(mode) the machine behind \(link.name)\(kernel) hears its own"
                + " broadcasts, so that IPv6 may take its address for a duplicate",
            hint: "use mode vepa, or have the bridge not reflect on \(name)")
    }

    /// The kernel gives a macvlan that is not in mode passthru the frames for one unicast address only.
    private func unreachable(_ link: EdgeRelay.LinkDescription, _ filter: FilterInfo) -> VSIWarning? {
        guard let own = link.address, let mode = link.mode, mode != .passthru else { return nil }
        let others = Set(filter.entries.compactMap(\.macAddress)).subtracting([own])
        guard !others.isEmpty else { return nil }
        let names = others.sorted { $0.rawValue < $1.rawValue }.prefix(Self.addressesMax).map { "\($0)" }
        let rest = others.count > names.count ? " and \(others.count - names.count) more" : ""
        return VSIWarning(
            kind: .unreachableAddresses,
            message: "in mode \(mode) \(link.name) takes unicast frames for \(own) only, not for "
                + names.joined(separator: ", ") + rest,
            hint: "give each address a VSI with a link of its own, use mode passthru, or a tap in a bridge")
    }

    /// Reports what is new of the warnings of an associated VSI.
    func reportWarnings(_ vsiID: VSIID, _ link: EdgeRelay.LinkDescription) {
        guard let filter = port.vsi(vsiID)?.filter, let managed = vsis[vsiID] else { return }
        let current = warnings(of: link, filter)
        for warning in current where !managed.reported.contains(warning.kind) {
            log(.warning, "\(warning.message): \(warning.hint)", logFacts(vsiID))
            onNews?(PortNews(kind: .notice, vsiID: vsiID, message: "\(warning.message): \(warning.hint)"))
        }
        change(vsiID) { $0.reported = Set(current.map(\.kind)) }
    }

    // MARK: The port

    /// The bridge reflects frames where that does harm.
    var reflectionProblem: PortProblem? {
        guard port.isReflecting else { return nil }
        let isAsked = configuration.edgeRelay == .vepa
        if let hostSwitch = relay.hostSwitchName {
            return PortProblem(
                kind: .reflectsIntoBridge,
                message:
                    "the bridge on \(name) reflects frames into \(hostSwitch), which learns from its own broadcasts"
                    + " that its machines are behind \(name): the next frame to such a machine is lost",
                hint: isAsked
                    ? "set edge-relay: veb" : "turn reflective relay off at the bridge, which was not asked for it")
        }
        guard !isAsked else { return nil }
        return PortProblem(
            kind: .reflectsUnasked,
            message: "the bridge on \(name) reflects frames although edge-relay: veb asks it not to: machines may hear"
                + " their own broadcasts, and frames twice",
            hint: "turn reflective relay off at the bridge")
    }

    /// What VSIs are being looked at for: whether their machines hear their own broadcasts.
    struct ReflectionRound {
        var vsiIDs: ArraySlice<VSIID>
        var count = 0
        /// By name the first one that does.
        var first: String?
    }

    /// The bridge reflects from now on.
    func reportReflection() {
        watch.settle()
        let isUnderWay = reflectionRound != nil
        var round = reflectionRound ?? ReflectionRound(vsiIDs: [])
        round.vsiIDs = relay.vsisWithLinks[...]
        reflectionRound = round
        if !isUnderWay { lookAtReflection() }
    }

    /// Looks at some VSIs, and at the others in later turns.
    private func lookAtReflection() {
        guard var round = reflectionRound else { return }
        for vsiID in round.vsiIDs.prefix(Self.looksPerTurn)
        where vsis[vsiID]?.reported.contains(.hearsItself) == false && relay.link(of: vsiID).map(hearsItself) == true {
            vsis[vsiID]?.reported.insert(.hearsItself)
            round.count += 1
            round.first = min(round.first ?? "\(vsiID)", "\(vsiID)")
        }
        round.vsiIDs = round.vsiIDs.dropFirst(Self.looksPerTurn)
        reflectionRound = round.vsiIDs.isEmpty ? nil : round
        guard round.vsiIDs.isEmpty else {
            return transport.surroundings.loop.laterSlice { [weak self] in self?.lookAtReflection() }
        }
        // One line for all: there may be thousands.
        guard let first = round.first else { return }
        let text =
            "the bridge reflects frames, and the links of VSIs are in modes in which machines hear their own broadcasts"
        log(.warning, text, ["count": "\(round.count)", "vsi": "\(first)"])
        onNews?(PortNews(kind: .notice, message: "\(text): \(round.count) VSIs, among them \(first)"))
    }
}
