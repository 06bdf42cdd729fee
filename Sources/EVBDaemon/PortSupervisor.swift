internal import EVBControl
internal import EVBProtocol
internal import EVBWire
internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink
internal import PacketSocket

/// Runs one port: gives frames, requests and time to its protocol, and carries out what comes of it.
///
/// Files: this one joins protocol, socket and timer; `PortSupervisor+Effects.swift` carries effects out.
final class PortSupervisor {
    /// What all ports share.
    struct Surroundings {
        let loop: EventLoop
        let timers: Timers
        let table: LinkTable
        let programmer: LinkProgrammer
        let logger: Logger
    }

    /// Frames taken from one socket before others have their turn.
    private static let framesPerTurn = 64

    let name: String
    private(set) var configuration: PortConfiguration
    private(set) var port: Port
    let relay: EdgeRelay
    var vsis: [VSIID: ManagedVSI] = [:]
    private var lastTurn: UInt64 = 0
    var logger: Logger
    /// Called with everything that is news.
    var onNews: ((PortNews) -> Void)?
    /// Called when nothing is known of a VSI any more.
    var onForgotten: ((VSIID, ManagedVSI) -> Void)?

    private let surroundings: Surroundings
    private var timer: Timers.Timer?
    private var socket: PacketSocket?
    private var socketIndex: Int32?
    private var socketTapsAll = false
    private var watches: [EventLoop.Watch] = []
    /// Lines about the port and the bridge, and lines about VSIs, of which a flap brings one or two for each.
    private var portBudget = LogBudget(burst: 20, perSecond: 1)
    private var vsiBudget = LogBudget(burst: 40_000, perSecond: 100)
    /// When the port, and with it all of its counters, began.
    let createdAt: Instant
    private(set) var sendFailures: UInt64 = 0
    private(set) var kernelDrops: UInt64 = 0

    /// Sets a port up. Its interface may come later.
    init(_ configuration: PortConfiguration, _ surroundings: Surroundings) {
        self.configuration = configuration
        self.surroundings = surroundings
        name = configuration.interface
        createdAt = surroundings.timers.now
        var logger = surroundings.logger
        logger[metadataKey: "port"] = "\(configuration.interface)"
        self.logger = logger
        let link = surroundings.table[configuration.interface]
        port = Port(
            configuration: Self.settings(configuration, link: link), firstSequence: UInt16.random(in: .min ... .max))
        relay = EdgeRelay(
            programmer: surroundings.programmer, table: surroundings.table, portName: name,
            defaultMode: configuration.edgeRelay == .veb ? .bridge : .vepa, logger: logger)
        timer = surroundings.timers.timer { [weak self] in self?.advance() }
        if link == nil { logger.notice("the interface is not there yet; waiting for it") }
        follow(link)
    }

    private static func settings(_ configuration: PortConfiguration, link: Link?) -> EVBProtocol.PortConfiguration {
        let timers = OperationalTimers(
            retries: UInt8(clamping: configuration.ecp.retries), rte: UInt8(clamping: configuration.ecp.rte),
            rwd: UInt8(clamping: configuration.vdp.rwd), rka: UInt8(clamping: configuration.vdp.rka))
        return EVBProtocol.PortConfiguration(
            address: MACAddress(truncating: link?.address?.value ?? 0), interfaceName: configuration.interface,
            mtu: Int(link?.mtu ?? 1500),
            evb: EVBNegotiation.Configuration(
                timers: timers, requestsReflectiveRelay: configuration.edgeRelay == .vepa,
                groupIDs: configuration.groupIDs, isManual: configuration.evb.manual,
                isTransmitted: configuration.evb.transmit),
            dialect: dialect(configuration.dialect))
    }

    private static func dialect(_ dialect: PortConfiguration.Dialect) -> EVBProtocol.PortConfiguration.Dialect {
        switch dialect {
        case .auto: .automatic
        case .ratified: .ratified
        case .draft: .draft
        }
    }

    /// Where this port puts manager IDs of one octet.
    var managerIDPlacement: VSIManagerID.Placement {
        configuration.managerIDPlacement == .first ? .first : .last
    }

    /// Changes the settings of the port while it runs; its VSIs stay.
    func reconfigure(_ configuration: PortConfiguration) {
        self.configuration = configuration
        relay.defaultMode = configuration.edgeRelay == .veb ? .bridge : .vepa
        perform(port.reconfigure(Self.settings(configuration, link: surroundings.table[name]), at: now))
    }

    var now: Instant { surroundings.timers.now }

    /// The index of the interface, while it is there.
    var interfaceIndex: Int32? { surroundings.table[name]?.index }

    // MARK: What goes in

    /// Something about the port's interface, or about a link, has changed.
    func linkChanged(_ changed: String) {
        if changed == name { follow(surroundings.table[name]) } else { relay.linkChanged(changed) }
    }

    /// Takes a request for a VSI; `waiter` hears how it ends.
    ///
    /// - Throws: when it cannot be taken; `waiter` is not called then.
    func request(
        _ request: EVBProtocol.VSIRequest, link: EdgeRelay.Specification?, owner: ManagedVSI.Owner,
        waiter: ManagedVSI.Waiter?
    ) throws(VSIRequestError) {
        let effects = try port.request(request, at: now)
        // What the former request had waiting ends with the effects, before the new one waits.
        let former = vsis[request.vsiID]
        var managed = ManagedVSI(link: link ?? former?.link, owner: owner)
        if let former { end(former.waiters, .outcome(.superseded)) }
        if let waiter { managed.waiters = [waiter] }
        lastTurn &+= 1
        managed.turn = lastTurn
        vsis[request.vsiID] = managed
        perform(effects.filter { $0 != .vsi(.ended(request.vsiID, .superseded)) })
    }

