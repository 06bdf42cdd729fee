internal import EVBControl
internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBTime
internal import EVBWire
internal import EventLoop

/// One probe of a port's bridge: VSIs of its own, asked for step by step, and at the end all given back.
final class ProbeSession {
    /// A probe that takes longer gives back what it has, and reports what it knows.
    private static let patience = Interval.seconds(100)
    /// A type that no bridge should know.
    private static let unknownType: (id: UInt32, version: UInt8) = (0xFF_FFFF, 255)

    /// The longest trial of the keep-alive period.
    private static let trialMax = Interval.seconds(600)

    private typealias Phase = ProbeReport.Phase

    /// What a probe has found.
    struct Findings {
        var steps: [ProbeReport.Step]
        var isComplete: Bool
        var keepAliveTrial: ProbeReport.KeepAliveTrial?
    }

    private let port: any StationPortControl
    private let call: ProbeRequest
    private let manager: VSIManagerID
    private let requester = Requester.current?.probing
    private let timers: Timers
    private let completion: (Result<Findings, ControlError>) -> Void
    private var timer: Timers.Timer?
    private let vsiIDs: [VSIID]
    private let firstAddress: UInt64
    private var steps: [ProbeReport.Step] = []
    private var phases = Phase.allCases[...]
    /// VSIs whose end is awaited in this phase.
    private var awaited: Set<VSIID> = []
    private var beganAt: Instant?
    private var isOver = false
    /// Since when the VSI that gets no keep-alive is associated.
    private var silentSince: Instant?
    private var trial: ProbeReport.KeepAliveTrial?
    private var isComplete = true
    /// What a step began with, so that an end that is late does not count for the next.
    private var turn = 0

    init(
        _ port: any StationPortControl, _ call: ProbeRequest, _ manager: VSIManagerID, timers: Timers,
        completion: @escaping (Result<Findings, ControlError>) -> Void
    ) {
        self.port = port
        self.call = call
        self.manager = manager
        self.timers = timers
        self.completion = completion
        vsiIDs = (0..<call.vsis + (call.keepAlive ? 1 : 0)).map { _ in
            // A random UUID after RFC 9562, so that no other VSI has it.
            VSIID(
                format: .uuid, high: UInt64.random(in: .min ... .max) & ~0xF000 | 0x4000,
                low: UInt64.random(in: .min ... .max) & ~(3 << 62) | 2 << 62)
        }
        // Locally administered: no machine's, as far as that can be.
        firstAddress = 0x02_EB_00_00_00_00 | UInt64.random(in: 0...0xFF_FFFF) << 8
    }

    func start() {
        timer = timers.timer { [weak self] in self?.giveUp() }
        timer?.set(timers.now + Self.patience + (call.keepAlive ? Self.trialMax : Interval(nanoseconds: 0)))
        port.onTrail = { [weak self] in self?.take($0, at: $1) }
        next()
    }

    /// The client is gone: everything is given back.
    func abort() {
        isComplete = false
        finish()
    }

    private func giveUp() {
        isComplete = false
        guard phases.count > 0 else { return finish() }
        phases = []
        timer?.set(timers.now + Self.patience)
        begin(.release)
    }

    // MARK: Steps

    private func next() {
        guard !isOver else { return }
        guard let phase = phases.popFirst() else { return finish() }
        begin(phase)
    }

