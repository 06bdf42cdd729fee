import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// A port under test, bridges, the wire between them and a clock that stands still unless told.
///
/// Frames cross the wire as octets. The bench also watches what must hold in every test: contiguous changes of state, one
/// end for each request, one ECPDU at a time, repeated without a change and not too often.
final class Bench {
    var port: StationPort
    var bridges: [FakeBridge]
    private(set) var now = Instant.origin
    /// How long a frame is under way.
    var latency = Interval.microseconds(50)
    /// Percent of the frames that get lost, each way.
    var loss: UInt64 = 0
    var random = SplitMix64(seed: 1)
    /// Which ECP frames of the station get lost, counted from 0; likewise of the bridges.
    var lostFromStation: Set<Int> = []
    var lostFromBridge: Set<Int> = []
    private var ecpFromStation = 0
    private var ecpFromBridge = 0
    /// Whether R stays as it is, so that a PDU given up can be told from one cut short.
    var checksRetries = true
    /// Long tests keep no log.
    var keepsLog = true
    /// What the station sent, also if it was lost.
    private(set) var sent: [(at: Instant, frame: Frame)] = []
    private(set) var effects: [(at: Instant, effect: StationEffect)] = []
    private(set) var states: [VSIID: VSIState] = [:]
    private(set) var open: [VSIID: Int] = [:]
    private(set) var requestPDUs = 0
    private(set) var transmissionsMax = 0
    private var outstanding: (sequence: UInt16, octets: [UInt8], count: Int)?
    private var wire = WireQueue()

    init(
        _ configuration: StationPortConfiguration = .test(), bridges: [FakeBridge] = [FakeBridge()],
        firstSequence: UInt16 = 1
    ) {
        port = StationPort(configuration: configuration, firstSequence: firstSequence)
        self.bridges = bridges
    }

    var bridge: FakeBridge { bridges[0] }

    // MARK: Driving

    /// Sets the link up and lets bridge and station find each other.
    @discardableResult
    func start() -> Bench {
        setLink(up: true)
        run(for: .milliseconds(10))
        return self
    }

    func setLink(up: Bool) {
        if !up {
            wire = WireQueue()
            outstanding = nil
        }
        for bridge in bridges { bridge.setLink(up: up, at: now) }
        perform(port.setLink(up: up, at: now))
    }

    func request(_ request: VSIRequest) throws {
        let effects = try port.request(request, at: now)
        open[request.vsiID, default: 0] += 1
        perform(effects)
    }

    func retry(_ number: UInt64) throws {
        let effects = try port.retry(.number(number), at: now)
        open[.number(number), default: 0] += 1
        perform(effects)
    }

    func withdraw(_ vsiID: VSIID) throws {
        let effects = try port.withdraw(vsiID, at: now)
        open[vsiID, default: 0] += 1
        perform(effects)
    }

    func reconfigure(_ configuration: StationPortConfiguration) {
        perform(port.reconfigure(configuration, at: now))
    }

    func shutdown() { perform(port.shutdown()) }

    func run(for interval: Interval) { run(until: now + interval) }

    /// Lets so many things happen that are due at once, and leaves the others.
    func run(steps: Int) { run(until: now, steps: steps) }

    func run(until end: Instant, steps stepsMax: Int = .max) {
        var (steps, all) = (0, 0)
        var last = now
        while all < stepsMax {
            all += 1
            var next = wire.next ?? Instant(nanoseconds: .max)
            if let deadline = port.nextDeadline { next = min(next, deadline) }
            for bridge in bridges {
                if let deadline = bridge.nextDeadline { next = min(next, deadline) }
            }
            guard next <= end else { break }
            now = max(now, next)
            steps = now == last ? steps + 1 : 0
            last = now
            guard steps < 10_000 else {
                Issue.record("at \(now.text): time does not go on")
                return
            }
            step()
        }
        now = max(now, end)
    }

    private func step() {
        while let event = wire.pop(until: now) {
            switch event.destination {
            case .station: receive(event.octets)
            case .bridge(let index): bridges[index].receive(event.octets, at: now)
            }
        }
        if let deadline = port.nextDeadline, deadline <= now {
            perform(port.advance(to: now))
            if let next = port.nextDeadline, next < now { Issue.record("at \(now.text): a deadline in the past") }
        }
        for bridge in bridges { bridge.advance(to: now) }
        collect()
    }

