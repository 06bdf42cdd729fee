package import BridgeDataplane
internal import Dataplane
internal import EVBLog
package import EVBModel
package import EVBPorts
package import EVBProtocol
package import EVBSettings
internal import EVBTime
package import EVBWire
internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink

/// Runs one port of a bridge: gives frames, decisions and time to its protocol, and carries out what comes of it.
///
/// Files: this one joins protocol, interface and timer; `BridgePortController+Effects.swift` carries effects out,
/// `BridgePortController+Status.swift` shows the port.
package final class BridgePortController: BridgePortControl {
    /// How often a port that leaves looks whether all is taken back.
    private static let leavePause = Interval.milliseconds(10)
    /// Frames that a slow bridge keeps for later; more are lost, and sent again.
    private static let heldMax = 4096

    /// How far the port is from its end.
    enum Life {
        case running
        /// The port leaves the configuration: it gives back what it has in force.
        case leaving
        /// evbd stops, and what the port has in force stays.
        case stopping
    }

    package let transport: PortTransport
    package private(set) var configuration: PortSettings { didSet { statusText.drop() } }
    package internal(set) var port: BridgePort { didSet { statusText.drop() } }
    var statusText = StatusText()
    /// Who decides, and what the bridge ports know together.
    package let seat: BridgeSeat
    /// Called with everything that is news.
    package var onNews: ((PortNews) -> Void)?
    package var timeOfNews: UInt64? { queue.workAddedAt }

    /// What is wrong on the port.
    let watch: ProblemWatch
    package let flag: HairpinFlag
    /// Why reflective relay is not offered though the configuration has it.
    private(set) var obstacle: RelayObstacle?
    /// The port's bridge, as long as the kernel has refused to set the hairpin flag there.
    private var refusingBridge: Int32?
    /// The port's bridge hands frames of one station's LLDP and ECP on to the others.
    private(set) var isLeaking = false
    private(set) var life = Life.running
    private var timer: Timers.Timer?
    private var leaveTimer: Timers.Timer?
    /// Called when the port is leaving and has given all back.
    package var onReleased: (() -> Void)?
    /// Effects that are to be carried out.
    private lazy var queue = transport.workQueue { [weak self] (effect: BridgeEffect) in self?.carryOut(effect) }
    private var sequences: SequenceReserve

    private var resources: ResourcePool { transport.surroundings.resources }

    var decisions = DecisionLedger()
    /// What the port does wrong on purpose.
    var mischief = MisbehavingBridge()
    private var mischiefTimer: Timers.Timer?
    /// Frames that are taken later, in their order.
    private var held = FIFO<(frame: Frame, until: Instant)>()
    private var heldTimer: Timers.Timer?

    /// Where the VSI goes that leaves for another port just now.
    package private(set) var destination: String?
    /// What was last told of VSIs of which something holds.
    package var told: [VSIID: EVBModel.VSIState] = [:]
    /// What was granted to VSIs that are bound, for the log.
    var bound: [VSIID: BoundVSI] = [:]
    /// Who takes VSIs back at the moment.
    var takers: [VSIID: Requester] = [:]

    /// Sets a port up. Its interface may come later.
    package init(
        _ configuration: PortSettings, _ surroundings: PortSurroundings, sequences: SequenceReserve, _ seat: BridgeSeat
    ) {
        self.configuration = configuration
        self.seat = seat
        let name = configuration.interface
        transport = PortTransport(configuration, surroundings)
        watch = ProblemWatch(transport)
        self.sequences = sequences
        flag = HairpinFlag(
            HairpinFlag.Room(
                programmer: surroundings.programmer, table: surroundings.table, timers: surroundings.timers,
                runtimeDirectory: surroundings.runtimeDirectory),
            portName: name, logger: transport.logger)
        port = BridgePort(
            configuration: Self.settings(
                configuration, link: transport.link, chassis: transport.chassis(of: transport.link), offersRelay: false,
                vsisMax: surroundings.resources.limits.vsisPerPort),
            firstSequence: sequences.first)
        transport.onFrame = { [weak self] in self?.receive($0) }
        transport.onUnreadable = { [weak self] in self?.port.countUnreadable($0, $1) }
        transport.onRetry = { [weak self] in self?.follow() }
        transport.onTrouble = { [weak self] in self?.onNews?(PortNews(kind: .notice, message: $0)) }
        timer = surroundings.timers.timer { [weak self] in self?.advance() }
        mischiefTimer = surroundings.timers.timer { [weak self] in self?.takeAllBack() }
        heldTimer = surroundings.timers.timer { [weak self] in self?.takeHeld() }
        startWatch()
        flag.onFailure = { [weak self] error in self?.flagFailed(error) }
        flag.onOverridden = { [weak self] in
            self?.warn(
                "another process has cleared the port's hairpin flag, which the station was promised; it is set again",
                alert: .enforcementFailed)
        }
    }

    /// Begins to follow the interface; what is news is told from now on.
    package func start() {
        if configuration.misbehave != .none { misbehave(configuration.misbehave) }
        seat.begin(keepAlive: port.snapshot.keepAliveTimeout)
        // Whether there is an interface or not: other ports' VSIs may not have them either.
        seat.protect(configuration.protectedAddresses)
        follow()
    }

    private static func settings(
        _ configuration: PortSettings, link: Link?, chassis: MACAddress?, offersRelay: Bool, vsisMax: Int
    ) -> BridgePortConfiguration {
        let timers = OperationalTimers(
            retries: UInt8(clamping: configuration.ecp.retries), rte: UInt8(clamping: configuration.ecp.rte),
            rwd: UInt8(clamping: configuration.vdp.rwd), rka: UInt8(clamping: configuration.vdp.rka))
        return BridgePortConfiguration(
            address: MACAddress(truncating: link?.address?.value ?? 0), chassis: chassis,
            interfaceName: configuration.interface,
            mtu: Int(link?.mtu ?? 1500),
            evb: EVBBridgeNegotiation.Configuration(
                timers: timers, offersReflectiveRelay: offersRelay, groupIDs: configuration.groupIDs,
                isManual: configuration.evb.manual, isNVO3: configuration.nvo3),
            vsisMax: vsisMax, dialect: DialectChoice(configuration.dialect),
            ecpSource: ECPSource(configuration.ecp.source), addresses: GroupAddresses(configuration))
    }

    private func settings(_ link: Link?) -> BridgePortConfiguration {
        Self.settings(
            configuration, link: link, chassis: transport.chassis(of: link),
            offersRelay: configuration.reflectiveRelay && obstacle == nil,
            vsisMax: resources.limits.vsisPerPort)
    }

    /// Changes the settings of the port while it runs; its VSIs stay, unless EVB is switched on or off.
    package func reconfigure(_ configuration: PortSettings) {
        let isSwitched = configuration.evb.transmit != self.configuration.evb.transmit
        if configuration.misbehave != self.configuration.misbehave { misbehave(configuration.misbehave) }
        self.configuration = configuration
        transport.reconfigure(configuration)
        seat.protect(configuration.protectedAddresses)
        // The station is to hear at once, and what it was granted ends.
        if isSwitched { perform(port.setLink(up: false, at: now)) }
        follow()
    }

    // MARK: What goes in

    /// Something about the port's interface, or about its bridge, has changed.
    package func linkChanged(_ changed: String) {
        let table = transport.surroundings.table
        if changed == name {
            follow()
        } else if let bridge = transport.link?.masterIndex, table[bridge]?.name == changed {
            follow()
        }
        guard life == .running, transport.takesOtherWay(changed) else { return }
        log(.notice, "frames take another way through the bond; asking who is there")
        perform(port.pathChanged(at: now))
    }

    package func peerChanged() {
        perform(port.setLink(up: false, at: now))
        follow()
    }

    private func receive(_ frame: Frame) {
        // Without the EVB TLV there is no EVB: nobody is a station here.
        guard configuration.evb.transmit else { return }
        // What is not for this port it drops and counts, also while it does wrong on purpose.
        guard port.configuration.addresses.includes(frame.header, own: port.configuration.address) else {
            return perform(port.receive(frame, at: now))
        }
        switch mischief.receive(frame) {
        case .take:
            port.room = resources.room(for: name)
            perform(port.receive(frame, at: now))
        case .drop: break
        case .acknowledge: acknowledge(frame)
        case .takeLater(let delay):
            guard held.count < Self.heldMax, acknowledge(frame) else { return }
            held.append((frame, now + delay))
            heldTimer?.set(held.first?.until)
        }
    }

    package func deassociate(byRequest vsiID: VSIID) {
        note(vsiID, .withdrawn, detail: Requester.current?.words)
        deassociate(vsiID)
    }

    /// Takes a VSI back; the station is told.
    package func deassociate(_ vsiID: VSIID) {
        if holds(vsiID) { takers[vsiID] = Requester.current }
        perform(port.deassociate(vsiID, at: now))
    }

    /// Takes back a VSI that may not stay, by a De-Associate to the station.
    package func revoke(_ vsiID: VSIID, because reason: String) {
        guard holds(vsiID) else { return }
        log(.warning, "VSI revoked", logFacts(vsiID).with(["reason": "\(reason)"]), alert: .vsiLost)
        deassociate(vsiID)
    }

    /// A VSI is associated on another port of this evbd now: it has nothing here any more.
    package func moved(_ vsiID: VSIID, to winner: String) {
        destination = winner
        defer { destination = nil }
        perform(port.moved(vsiID, at: now))
    }

    /// A decision as it can be carried out, with what there is room for.
    package func judge(_ ticket: DecisionTicket, _ decision: BridgeDecision) -> BridgeDecision {
        port.room = resources.room(for: name)
        return port.judge(ticket, decision)
    }

    /// What was asked of the admission is decided.
    package func decided(_ ticket: DecisionTicket, _ decision: BridgeDecision) {
        perform(port.decided(ticket, decision, at: now))
    }

    /// Nothing that a bridge's port holds takes the station's answer to give back.
    package func releaseAll() {}

    /// Says good-bye by LLDP and gives everything back in parts: with thousands of VSIs it would keep the other ports and the
    /// clients waiting.
    package func beginToLeave() {
        life = .leaving
        mischiefTimer = nil
        forgetHeld()
        perform(port.shutdown(at: now))
        leaveTimer = transport.surroundings.timers.timer { [weak self] in
            guard let self else { return }
            if isReleased { onReleased?() } else { leaveTimer?.set(now + Self.leavePause) }
        }
        leaveTimer?.set(now + Self.leavePause)
    }

    package var isReleased: Bool { life == .running || !port.isReleasing && queue.isEmpty && seat.isSettled }

    /// Says good-bye by LLDP, which ends all that the station was granted, and stops listening.
    package func leave() {
        end()
        seat.leave()
    }

    /// Says good-bye by LLDP and stops listening, as evbd stops. What VSI types impose stays in force, as after a crash: a port
    /// that is policed never stands open, and the next evbd goes on with it.
    package func stop() {
        life = .stopping
        end()
        transport.changes.finish()
    }

    private func end() {
        if life == .running { life = .leaving }
        perform(port.shutdown(at: now))
        while port.isReleasing { perform(port.advance(to: now)) }
        // Also what was left for later turns: there is none for this port.
        queue.finish()
        flag.want(false)
        timer = nil
        leaveTimer = nil
        mischiefTimer = nil
        heldTimer = nil
        watch.close()
        transport.close()
    }

    private func advance() {
        perform(port.advance(to: now))
    }

    /// Carries effects out, those that come of carrying them out last, and waits for the next moment that the protocol wants.
    private func perform(_ given: consuming [BridgeEffect]) {
        var effects = given
        // Another port may have the name, and what goes by it.
        guard seat.isOpen else { return }
        resources.set(port.use, of: name)
        // An acknowledgement waits for nothing, or the station sends again. An answer follows what it is about.
        let hasMore = effects.contains { if case .transmit = $0 { false } else { true } }
        let hasNews = port.takeNews() || hasMore
        let areAcknowledgementsAlone = hasMore || !queue.isIdle
        func leavesNow(_ effect: BridgeEffect) -> Frame? {
            guard case .transmit(let frame) = effect else { return nil }
            return areAcknowledgementsAlone && !frame.payload.isECPAcknowledgement ? nil : frame
        }
        for effect in effects { if let frame = leavesNow(effect) { send(frame) } }
        effects.removeAll { leavesNow($0) != nil }
        if !effects.isEmpty { queue.append(contentsOf: effects) }
        port.reuse(&effects)
        transport.setNeighbour(port.peerAddresses)
        sequences.advanced(to: port.nextSequence)
        timer?.set(port.nextDeadline)
        // Keep-alives come and go, and nothing is wrong for that.
        if hasNews { watch.changed() }
    }

    // MARK: Misbehaviour

    /// Has the port do wrong what `settings` say, in place of what it did before.
    package func misbehave(_ settings: Misbehaviour) {
        guard settings != .none || mischief.settings != .none else { return }
        mischief = MisbehavingBridge(settings)
        statusText.drop()
        mischiefTimer?.set(settings.deassociateEvery.map { now + .seconds(UInt64($0)) })
        if settings == .none {
            log(.notice, "the port behaves again")
            onNews?(PortNews(kind: .notice, message: "the port behaves again"))
        } else {
            warn("the port misbehaves on purpose: it \(settings.summary)")
        }
    }

    private func takeAllBack() {
        guard let period = mischief.settings.deassociateEvery else { return }
        for vsiID in vsiIDs { deassociate(vsiID) }
        mischiefTimer?.set(now + .seconds(UInt64(period)))
    }

    /// Acknowledges a request that the protocol does not see, or not yet; false where it would not have been taken.
    @discardableResult
    private func acknowledge(_ frame: Frame) -> Bool {
        guard port.snapshot.station != nil, let payload = frame.payload.acknowledgement else { return false }
        let destination = port.configuration.addresses.further ?? frame.destination
        send(Frame(destination: destination, source: port.configuration.address, payload: payload))
        return true
    }

    private func takeHeld() {
        while let first = held.first, first.until <= now {
            _ = held.popFirst()
            port.room = resources.room(for: name)
            // It has been acknowledged.
            perform(
                port.receive(first.frame, at: now).filter {
                    if case .transmit(let frame) = $0 { !frame.payload.isECPAcknowledgement } else { true }
                })
        }
        heldTimer?.set(held.first?.until)
    }

    /// What a station that is gone has asked for is of no use to the next.
    func forgetHeld() {
        held = FIFO()
        heldTimer?.set(nil)
    }

    // MARK: The interface

    private func follow() {
        guard life == .running else { return }
        guard case .present(let link, let isUp, let isAnother) = transport.follow() else {
            perform(port.setLink(up: false, at: now))
            flag.linkChanged()
            return
        }
        // Another interface of the same name: what was on the other end went with the old one.
        if isAnother { perform(port.setLink(up: false, at: now)) }
        judgeBridge(of: link)
        judgeAddresses()
        let settings = settings(link)
        if settings != port.configuration { perform(port.reconfigure(settings, at: now)) }
        if isUp != port.snapshot.isLinkUp { announceLink(isUp: isUp) }
        perform(port.setLink(up: isUp, at: now))
        flag.linkChanged()
    }

    /// Takes VSIs back whose addresses are another's in the port's bridge, since that has changed.
    private func judgeAddresses() {
        for (vsiID, obstacle) in seat.follow() { revoke(vsiID, because: "\(obstacle)") }
    }

    /// Why frames cannot be reflected on the port.
    enum RelayObstacle: Equatable {
        case noBridge
        case otherMaster(kind: String)
        case kernelRefuses

        func text(_ name: String) -> String {
            switch self {
            case .noBridge: "the interface is in no Linux bridge; put it into one: ip link set \(name) master BRIDGE"
            case .otherMaster(let kind): "the interface is in a \(kind), which has no hairpin flag; use a Linux bridge"
            case .kernelRefuses: "the kernel does not let the hairpin flag be set"
            }
        }
    }

    /// Finds out whether frames can be reflected, and whether LLDP and ECP stay on their link.
    private func judgeBridge(of link: Link) {
        let master = link.masterIndex.flatMap { transport.surroundings.table[$0] }
        if refusingBridge != link.masterIndex { refusingBridge = nil }
        let found: RelayObstacle? =
            if let master {
                master.kind != "bridge"
                    ? .otherMaster(kind: master.kind ?? "device") : refusingBridge != nil ? .kernelRefuses : nil
            } else {
                .noBridge
            }
        if found != obstacle || configuration.reflectiveRelay != toldRelay {
            tellObstacle(found)
        }
        let leaks = master?.kind == "bridge" && master?.spanningTree == false
        if leaks, !isLeaking {
            let bridge = master?.name ?? "BRIDGE"
            warn(
                "\(bridge) runs no spanning tree protocol, and so hands LLDP and ECP on between its ports, also with one station: "
                    + "any host on \(bridge) can pose to the station here as its switch and end its VSIs, and to evbd as a "
                    + "station; ip link set \(bridge) type bridge stp_state 1 ends that")
        }
        isLeaking = leaks
    }

    /// Whether reflective relay was configured when it was last told that it is not offered, or is.
    private var toldRelay: Bool?

    private func tellObstacle(_ found: RelayObstacle?) {
        let former = obstacle
        let isFirst = toldRelay == nil
        obstacle = found
        toldRelay = configuration.reflectiveRelay
        guard configuration.reflectiveRelay else { return }
        if let found {
            warn("reflective relay is not offered: \(found.text(name))")
        } else if former != nil, !isFirst {
            log(.notice, "reflective relay is offered now")
            onNews?(PortNews(kind: .notice, message: "reflective relay is offered now"))
        }
    }

    private func flagFailed(_ error: NetlinkError) {
        refusingBridge = transport.link?.masterIndex
        follow()
    }

    /// Tells something that may interest an operator, and is as it should be.
    package func notice(_ text: String) {
        log(.notice, text)
        onNews?(PortNews(kind: .notice, message: text))
    }

    /// Something else is wrong with what the port needs beside itself.
    package func problemsChanged() { watch.changed() }

    /// Tells something that an operator should know.
    func warn(_ text: String, alert: LogAlert? = nil) {
        log(.warning, text, alert: alert)
        onNews?(PortNews(kind: .notice, message: text))
    }
}
