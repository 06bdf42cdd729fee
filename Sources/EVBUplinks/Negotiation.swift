internal import EVBModel
internal import EVBProtocol
internal import EVBSettings
internal import EVBTime
internal import EVBWire

/// How the channels of an uplink come about: by CDCP, of the station's side or the bridge's, or as they are configured.
enum Negotiation {
    case station(CDCPUplink<CDCPStation>)
    case bridge(CDCPUplink<CDCPBridge>)
    case fixed([SCID: SVID])

    /// What is to be done outside, whichever side it is.
    enum Effect {
        case transmit(Frame)
        case channel(SChannelEvent)
        case fault(CDCPFault)

        init<Machine: CDCPMachine>(_ effect: CDCPUplink<Machine>.Effect) {
            self =
                switch effect {
                case .transmit(let frame): .transmit(frame)
                case .channel(let event): .channel(event)
                case .fault(let fault): .fault(fault)
                }
        }
    }

    /// Who speaks.
    struct Identity: Equatable {
        var address: MACAddress
        var chassis: MACAddress
        var interfaceName: String
    }

    /// Begins, with what is remembered of an earlier run.
    init(_ settings: UplinkSettings, _ identity: Identity, _ memory: ChannelMemory.Content) {
        if !settings.isNegotiated {
            self = .fixed(Self.fixed(settings))
        } else if settings.role == .station {
            self = .station(
                CDCPUplink(
                    machine: CDCPStation(configuration: Self.station(settings), last: memory.pairs),
                    of: CDCPUplink<CDCPStation>.Identity(identity)))
        } else {
            self = .bridge(
                CDCPUplink(
                    machine: CDCPBridge(
                        configuration: Self.bridge(settings), held: memory.pairs, station: memory.station),
                    of: CDCPUplink<CDCPBridge>.Identity(identity)))
        }
    }

    private static func station(_ settings: UplinkSettings) -> CDCPStation.Configuration {
        CDCPStation.Configuration(
            capacity: settings.capacity, wanted: settings.channels.mapValues { $0.svid ?? .unassigned })
    }

    private static func bridge(_ settings: UplinkSettings) -> CDCPBridge.Configuration {
        CDCPBridge.Configuration(
            capacity: settings.capacity, svids: SVIDPool([settings.svids].compactMap(\.self)))
    }

    private static func fixed(_ settings: UplinkSettings) -> [SCID: SVID] {
        settings.channels.compactMapValues(\.svid)
    }

    // MARK: Events

    /// Does something with the machine of either side.
    private mutating func withMachine(
        _ ofStation: (inout CDCPUplink<CDCPStation>) -> [CDCPUplink<CDCPStation>.Effect],
        _ ofBridge: (inout CDCPUplink<CDCPBridge>) -> [CDCPUplink<CDCPBridge>.Effect]
    ) -> [Effect] {
        switch self {
        case .station(var uplink):
            let effects = ofStation(&uplink)
            self = .station(uplink)
            return effects.map { Effect($0) }
        case .bridge(var uplink):
            let effects = ofBridge(&uplink)
            self = .bridge(uplink)
            return effects.map { Effect($0) }
        case .fixed: return []
        }
    }

    mutating func setLink(up: Bool, at now: Instant) -> [Effect] {
        withMachine({ $0.setLink(up: up, at: now) }, { $0.setLink(up: up, at: now) })
    }

    mutating func take(_ frame: Frame, at now: Instant) -> [Effect] {
        withMachine({ $0.take(frame, at: now) }, { $0.take(frame, at: now) })
    }

    mutating func advance(to now: Instant) -> [Effect] {
        withMachine({ $0.advance(to: now) }, { $0.advance(to: now) })
    }

    /// Says that there are no channels any more.
    mutating func leave(at now: Instant) -> [Effect] {
        withMachine({ $0.leave(at: now) }, { $0.leave(at: now) })
    }

    /// Follows other settings of the same side, which leave it as it is whether CDCP is spoken.
    mutating func reconfigure(_ settings: UplinkSettings, at now: Instant) -> [Effect] {
        if case .fixed = self {
            self = .fixed(Self.fixed(settings))
            return []
        }
        return withMachine(
            { $0.reconfigure(Self.station(settings), at: now) }, { $0.reconfigure(Self.bridge(settings), at: now) })
    }

    mutating func setIdentity(_ identity: Identity) {
        _ = withMachine(
            {
                $0.identity = CDCPUplink<CDCPStation>.Identity(identity)
                return []
            },
            {
                $0.identity = CDCPUplink<CDCPBridge>.Identity(identity)
                return []
            })
    }

    // MARK: What can be seen

    var nextDeadline: Instant? {
        switch self {
        case .station(let uplink): uplink.nextDeadline
        case .bridge(let uplink): uplink.nextDeadline
        case .fixed: nil
        }
    }

    /// The channels that are given, but for the default one.
    var channels: [SCID: SVID] {
        switch self {
        case .station(let uplink): uplink.machine.channels
        case .bridge(let uplink): uplink.machine.channels
        case .fixed(let channels): channels
        }
    }

    /// Who is spoken with: chassis and port.
    var peer: (chassis: LLDPIdentifier, port: LLDPIdentifier)? {
        switch self {
        case .station(let uplink): uplink.peer.map { ($0.chassisID, $0.portID) }
        case .bridge(let uplink): uplink.peer.map { ($0.chassisID, $0.portID) }
        case .fixed: nil
        }
    }

    /// What the peer last said.
    var remote: CDCPTLV? {
        switch self {
        case .station(let uplink): uplink.remote
        case .bridge(let uplink): uplink.remote
        case .fixed: nil
        }
    }

    /// What is said; nil without CDCP.
    var local: CDCPTLV? {
        switch self {
        case .station(let uplink): uplink.machine.outgoing
        case .bridge(let uplink): uplink.machine.outgoing
        case .fixed: nil
        }
    }

    var faults: [CDCPFault] {
        switch self {
        case .station(let uplink): uplink.faults
        case .bridge(let uplink): uplink.faults
        case .fixed: []
        }
    }

    var statistics: CDCPStatistics? {
        switch self {
        case .station(let uplink): uplink.statistics
        case .bridge(let uplink): uplink.statistics
        case .fixed: nil
        }
    }

    /// What is to be remembered.
    var memory: ChannelMemory.Content {
        switch self {
        case .station(let uplink): ChannelMemory.Content(pairs: uplink.machine.last, station: nil)
        case .bridge(let uplink): ChannelMemory.Content(pairs: uplink.machine.held, station: uplink.machine.station)
        case .fixed(let channels): ChannelMemory.Content(pairs: channels, station: nil)
        }
    }
}

extension CDCPUplink.Identity {
    fileprivate init(_ identity: Negotiation.Identity) {
        self.init(
            address: identity.address, chassis: identity.chassis, interfaceName: identity.interfaceName)
    }
}