    private func begin(_ phase: Phase) {
        turn += 1
        beganAt = nil
        let first = vsiIDs[0]
        let isBound = port.vsiState(first).map { $0 == .preassociated || $0 == .associated } ?? false
        switch phase {
        case .preAssociate: ask(phase, "pre-associate a VSI", [first], .preAssociated)
        case .associate:
            guard isBound else { return next() }
            ask(phase, "associate it", [first], .associated)
        case .unknownChange:
            guard port.vsiState(first) == .associated else { return next() }
            ask(phase, "change it to a type that does not exist", [first], .associated, type: Self.unknownType)
        case .unknownType:
            ask(
                phase, "pre-associate with a type that does not exist", [vsiIDs[1]], .preAssociated,
                type: Self.unknownType)
        case .batch:
            let rest = vsiIDs.prefix(call.vsis).filter { port.vsiState($0) == nil }
            // A bridge that grants types that do not exist may have all of them already.
            guard !rest.isEmpty else { return next() }
            ask(
                phase,
                rest.count == 1 ? "pre-associate one more VSI" : "pre-associate \(rest.count) VSIs at once", rest,
                .preAssociated)
        case .silence:
            guard call.keepAlive else { return next() }
            ask(phase, "associate one that gets no keep-alive", Array(vsiIDs.suffix(1)), .associated)
        case .release: release()
        }
    }

    private func ask(
        _ phase: Phase, _ name: String, _ asked: [VSIID], _ target: EVBProtocol.VSIRequest.Target,
        type: (id: UInt32, version: UInt8)? = nil
    ) {
        steps.append(ProbeReport.Step(phase, name: name, asked: asked.count))
        awaited = Set(asked)
        let begun = turn
        for vsiID in asked {
            let index = UInt64(vsiIDs.firstIndex(of: vsiID) ?? 0)
            let entry = FilterEntry(
                vid: UInt16(clamping: call.vlan), macAddress: MACAddress(truncating: firstAddress | index))
            do {
                var request = EVBProtocol.VSIRequest(
                    vsiID: vsiID, target: target, managerID: manager,
                    typeID: type?.id ?? UInt32(clamping: call.typeID),
                    typeVersion: type?.version ?? UInt8(clamping: call.typeVersion),
                    filter: try FilterInfo(checking: [entry]),
                    persistence: .once)
                request.isKeptAlive = phase != .silence
                try Requester.$current.withValue(requester) {
                    try port.request(request, link: nil, owner: .probe) { [weak self] _ in self?.ended(vsiID, begun) }
                }
            } catch {
                set { $0.outcome = "not asked: \(error)" }
                ended(vsiID, begun)
            }
        }
    }

    private func release() {
        let held = vsiIDs.filter { port.vsiState($0) != nil }
        steps.append(ProbeReport.Step(.release, name: "de-associate all", asked: held.count))
        guard !held.isEmpty else { return next() }
        awaited = Set(held)
        let begun = turn
        for vsiID in held {
            do {
                try withdraw(vsiID) { [weak self] _ in self?.ended(vsiID, begun) }
            } catch {
                ended(vsiID, begun)
            }
        }
    }

    private func ended(_ vsiID: VSIID, _ begun: Int) {
        guard begun == turn, awaited.remove(vsiID) != nil, awaited.isEmpty else { return }
        goOn(after: Interval(nanoseconds: 0)) { $0.steps.last?.phase == .silence ? $0.waitInSilence() : $0.next() }
    }

    /// Does something later, in a turn of its own, as this may be the middle of a request; unless another step has begun by then.
    private func goOn(after pause: Interval, _ body: @escaping (ProbeSession) -> Void) {
        let begun = turn
        let following = timers.timer { [weak self] in
            guard let self, turn == begun else { return }
            self.following = nil
            body(self)
        }
        self.following = following
        following.set(timers.now + pause)
    }

    private var following: Timers.Timer?

    // MARK: Silence

    /// After how long the bridge has to take back a VSI of which it hears nothing.
    private var keepAliveTimeout: Interval {
        let status = port.status
        guard status.dialect != .draft else { return ProtocolTimes.draft.keepAliveTimeout }
        func number(_ value: Int) -> UInt8 { UInt8(clamping: value) }
        let timers = status.timers
        return OperationalTimers(
            retries: number(timers.retries), rte: number(timers.rte), rwd: number(timers.rwd), rka: number(timers.rka)
        ).keepAliveTimeout
    }

