internal import ChannelDataplane
internal import Dataplane
internal import EVBLog
internal import EVBModel
package import EVBPorts
internal import EVBProtocol
package import EVBSettings
internal import EVBTime
internal import EVBWire
internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink

/// An uplink access port (802.1Q clause 42): divides a port's interface into S-channels, which are ports of their own.
///
/// CDCP, where it is spoken, goes by the sockets of channel 1's port. What is given becomes a plan for ``ChannelDevices``; the
/// ports on the devices follow their interfaces as any port does.
package final class UplinkController {
    /// How long the channels of an earlier run stay as they were without a word of the neighbour: as long as its LLDPDU holds.
    private static let memoryPatience = Interval.seconds(121)

    package let interface: String
    /// What is configured, together with the channels that are about to leave.
    package private(set) var settings: UplinkSettings
    /// What is configured.
    private var wanted: UplinkSettings
    var negotiation: Negotiation
    let devices: ChannelDevices
    private let surroundings: PortSurroundings
    private var memory: ChannelMemory
    private var identity: Negotiation.Identity
    private weak var transport: PortTransport?
    private var timer: Timers.Timer?
    private var memoryTimer: Timers.Timer?
    /// The S-tags of an earlier run, until the neighbour has spoken or is known to be silent.
    private var resumed: [SCID: SVID]?
    /// In a bridge, the channels for which a station asks, or asked when it was last heard.
    private(set) var demanded: Set<SCID> = []
    /// The channels that there are, and the numbers of those on interfaces.
    private(set) var channels: [SCID] = []
    private var scidOf: [String: SCID] = [:]
    /// Channels whose ports still give back what they hold.
    private var closing: Set<SCID> = []
    /// Channels that have another S-tag than their ports' peers know.
    private var moving: Set<SCID> = []
    /// Why a channel is not there that was.
    var losses: [SCID: SChannelLoss] = [:]
    /// LLDPDUs that are taken: LLDP sends five at once at most, and one a second. Each may change all channels, which takes the kernel
    /// and the loop a while.
    private var frames = TokenBucket(burst: 10, perSecond: 1)
    private var isUp = false
    /// No channel is wanted any more; called when all are gone.
    private var onGone: (() -> Void)?
    let logger: Logger

    /// Called when the ports of a bridge's channels are others.
    package var onPorts: (() -> Void)?
    /// Called with a channel whose other end knows nothing of it any more.
    package var onMoved: ((String) -> Void)?
    /// Called with the ports of which something is to be shown that was not so before.
    package var onDoubt: (([String]) -> Void)?
    /// Called with what is news about a port.
    package var onNews: ((PortNews, String) -> Void)?

    /// Begins with the channels as an earlier run has left them.
    package init(_ settings: UplinkSettings, _ surroundings: PortSurroundings) {
        interface = settings.interface
        self.settings = settings
        wanted = settings
        self.surroundings = surroundings
        var logger = surroundings.logger
        logger[metadataKey: "port"] = "\(settings.interface)"
        self.logger = logger
        memory = ChannelMemory(
            directory: surroundings.runtimeDirectory, interface: settings.interface, logger: logger)
        identity = Negotiation.Identity(
            address: MACAddress(truncating: 0), chassis: MACAddress(truncating: 0), interfaceName: settings.interface)
        negotiation = Negotiation(settings, identity, memory.content)
        devices = ChannelDevices(
            plan: ChannelPlan(uplink: settings.interface, side: settings.role == .station ? .station : .bridge),
            ChannelDevices.Room(
                programmer: surroundings.programmer, table: surroundings.table, timers: surroundings.timers,
                loop: surroundings.loop), logger: logger)
        if settings.isNegotiated, !memory.content.pairs.isEmpty { resumed = memory.content.pairs }
        if settings.role == .bridge, settings.isNegotiated { demanded = Set(memory.content.pairs.keys) }
        timer = surroundings.timers.timer { [weak self] in self?.advance() }
        memoryTimer = surroundings.timers.timer { [weak self] in self?.endMemory() }
        if resumed != nil { memoryTimer?.set(surroundings.timers.now + Self.memoryPatience) }
        devices.onChange = { [weak self] in self?.devicesChanged() }
        apply()
    }

    // MARK: The port of channel 1

    /// Speaks by the sockets of a port from now on.
    package func join(_ transport: PortTransport) {
        self.transport = transport
        transport.isDivided = true
        listen()
        transport.onFollow = { [weak self] in self?.follow() }
        follow()
    }

    private func listen() {
        guard settings.isNegotiated else {
            transport?.onChannelFrame = nil
            return
        }
        transport?.onChannelFrame = { [weak self] frame in
            guard let self, frames.available(at: now) > 0 else { return }
            frames.take(1)
            perform(negotiation.take(frame, at: now))
        }
    }

    /// Follows the interface.
    private func follow() {
        guard let transport else { return }
        let link = transport.link
        identity.address = MACAddress(truncating: link?.address?.value ?? 0)
        identity.chassis = transport.chassis(of: link) ?? MACAddress(truncating: 0)
        negotiation.setIdentity(identity)
        let isUp = transport.isUp
        guard isUp != self.isUp else { return }
        self.isUp = isUp
        if !isUp { resumed = nil }
        perform(negotiation.setLink(up: isUp, at: now))
    }

    /// Something about a link has changed.
    package func linkChanged(_ name: String) { devices.linkChanged(name) }

    // MARK: The configuration

    /// Follows other settings of the same side.
    ///
    /// - Parameters:
    ///   - settings: the settings.
    ///   - names: ports that are leaving: their channels go when they have.
    package func reconfigure(_ settings: UplinkSettings, closing names: Set<String>) {
        wanted = settings
        closing = Set(self.settings.channels.filter { names.contains($0.value.name) }.keys)
            .subtracting(settings.channels.keys)
        followWanted()
    }

    /// The channels for which a station will ask, as far as is known, under settings that are about to hold.
    func demand(under settings: UplinkSettings) -> Set<SCID> {
        guard settings.isNegotiated, settings.role == .bridge else { return [] }
        return self.settings.isNegotiated ? demanded : Set(self.settings.channels.keys)
    }

    /// Whether it can go on with other settings.
    package func canFollow(_ settings: UplinkSettings) -> Bool { self.settings.role == settings.role }

    /// The port of a channel has closed.
    package func portClosed(_ name: String) {
        let gone = closing.filter { settings.name(of: $0) == name }
        guard !gone.isEmpty else { return }
        closing.subtract(gone)
        followWanted()
    }

    private func followWanted() {
        var effective = wanted
        for scid in closing { effective.channels[scid] = settings.channels[scid] }
        let (former, isChange) = (settings, effective != settings)
        settings = effective
        if former.isNegotiated != effective.isNegotiated {
            renegotiate()
        } else if isChange {
            perform(negotiation.reconfigure(effective, at: now))
        }
        for scid in former.channels.keys where effective.channels[scid] == nil { losses[scid] = nil }
        apply()
        finishLeaving()
    }

    /// Goes on by CDCP, or without it. The other side is not told: until it follows, or does not hear of CDCP for long enough, channels
    /// stay as they are.
    private func renegotiate() {
        let given = resumed ?? negotiation.channels
        negotiation = Negotiation(settings, identity, memory.content)
        resumed = settings.isNegotiated && !given.isEmpty ? given : nil
        memoryTimer?.set(resumed.map { _ in now + Self.memoryPatience })
        demanded = settings.isNegotiated && settings.role == .bridge ? Set(given.keys) : []
        losses = [:]
        listen()
        guard isUp else { return }
        perform(negotiation.setLink(up: true, at: now))
    }

    /// Gives the channels up: those whose ports are leaving when they have, then all else.
    package func leave(closing names: Set<String>, then completion: @escaping () -> Void) {
        onGone = completion
        closing = Set(settings.channels.filter { names.contains($0.value.name) }.keys)
            .union(demanded.filter { names.contains(settings.name(of: $0)) })
        wanted.channels = [:]
        if settings.role == .station { followWanted() } else { finishLeaving() }
    }

    private func finishLeaving() {
        guard closing.isEmpty, let completion = onGone else { return }
        onGone = nil
        for case .transmit(let frame) in negotiation.leave(at: now) { transport?.send(frame) }
        demanded = []
        resumed = nil
        timer = nil
        memoryTimer = nil
        memory.forget()
        transport?.onFollow = nil
        transport?.onChannelFrame = nil
        transport?.isDivided = false
        devices.remove(then: completion)
    }

    /// evbd stops. All stays in force for the next one, and the neighbour is told nothing.
    package func stop() {
        timer = nil
        memoryTimer = nil
        transport?.onFollow = nil
        devices.finish()
    }

    // MARK: What comes of it

    private var now: Instant { surroundings.timers.now }

    private func advance() { perform(negotiation.advance(to: now)) }

    /// The neighbour has been silent for as long as the run before it would have believed it.
    private func endMemory() {
        guard resumed != nil else { return }
        resumed = nil
        apply()
    }

    private func perform(_ effects: [Negotiation.Effect]) {
        timer?.set(negotiation.nextDeadline)
        var isChange = false
        for effect in effects {
            switch effect {
            case .transmit(let frame): transport?.send(frame)
            case .channel(let event):
                isChange = true
                note(event)
            case .fault(let fault) where !fault.isTold: break
            case .fault(let fault):
                logger.alert(.neighbourProblem).warning(
                    "\(fault.message)", metadata: ["fault": "\(fault.kind.rawValue)"])
                onNews?(PortNews(kind: .notice, message: fault.message), interface)
                onDoubt?([interface])
            }
        }
        let isHeard = negotiation.peer != nil
        if isHeard, resumed != nil {
            resumed = nil
            isChange = true
        }
        if settings.role == .bridge, settings.isNegotiated, isHeard { demand(Set(negotiation.channels.keys)) }
        memory.keep(negotiation.memory)
        if isChange { apply() }
    }

    private func note(_ event: SChannelEvent) {
        let name = settings.name(of: event.scid)
        let text: String
        switch event.change {
        case .up(let svid):
            losses[event.scid] = nil
            // The run before had it, and so does its other end.
            text = "S-channel \(event.scid) is given, with SVID \(svid)"
            if let former = resumed?[event.scid], former != svid { moving.insert(event.scid) }
        case .moved(let former, let svid):
            moving.insert(event.scid)
            text = "S-channel \(event.scid) has moved from SVID \(former) to \(svid)"
        case .down(let loss):
            losses[event.scid] = loss
            moving.remove(event.scid)
            text = "S-channel \(event.scid) is not there any more: \(loss.text(negotiation.role.peer))"
            if settings.role == .bridge, loss == .peer(.shutdown) { demand(demanded.subtracting([event.scid])) }
        }
        logger.notice(
            "\(text)", metadata: ["channel": "\(name)", "scid": "\(event.scid)"])
        onNews?(PortNews(kind: .notice, message: text), name)
        onDoubt?([name, interface])
    }

    private func demand(_ channels: Set<SCID>) {
        guard channels != demanded else { return }
        for scid in demanded.subtracting(channels) {
            // The device goes with the last of the port, which may still have much to give back.
            closing.insert(scid)
        }
        closing.subtract(channels)
        demanded = channels
        onPorts?()
    }

    /// Has the kernel follow.
    private func apply() {
        count()
        devices.want(plan)
    }

    /// Looks which channels there are: those that are configured, or for which a station asks.
    private func count() {
        let isByDemand = settings.role == .bridge && settings.isNegotiated
        channels = (isByDemand ? demanded.union(closing) : Set(settings.channels.keys)).sorted()
        scidOf = Dictionary(channels.map { (settings.name(of: $0), $0) }) { first, _ in first }
    }

    /// The channel on an interface; nil if it is none of this uplink's.
    func scid(of name: String) -> SCID? { scidOf[name] }

    /// The S-tag that a channel is to have; nil while it has none.
    func given(_ scid: SCID) -> SVID? { (resumed ?? negotiation.channels)[scid] }

    /// What is to be in the kernel.
    private var plan: ChannelPlan {
        let isBridge = settings.role == .bridge
        let bridge = isBridge ? bridge : nil
        return ChannelPlan(
            uplink: interface, side: isBridge ? .bridge : .station,
            channels: channels.map { scid in
                ChannelPlan.Channel(
                    name: settings.name(of: scid), scid: scid.rawValue, svid: given(scid)?.rawValue, bridge: bridge)
            })
    }

    /// The Linux bridge of a bridge's channels.
    private var bridge: String? {
        settings.bridge ?? surroundings.table[interface]?.masterIndex.flatMap { surroundings.table[$0]?.name }
    }

    private func devicesChanged() {
        // Not before the kernel has followed: the port's first word would go by the former tag.
        if devices.isSettled {
            let moved = moving
            moving = []
            for scid in moved { onMoved?(settings.name(of: scid)) }
        }
        onDoubt?([interface] + channels.map(settings.name))
    }
}