    /// Gives the station octets as from the wire.
    func receive(_ octets: [UInt8]) {
        do throws(WireError) {
            let frame = try Frame(decoding: octets)
            if case .ecp(let ecpdu) = frame.payload, ecpdu.operation == .acknowledgement,
                ecpdu.sequence == outstanding?.sequence
            {
                outstanding = nil
            }
            perform(port.receive(frame, at: now))
        } catch {
            port.countUnreadable(error, octets.withUnsafeBytes { FrameHeader($0) })
        }
    }

    /// Gives the station a frame at once.
    func receive(_ payload: Frame.Payload, from source: MACAddress = .bridge) {
        let frame = Frame(destination: .nearestCustomerBridge, source: source, payload: payload)
        receive(frame.encoded())
    }

    // MARK: Watching

    private func collect() {
        for bridge in bridges {
            for frame in bridge.outbox {
                let isECP = frame.isECP
                if isECP { ecpFromBridge += 1 }
                if isECP, lostFromBridge.contains(ecpFromBridge - 1) { continue }
                if loss > 0, random.chance(loss) { continue }
                wire.push(at: now + latency, .station, frame.encoded())
            }
            bridge.outbox = []
        }
    }

    func perform(_ list: [StationEffect]) {
        for effect in list {
            if keepsLog { effects.append((now, effect)) }
            switch effect {
            case .transmit(let frame): transmit(frame)
            case .vsi(let event): watch(event)
            case .peer(.lost): outstanding = nil
            case .peer, .reflectiveRelay, .timers, .notice: break
            }
        }
        collect()
    }

    private func transmit(_ frame: Frame) {
        let octets = frame.encoded()
        if keepsLog { sent.append((now, frame)) }
        if case .ecp(let ecpdu) = frame.payload {
            if ecpdu.operation == .request { watch(ecpdu, octets) }
            if octets.count > Frame.headerLength + 1500 { Issue.record("an ECP frame of \(octets.count) octets") }
            ecpFromStation += 1
            if lostFromStation.contains(ecpFromStation - 1) { return }
        }
        if loss > 0, random.chance(loss) { return }
        for index in bridges.indices { wire.push(at: now + latency, .bridge(index), octets) }
    }

    private func watch(_ ecpdu: ECPDU, _ octets: [UInt8]) {
        let timers = port.snapshot.timers
        if let former = outstanding, former.sequence == ecpdu.sequence {
            outstanding = (former.sequence, octets, former.count + 1)
            if former.octets != octets { Issue.record("at \(now.text): ECPDU \(ecpdu.sequence) repeated with changes") }
            if former.count > 7 { Issue.record("at \(now.text): ECPDU \(ecpdu.sequence) sent too often") }
        } else {
            if checksRetries, let former = outstanding, former.count <= Int(timers.retries) {
                Issue.record("at \(now.text): ECPDU \(ecpdu.sequence) before the end of \(former.sequence)")
            }
            outstanding = (ecpdu.sequence, octets, 1)
            requestPDUs += 1
        }
        transmissionsMax = max(transmissionsMax, outstanding?.count ?? 0)
    }

    private func watch(_ event: StationVSIEvent) {
        switch event {
        case .changed(let change):
            let known = states[change.vsiID] ?? .deassociated
            if known != change.from || change.from == change.to {
                Issue.record("at \(now.text): \(change.vsiID.testName) is \(known), not \(change.from)")
            }
            states[change.vsiID] = change.to
        case .ended(let vsiID, let outcome):
            open[vsiID, default: 0] -= 1
            if open[vsiID, default: 0] < 0 {
                Issue.record("at \(now.text): \(vsiID.testName) ended once too often: \(outcome)")
            }
        case .forgotten(let vsiID):
            if states[vsiID, default: .deassociated] != .deassociated || open[vsiID, default: 0] > 0 {
                Issue.record("at \(now.text): \(vsiID.testName) forgotten with something open")
            }
            states[vsiID] = nil
        }
    }

    func clearLog() {
        sent = []
        effects = []
        for bridge in bridges { bridge.heard = [] }
    }
}

// MARK: Questions

extension Bench {
    func state(_ number: UInt64) -> VSIState? { port.vsi(.number(number))?.state }