    /// Waits for the bridge to take the VSI back, somewhat longer than it may, if it has granted it.
    private func waitInSilence() {
        guard let vsiID = vsiIDs.last, port.vsiState(vsiID) == .associated else { return next() }
        let timeout = keepAliveTimeout
        let patience = timeout * 5 / 4 + .seconds(1)
        guard patience <= Self.trialMax else {
            set { $0.outcome = "not tried: by RKA the bridge waits for \(timeout.nanoseconds / 1_000_000_000) s" }
            return next()
        }
        silentSince = timers.now
        goOn(after: patience) { $0.endSilence(hasDropped: false) }
    }

    private func endSilence(hasDropped: Bool) {
        guard let since = silentSince else { return }
        silentSince = nil
        func milliseconds(_ interval: Interval) -> Int { Int(clamping: interval.nanoseconds / 1_000_000) }
        let waited = milliseconds(timers.now.since(since))
        trial = ProbeReport.KeepAliveTrial(
            expectedMilliseconds: milliseconds(keepAliveTimeout), waitedMilliseconds: waited,
            droppedMilliseconds: hasDropped ? waited : nil)
        goOn(after: Interval(nanoseconds: 0)) { $0.next() }
    }

    // MARK: Measuring

    private func set(_ change: (inout ProbeReport.Step) -> Void) {
        guard let last = steps.indices.last else { return }
        change(&steps[last])
    }

    private func take(_ trail: [VSITrailEntry], at now: Instant) {
        let own = trail.filter { vsiIDs.contains($0.vsiID) }
        let sent = own.count { if case .asked = $0.step { true } else { false } }
        var answers = 0
        for entry in own {
            switch entry.step {
            case .asked, .lost, .noBridge, .forgotten, .drained, .drainEnded, .changedByBridge, .overloaded: break
            case .askedAgain: set { $0.repeats += 1 }
            case .granted, .released:
                set { $0.granted += 1 }
                answers += 1
            case .refused(let refusal):
                answers += 1
                set {
                    $0.outcome = "refused"
                    $0.reason = EVBModel.VSIReason(EVBProtocol.VSIReason(refusal.reason))
                    $0.reasonCode = Int(refusal.reason.rawValue)
                    $0.hard = refusal.isHard
                    $0.keep = refusal.isKept
                }
            case .unanswered(let isAcknowledged): set { $0.outcome = isAcknowledged ? "unanswered" : "unacknowledged" }
            case .unaskable: set { $0.outcome = "unaskable" }
            case .mismatched:
                answers += 1
                set { $0.outcome = "mismatched" }
            case .takenBack where silentSince != nil && entry.vsiID == vsiIDs.last: endSilence(hasDropped: true)
            case .takenBack:
                answers += 1
                set { $0.outcome = "taken-back" }
            }
        }
        if sent > 0 {
            beganAt = beganAt ?? now
            set {
                $0.sentPDUs += 1
                $0.largestSent = max($0.largestSent, sent)
            }
        }
        guard answers > 0, let beganAt else { return }
        let span = Int(clamping: now.since(beganAt).nanoseconds / 1000)
        set {
            $0.answerPDUs += 1
            $0.largestAnswer = max($0.largestAnswer, answers)
            $0.firstMicroseconds = $0.firstMicroseconds ?? span
            $0.lastMicroseconds = span
        }
    }

    // MARK: The end

    private func finish() {
        guard !isOver else { return }
        end()
        completion(.success(Findings(steps: steps, isComplete: isComplete, keepAliveTrial: trial)))
    }

    /// Whatever is left goes.
    private func end() {
        guard !isOver else { return }
        isOver = true
        timer = nil
        following = nil
        port.onTrail = nil
        for vsiID in vsiIDs where port.vsiState(vsiID) != nil { try? withdraw(vsiID, waiter: nil) }
    }

    private func withdraw(_ vsiID: VSIID, waiter: RequestWaiter?) throws {
        try Requester.$current.withValue(requester) { try port.withdraw(vsiID, because: nil, waiter: waiter) }
    }
}
