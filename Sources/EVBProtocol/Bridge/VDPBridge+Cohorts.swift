internal import EVBTime
internal import EVBWire

// A station that keeps many VSIs alive sends the same PDU round after round, and is answered with the same octets each time. The VSIs of such
// a PDU are one cohort: the PDU is compared with its answer, and that is sent again. Everything else, a PDU that differs in one octet among
// it, takes the cohort apart and goes VSI by VSI.

extension VDPBridge {
    /// How the keep-alives of a cohort stand.
    struct AnswerRound {
        enum Phase: Equatable {
            /// The station knows the answer.
            case resting
            /// The answer waits for ECP; so many PDUs have carried it in vain.
            case ready(attempts: Int)
            /// It was sent.
            case told(attempts: Int)
        }

        /// The station that it is of, by ``VDPBridge/era``.
        let era: UInt64
        /// The latest of the changes of toutKeepAlive that its time accounts for, by ``VDPBridge/timing``.
        var timing: UInt64
        /// When the station was last heard of the VSIs, and how long they are kept.
        var heard: Instant
        var until: Instant
        var phase: Phase
    }

    /// VSIs of a PDU that is a cohort's. Answers to fewer are gathered, so that they leave together.
    private static let cohortMin = 4

    // MARK: One VSI of them

    /// Something else than the next keep-alive happens to a VSI: it is on its own from now on.
    mutating func leaveCohort(_ slot: Int) {
        if let number = cohorts.number(of: slot) { dissolve(number) }
    }

    /// Takes the cohort of a VSI apart if it is behind a change that concerns all.
    mutating func leaveOutdatedCohort(_ slot: Int) {
        guard let number = cohorts.number(of: slot), case let round = cohorts[number].round,
            round.era != era || round.timing != timing
        else { return }
        dissolve(number)
    }

    /// Takes a cohort apart: each of its VSIs goes on where the cohort was.
    mutating func dissolve(_ number: Int) {
        let isInFlight = cohorts.inFlight == number
        if isInFlight {
            cohorts.inFlight = nil
            inFlight.removeAll(keepingCapacity: true)
        }
        let cohort = cohorts.remove(number)
        for slot in cohort.slots {
            let (slot, round) = (Int(slot), cohort.round)
            slots[slot].timing = round.timing
            setWait(slot, .keepAlive(heard: round.heard, until: round.until))
            guard let tlv = grantTLV(slot) else { continue }
            switch round.phase {
            case .resting: break
            case .ready(let attempts): setMessage(slot, Message(tlv: tlv, attempts: attempts))
            case .told(let attempts):
                slots[slot].isBeingTold = true
                inFlight.append((slot, Message(tlv: tlv, attempts: attempts)))
            }
        }
    }

    /// What a keep-alive of a VSI is answered with.
    private func grantTLV(_ slot: Int) -> VSITLV? {
        guard let bound = bound[slot] else { return nil }
        return bound.request.answer(.answer(.success), filter: bound.grant.filter)
    }

    // MARK: Time

    /// VSIs that nothing was heard of in time are on their own, some in each call.
    mutating func expireCohorts(at now: Instant) {
        var left = Self.expiriesMax
        while left > 0, let next = cohorts.deadlines.next, next.deadline <= now {
            left -= cohorts[next.member].slots.count
            dissolve(next.member)
        }
    }

    /// The station is gone, and is told nothing more.
    mutating func forgetCohortAnswers() {
        for number in cohorts.ready + [cohorts.inFlight].compactMap({ $0 }) { cohorts[number].round.phase = .resting }
        cohorts.forgetSending()
    }

    // MARK: What arrives