    var associatedCount: Int { port.vsis.count { $0.state == .associated } }

    var statistics: StationPortStatistics { port.snapshot.statistics }

    /// How the requests for a VSI have ended.
    func outcomes(_ number: UInt64) -> [RequestOutcome] {
        effects.compactMap { entry in
            guard case .vsi(.ended(let vsiID, let outcome)) = entry.effect, vsiID == .number(number) else { return nil }
            return outcome
        }
    }

    func changes(_ number: UInt64) -> [VSIState] {
        effects.compactMap { entry in
            guard case .vsi(.changed(let change)) = entry.effect, change.vsiID == .number(number) else { return nil }
            return change.to
        }
    }

    var notices: [StationNotice] {
        effects.compactMap { if case .notice(let notice) = $0.effect { notice } else { nil } }
    }

    /// When the station sent LLDPDUs, and their EVB TLVs.
    var lldp: [(at: Instant, lldpdu: LLDPDU)] {
        sent.compactMap { entry in
            guard case .lldp(let lldpdu) = entry.frame.payload else { return nil }
            return (entry.at, lldpdu)
        }
    }

    /// The ECPDUs that the station sent, requests or acknowledgements.
    func ecp(_ operation: ECPDU.Operation) -> [(at: Instant, ecpdu: ECPDU)] {
        sent.compactMap { entry in
            guard case .ecp(let ecpdu) = entry.frame.payload, ecpdu.operation == operation else { return nil }
            return (entry.at, ecpdu)
        }
    }

    /// The VDPDUs that the station sent, repetitions by ECP among them.
    func vdp() throws -> [(at: Instant, pdu: VDPDU)] {
        try ecp(.request).map { ($0.at, try VDPDU.decode($0.ecpdu.payload).pdu) }
    }

    /// The association TLVs that the station sent for a VSI.
    func tlvs(_ number: UInt64) throws -> [(at: Instant, tlv: VSITLV)] {
        try vdp().flatMap { entry in
            entry.pdu.associations.filter { $0.vsiID == .number(number) }.map { (entry.at, $0) }
        }
    }

    /// What happened, for people: `at 2 s: station: associate vsi 1`.
    var trace: [String] {
        effects.compactMap { entry in
            Self.text(entry.effect).map { "at \(entry.at.text): \($0)" }
        }
    }

    private static func text(_ effect: StationEffect) -> String? {
        switch effect {
        case .transmit(let frame):
            guard case .ecp(let ecpdu) = frame.payload, ecpdu.operation == .request else { return nil }
            let tlvs = (try? VDPDU.decode(ecpdu.payload))?.pdu.associations ?? []
            let names = tlvs.map { "\($0.command) \($0.vsiID.testName)" }
            return "send \(ecpdu.sequence): " + names.joined(separator: ", ")
        case .vsi(.changed(let change)): return "\(change.vsiID.testName) is \(change.to.rawValue)"
        case .vsi(.ended(let vsiID, let outcome)): return "\(vsiID.testName) ended: \(outcome)"
        case .vsi(.forgotten(let vsiID)): return "\(vsiID.testName) is forgotten"
        case .peer(.found): return "bridge found"
        case .peer(.lost(let loss)): return "bridge lost: \(loss.text(of: .bridge))"
        case .reflectiveRelay, .timers, .notice: return nil
        }
    }
}

extension Frame {
    var isECP: Bool { if case .ecp = payload { true } else { false } }
}

/// Frames under way, in the order of their arrival.
struct WireQueue {
    enum Destination {
        case station
        case bridge(Int)
    }

    struct Event {
        let at: Instant
        let destination: Destination
        let octets: [UInt8]
    }

    private var events: [Event] = []
    private var head = 0

    var next: Instant? { head < events.count ? events[head].at : nil }

    mutating func push(at: Instant, _ destination: Destination, _ octets: [UInt8]) {
        var place = events.count
        while place > head, events[place - 1].at > at { place -= 1 }
        events.insert(Event(at: at, destination: destination, octets: octets), at: place)
    }

    mutating func pop(until now: Instant) -> Event? {
        guard head < events.count, events[head].at <= now else { return nil }
        defer {
            head += 1
            if head > 256 {
                events.removeFirst(head)
                head = 0
            }
        }
        return events[head]
    }
}
