internal import EVBProtocol
internal import EVBTime
internal import EVBWire

/// What an observer who sees both sides of a link knows of its VSIs, and the rules that he holds them to.
struct Ledger {
    struct Line {
        /// What the station has reported last; deassociated also where it knows nothing of the VSI.
        var reported = VSIState.deassociated
        /// The station's daemon knows the VSI.
        var isKnown = false
        /// A request whose end has not been told.
        var isOpen = false
        /// What the bridge holds.
        var held: VDPCommand?
        /// When the bridge held an association last; nil if it never did.
        var lastAssociated: Instant?
        /// The bridge's owner has refused the VSI for good in this run.
        var sawHardRefusal = false
        /// The station takes it for associated and the bridge does not hold that.
        var stationAloneSince: Instant?
        /// The bridge holds it and the station knows nothing of it.
        var bridgeAloneSince: Instant?
    }

    struct Breach: Error {
        let rule: String
        let detail: String
    }

    private(set) var lines: [VSIID: Line] = [:]
    var associations: UInt64 = 0
    /// A frame with flipped bits was taken for good: neither side can be held to what it believed.
    var isTainted = false
    let flight: Interval
    let stationAgeing: Interval
    let bridgeAgeing: Interval

    init(swarm: Swarm, vsis: Int) {
        flight = swarm.flight
        stationAgeing = swarm.stationAgeing(vsis: vsis)
        bridgeAgeing = swarm.bridgeAgeing
    }

    private mutating func update(
        _ vsiID: VSIID, at now: Instant, _ change: (inout Line) throws(Breach) -> Void
    ) throws(Breach) {
        var line = lines[vsiID] ?? Line()
        try change(&line)
        try settle(&line, vsiID, at: now)
        lines[vsiID] = line
    }

    /// Starts and stops the clocks of one-sidedness.
    private func settle(_ line: inout Line, _ vsiID: VSIID, at now: Instant) throws(Breach) {
        try checkAge(line, vsiID, at: now)
        let isStationAlone = line.reported == .associated && line.held != .associate
        line.stationAloneSince = isStationAlone ? line.stationAloneSince ?? now : nil
        let isBridgeAlone = line.held != nil && !line.isKnown
        line.bridgeAloneSince = isBridgeAlone ? line.bridgeAloneSince ?? now : nil
    }

    private func checkAge(_ line: Line, _ vsiID: VSIID, at now: Instant) throws(Breach) {
        guard !isTainted else { return }
        if let since = line.stationAloneSince, now.since(since) > stationAgeing {
            throw Breach(
                rule: "no VSI is associated on the station alone for longer than the ageing bound",
                detail: "\(Trace.name(vsiID)) since \(Trace.text(since)), bound \(Trace.text(stationAgeing))")
        }
        if let since = line.bridgeAloneSince, now.since(since) > bridgeAgeing {
            throw Breach(
                rule: "no VSI lives on the bridge alone for longer than the ageing bound",
                detail: "\(Trace.name(vsiID)) since \(Trace.text(since)), bound \(Trace.text(bridgeAgeing))")
        }
    }

    /// Checks the age of everything that is one-sided.
    func inspect(at now: Instant) throws(Breach) {
        for (vsiID, line) in lines { try checkAge(line, vsiID, at: now) }
    }

    // MARK: The station

    /// A manager's request or withdrawal was taken.
    mutating func requestTaken(_ vsiID: VSIID, at now: Instant) throws(Breach) {
        try update(vsiID, at: now) { line throws(Breach) in
            if line.isOpen {
                throw Breach(
                    rule: "every request ends exactly once",
                    detail: "\(Trace.name(vsiID)): a later one was taken and the earlier one was not ended")
            }
            line.isKnown = true
            line.isOpen = true
            // The bridge has respWaitDelay anew to answer it, and what it had granted is taken to hold until then.
            line.stationAloneSince = nil
        }
    }

    mutating func stationSays(_ event: StationVSIEvent, at now: Instant) throws(Breach) {
        switch event {
        case .ended(let vsiID, let outcome):
            try update(vsiID, at: now) { line throws(Breach) in
                guard line.isOpen else {
                    throw Breach(
                        rule: "every request ends exactly once",
                        detail: "\(Trace.name(vsiID)) ended with nothing open: \(outcome)")
                }
                line.isOpen = false
            }
        case .changed(let change):
            if change.to == .associated {
                associations &+= 1
                try checkGrant(change.vsiID, at: now)
            }
            try update(change.vsiID, at: now) { line throws(Breach) in
                guard line.reported == change.from else {
                    throw Breach(
                        rule: "changes of state are told without a gap",
                        detail: "\(Trace.name(change.vsiID)) from \(change.from), but it was \(line.reported)")
                }
                line.reported = change.to
            }
        case .forgotten(let vsiID):
            try update(vsiID, at: now) { line throws(Breach) in
                if line.isOpen {
                    throw Breach(
                        rule: "every request ends exactly once", detail: "\(Trace.name(vsiID)) forgotten while open")
                }
                line.isKnown = false
                line.reported = .deassociated
            }
        }
    }

    /// A grant that the station acts on may have been taken back while its last frame was under way, and not before.
    private func checkGrant(_ vsiID: VSIID, at now: Instant) throws(Breach) {
        guard !isTainted else { return }
        let line = lines[vsiID] ?? Line()
        if line.held == .associate { return }
        let rule = "a VSI is reported associated only if the bridge granted it and has not taken it back since"
        guard let last = line.lastAssociated else {
            throw Breach(rule: rule, detail: "\(Trace.name(vsiID)) was never granted")
        }
        guard now.since(last) <= flight else {
            throw Breach(
                rule: rule,
                detail: "\(Trace.name(vsiID)) was held until \(Trace.text(last)), a frame lives \(Trace.text(flight))")
        }
    }

    /// The station's daemon has died: it knows nothing, and what was open ended with it.
    mutating func stationDied(at now: Instant) throws(Breach) {
        for vsiID in lines.keys {
            try update(vsiID, at: now) { line throws(Breach) in
                line.isKnown = false
                line.isOpen = false
                line.reported = .deassociated
            }
        }
    }

    // MARK: The bridge

    mutating func bridgeSays(_ event: BridgeVSIEvent, at now: Instant) throws(Breach) {
        switch event {
        case .bound(let vsiID, let grant): try setHeld(vsiID, grant.command, at: now)
        case .released(let vsiID, _):
            guard lines[vsiID]?.held != nil else {
                throw Breach(
                    rule: "the bridge releases what it holds, once", detail: "\(Trace.name(vsiID)) was not held")
            }
            try setHeld(vsiID, nil, at: now)
        case .departed(let vsiID, _):
            guard lines[vsiID]?.held == nil else {
                throw Breach(
                    rule: "what a station ends without holding it is not held", detail: "\(Trace.name(vsiID)) was held")
            }
        }
    }

    private mutating func setHeld(_ vsiID: VSIID, _ command: VDPCommand?, at now: Instant) throws(Breach) {
        try update(vsiID, at: now) { line throws(Breach) in
            if line.held == .associate || command == .associate { line.lastAssociated = now }
            line.held = command
        }
    }

    mutating func bridgeRefusedForGood(_ vsiID: VSIID) { lines[vsiID, default: Line()].sawHardRefusal = true }

    /// The bridge has died: it holds nothing.
    mutating func bridgeDied(at now: Instant) throws(Breach) {
        for (vsiID, line) in lines where line.held != nil { try setHeld(vsiID, nil, at: now) }
    }
}