    /// Takes a VSI back; `waiter` hears when it is gone.
    ///
    /// - Throws: `unknownVSI`.
    func withdraw(_ vsiID: VSIID, waiter: ManagedVSI.Waiter?) throws(VSIRequestError) {
        let effects = try port.withdraw(vsiID, at: now)
        let former = vsis[vsiID]?.waiters ?? []
        vsis[vsiID]?.waiters = waiter.map { [$0] } ?? []
        lastTurn &+= 1
        vsis[vsiID]?.turn = lastTurn
        vsis[vsiID]?.isLinking = false
        end(former, .outcome(.superseded))
        // Traffic stops now, whatever the bridge says later.
        relay.cut(vsiID)
        perform(effects.filter { $0 != .vsi(.ended(vsiID, .superseded)) })
    }

    func end(_ waiters: [ManagedVSI.Waiter], _ ending: ManagedVSI.Ending) {
        for waiter in waiters { waiter(ending) }
    }

    /// Says good-bye by LLDP and stops listening. VSIs and links are left as they are.
    func close() {
        for case .transmit(let frame) in port.shutdown() { send(frame) }
        timer = nil
        closeSocket()
    }

    private func advance() {
        perform(port.advance(to: now))
    }

    /// Carries effects out, and waits for the next moment that the protocol wants.
    func perform(_ effects: [PortEffect]) {
        for effect in effects { carryOut(effect) }
        timer?.set(port.nextDeadline)
    }

    // MARK: The interface

    private func follow(_ link: Link?) {
        guard let link else {
            if socket != nil { logger.warning("the interface is gone; waiting for it to come back") }
            closeSocket()
            perform(port.setLink(up: false, at: now))
            return
        }
        // A bridge takes frames to group addresses for itself before a socket of one EtherType sees them.
        let tapsAll = link.masterIndex != nil
        // Another interface of the same name: what was on the other end, and the links above, went with the old one.
        if let socketIndex, socketIndex != link.index { perform(port.setLink(up: false, at: now)) }
        if socketIndex != link.index || socketTapsAll != tapsAll { openSocket(link, tapsAll: tapsAll) }
        let settings = Self.settings(configuration, link: link)
        if settings != port.configuration { perform(port.reconfigure(settings, at: now)) }
        let isUp = link.isUp && link.hasCarrier && socket != nil
        if isUp != port.snapshot.isLinkUp {
            log(.notice, "link \(isUp ? "up" : "down")")
            onNews?(
                PortNews(
                    kind: .link, from: isUp ? "down" : "up", to: isUp ? "up" : "down",
                    message: "the link is \(isUp ? "up" : "down")"))
        }
        perform(port.setLink(up: isUp, at: now))
    }

    private func openSocket(_ link: Link, tapsAll: Bool) {
        closeSocket()
        do {
            // The draft's ECP goes to an address of its own.
            let groups = [MACAddress.nearestCustomerBridge, .nearestBridge].map { HardwareAddress($0.rawValue) }
            let socket = try PacketSocket(
                interfaceIndex: link.index, etherTypes: [EtherType.lldp, EtherType.ecp, EtherType.draftECP],
                groups: groups, tap: tapsAll ? .everything : .protocols)
            for descriptor in socket.descriptors {
                let watch = try surroundings.loop.watch(descriptor, for: .readable) { [weak self] _ in
                    self?.receive(descriptor)
                }
                watches.append(watch)
            }
            self.socket = socket
            socketIndex = link.index
            socketTapsAll = tapsAll
        } catch {
            closeSocket()
            logger.error(
                "the interface cannot be listened on; evbd needs CAP_NET_RAW", metadata: ["error": "\(error)"])
        }
    }

    private func closeSocket() {
        for watch in watches { watch.cancel() }
        watches = []
        socket = nil
        socketIndex = nil
    }

    private func receive(_ descriptor: Int32) {
        guard let socket else { return }
        do {
            let summary = try socket.receive(descriptor, limit: Self.framesPerTurn) { octets in
                take(octets)
            }
            kernelDrops &+= UInt64(summary.kernelDrops)
        } catch {
            // The interface went down; the kernel tells of that by netlink too.
            logger.debug("receiving failed", metadata: ["error": "\(error)"])
        }
    }

    private func take(_ octets: UnsafeRawBufferPointer) {
        do throws(WireError) {
            let frame = try Frame(decoding: octets)
            perform(port.receive(frame, at: now))
        } catch {
            port.countUnreadable(error, to: Frame.destination(of: octets))
            logger.trace("frame discarded", metadata: ["error": "\(error)"])
        }
    }

    /// Logs what the bridge may have caused, as long as it does not cause too much of it.
    func log(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata = [:], isAboutVSI: Bool = false) {
        let verdict = isAboutVSI ? vsiBudget.take(at: now) : portBudget.take(at: now)
        guard verdict.isAllowed else { return }
        if verdict.suppressed > 0 {
            logger.warning("log lines were left out", metadata: ["count": "\(verdict.suppressed)"])
        }
        logger.log(level: level, "\(message)", metadata: metadata)
    }

    func send(_ frame: Frame) {
        guard let socket else { return }
        do {
            try frame.encoded().withUnsafeBytes { try socket.send($0) }
        } catch {
            // As if it were lost on the wire; ECP and LLDP send again.
            sendFailures &+= 1
            logger.debug("sending failed", metadata: ["error": "\(error)"])
        }
    }
}