    /// Takes in a PDU that keeps the VSIs of a cohort alive as the last one did.
    ///
    /// - Returns: whether it was one; nothing has changed if not.
    mutating func keepCohortAlive(_ request: [UInt8], at now: Instant) -> Bool {
        guard let station, station.dialect == .ratified, !isSlow, !cohorts.isEmpty else { return false }
        let number = request.withUnsafeBytes { request in
            VDPDU.firstVSIID(in: request).flatMap { slot(of: $0) }.flatMap { cohorts.number(of: $0) }
        }
        // One that a change of times has not reached yet is taken apart by it, or by what this says of its VSIs.
        guard let number, case let round = cohorts[number].round, round.era == era, round.timing == timing else {
            return false
        }
        if case .told = cohorts[number].round.phase { return false }
        let isSame = request.withUnsafeBytes { request in
            cohorts[number].payload.withUnsafeBytes { VDPDU.isGrant($0, of: request) }
        }
        guard isSame else { return false }
        statistics.keepAlives &+= UInt64(cohorts[number].slots.count)
        let until = now + station.keepAliveTimeout
        cohorts[number].round.heard = now
        cohorts[number].round.until = until
        cohorts.setDeadline(number, until)
        if cohorts[number].round.phase == .resting { cohorts.makeReady(number) }
        cohorts[number].round.phase = .ready(attempts: 0)
        return true
    }

    /// Makes a cohort of the VSIs that a PDU has kept alive, if it will be answered with what it says itself.
    mutating func formCohort(_ reading: WireDialect.Reading, _ request: [UInt8]) {
        guard let station, station.dialect == .ratified, !isSlow, reading.rejected.isEmpty,
            reading.associations.count >= Self.cohortMin, let manager = reading.associations.first?.managerID,
            request.count <= station.payloadMax
        else { return }
        var writer = VDPDU.Writer(manager, reserving: request.count)
        var members: [Int32] = []
        for association in reading.associations {
            guard association.tlv.organizational.isEmpty, let slot = slot(of: association.tlv.vsiID),
                let tlv = keepAliveAnswer(slot, manager)
            else { return }
            writer.append(tlv)
            members.append(Int32(slot))
        }
        let answer = writer.finish()
        let isGrant = request.withUnsafeBytes { request in
            answer.withUnsafeBytes { VDPDU.isGrant($0, of: request) }
        }
        guard isGrant, Set(members).count == members.count, let first = members.first,
            case .keepAlive(let heard, let until) = slots[Int(first)].wait
        else { return }
        for slot in members {
            setMessage(Int(slot), nil)
            deadlines.set(Int(slot), nil)
        }
        let round = AnswerRound(era: era, timing: timing, heard: heard, until: until, phase: .ready(attempts: 0))
        let number = cohorts.add(members, payload: answer, round)
        cohorts.setDeadline(number, until)
        cohorts.makeReady(number)
    }

    /// The answer that waits to be sent to the keep-alive of a VSI about which there is nothing else to say; nil where there is.
    private func keepAliveAnswer(_ slot: Int, _ manager: VSIManagerID) -> VSITLV? {
        guard cohorts.number(of: slot) == nil, slots[slot].machine.state == .waitStationCommand,
            slots[slot].era == era, slots[slot].timing == timing, slots[slot].managerID == manager,
            slots[slot].ticket == nil, !slots[slot].isBeingTold, case .keepAlive = slots[slot].wait,
            let message = messages[slot], message.attempts == 0, let tlv = grantTLV(slot), message.tlv == tlv
        else { return nil }
        return tlv
    }

    // MARK: What is said

    /// The answer of the cohort that has waited longest, if there is one.
    mutating func nextCohortPayload() -> [UInt8]? {
        guard let number = cohorts.ready.first else { return nil }
        guard let station, !isSlow, cohorts[number].payload.count <= station.payloadMax,
            case .ready(let attempts) = cohorts[number].round.phase
        else {
            dissolve(number)
            return nil
        }
        cohorts.takeReady()
        cohorts.inFlight = number
        cohorts[number].round.phase = .told(attempts: attempts)
        inFlight.removeAll(keepingCapacity: true)
        return cohorts[number].payload
    }

    /// The answer of a cohort has reached the station.
    mutating func cohortAcknowledged() {
        guard let number = cohorts.inFlight else { return }
        cohorts[number].round.phase = .resting
        cohorts.inFlight = nil
    }
}
