import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// A station's port and a bridge's, a wire between them that takes 50 us, and a clock of their own.
final class PairBench {
    static let wireDelay = Interval(nanoseconds: 50_000)
    static let bridgeAddress = MACAddress(truncating: 0x0200_0000_BB01)

    var station: StationPort
    var bridge: BridgePort
    private(set) var now = Instant(nanoseconds: 0)
    /// What the bridge's owner decides; nil decides nothing.
    var decision: (BridgeRequest) -> BridgeDecision? = { .grant($0.filter) }
    /// Which frames the wire loses.
    var losesFromStation: (Frame) -> Bool = { _ in false }
    var losesFromBridge: (Frame) -> Bool = { _ in false }
    /// How a frame is taken in, for those who compare.
    var stationReceives: (inout StationPort, Frame, Instant) -> [StationEffect] = { $0.receive($1, at: $2) }
    var bridgeReceives: (inout BridgePort, Frame, Instant) -> [BridgeEffect] = { $0.receive($1, at: $2) }
    private(set) var stationEffects: [StationEffect] = []
    private(set) var bridgeEffects: [BridgeEffect] = []
    private(set) var sentByStation: [(at: Instant, frame: Frame)] = []
    private(set) var sentByBridge: [(at: Instant, frame: Frame)] = []
    private var wire: [(at: Instant, isToStation: Bool, octets: [UInt8])] = []

    init(station: DialectChoice = .automatic, bridge: DialectChoice = .automatic, vsisMax: Int = 100) {
        self.station = StationPort(configuration: DraftBench.configuration(station), firstSequence: 1)
        self.bridge = BridgePort(
            configuration: Self.bridgeConfiguration(bridge, vsisMax: vsisMax), firstSequence: 0x0101)
    }

    static func bridgeConfiguration(
        _ dialect: DialectChoice, reflects: Bool = true, vsisMax: Int = 100, rte: UInt8 = 14
    ) -> BridgePortConfiguration {
        BridgePortConfiguration(
            address: bridgeAddress, interfaceName: "swp1",
            evb: EVBBridgeNegotiation.Configuration(
                timers: OperationalTimers(rte: rte), offersReflectiveRelay: reflects),
            vsisMax: vsisMax, dialect: dialect)
    }

    /// Sets the link up and lets the two find each other.
    @discardableResult
    func start() -> PairBench {
        setLink(up: true)
        run(for: .seconds(3))
        return self
    }

    func setLink(up: Bool) {
        stationDoes { $0.setLink(up: up, at: $1) }
        bridgeDoes { $0.setLink(up: up, at: $1) }
    }

    func stationDoes(_ action: (inout StationPort, Instant) throws -> [StationEffect]) rethrows {
        for effect in try action(&station, now) {
            stationEffects.append(effect)
            guard case .transmit(let frame) = effect else { continue }
            sentByStation.append((now, frame))
            if !losesFromStation(frame) { wire.append((now + Self.wireDelay, false, frame.encoded())) }
        }
    }

    func bridgeDoes(_ action: (inout BridgePort, Instant) -> [BridgeEffect]) {
        for effect in action(&bridge, now) {
            bridgeEffects.append(effect)
            switch effect {
            case .transmit(let frame):
                sentByBridge.append((now, frame))
                if !losesFromBridge(frame) { wire.append((now + Self.wireDelay, true, frame.encoded())) }
            case .decide(let ticket, let request):
                if let decision = decision(request) {
                    let judged = bridge.judge(ticket, decision)
                    bridgeDoes { $0.decided(ticket, judged, at: $1) }
                }
            default: break
            }
        }
    }

    func run(for interval: Interval) {
        let end = now + interval
        for _ in 0..<200_000 {
            let next = [station.nextDeadline, bridge.nextDeadline, wire.map(\.at).min()].compactMap { $0 }.min()
            guard let next, next <= end else {
                now = end
                return
            }
            now = max(now, next)
            step()
        }
        Issue.record("time does not go on")
    }

    private func step() {
        let due = wire.filter { $0.at <= now }
        wire.removeAll { $0.at <= now }
        for event in due {
            guard let frame = try? Frame(decoding: event.octets) else {
                Issue.record("a frame cannot be read")
                continue
            }
            if event.isToStation {
                stationDoes { stationReceives(&$0, frame, $1) }
            } else {
                bridgeDoes { bridgeReceives(&$0, frame, $1) }
            }
        }
        stationDoes { $0.advance(to: $1) }
        bridgeDoes { $0.advance(to: $1) }
    }

    func clear() {
        (stationEffects, bridgeEffects) = ([], [])
        (sentByStation, sentByBridge) = ([], [])
    }
}

// MARK: - Questions

extension PairBench {
    func request(_ number: UInt64, _ target: VSIRequest.Target = .associated, vid: UInt16 = 10) throws {
        try stationDoes { try $0.request(DraftBench.request(number, target, vid: vid), at: $1) }
    }

    func withdraw(_ number: UInt64) throws {
        try stationDoes { try $0.withdraw(DraftBench.id(number), at: $1) }
    }

    func state(_ number: UInt64) -> VSIState? { station.vsi(DraftBench.id(number))?.state }
    func held(_ number: UInt64) -> BridgeGrant? { bridge.vsi(DraftBench.id(number))?.grant }

    /// Both sides' dialects.
    var dialects: [WireDialect] { [station.snapshot.dialect, bridge.snapshot.dialect] }

    var outcomes: [RequestOutcome] {
        stationEffects.compactMap { if case .vsi(.ended(_, let outcome)) = $0 { outcome } else { nil } }
    }

    var releases: [VDPBridgeMachine.Release] {
        bridgeEffects.compactMap { if case .vsi(.released(_, let release)) = $0 { release } else { nil } }
    }

    var stationLosses: [PeerLoss] {
        bridgeEffects.compactMap { if case .station(.lost(let loss)) = $0 { loss } else { nil } }
    }

    var relays: [Bool] {
        bridgeEffects.compactMap { if case .reflectiveRelay(let isOn) = $0 { isOn } else { nil } }
    }

    var notices: [BridgeNotice] {
        bridgeEffects.compactMap { if case .notice(let notice) = $0 { notice } else { nil } }
    }

    /// What the bridge has said of VSIs in the draft.
    var said: [DraftVDPDU.Association] {
        sentByBridge.flatMap { entry -> [DraftVDPDU.Association] in
            guard case .draftECP(let ecpdu) = entry.frame.payload, ecpdu.operation == .request else { return [] }
            return DraftVDPDU.decode(ecpdu.payload, from: .bridge).pdu.associations
        }
    }

    /// The EVB TLVs of the bridge's latest LLDPDU.
    var announced: [LLDPDU.OptionalTLV] {
        for entry in sentByBridge.reversed() {
            if case .lldp(let lldpdu) = entry.frame.payload { return lldpdu.optional }
        }
        return []
    }
}
