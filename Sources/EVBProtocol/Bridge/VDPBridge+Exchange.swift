internal import EVBTime
internal import EVBWire

extension VDPBridge {
    /// VSIs that are looked at to fill one PDU.
    static let gatherMax = 512

    // MARK: What arrives

    /// Whether there is room for whatever a PDU may ask. What has no room must not be acknowledged, so that it comes again.
    func canTake(_ reading: WireDialect.Reading) -> Bool {
        // A limit that was lowered leaves less than nothing, and the VSIs that there are are heard all the same.
        let room = max(0, vsisMax + Self.answersMax - index.count)
        if reading.associations.count + reading.rejected.count <= room { return true }
        let named = reading.associations.map(\.tlv.vsiID) + reading.rejected.compactMap(\.vsiID)
        return Set(named.filter { slot(of: $0) == nil }).count <= room
    }

    /// Takes in what the station says, and the octets by which it has said so.
    mutating func receive(_ reading: WireDialect.Reading, _ payload: [UInt8] = [], at now: Instant) {
        let former = statistics.keepAlives
        statistics.malformed &+= UInt64(reading.rejected.count)
        for rejected in reading.rejected {
            guard let vsiID = rejected.vsiID, let command = rejected.command, let status = rejected.status else {
                continue
            }
            // An answer that cannot be read must not be answered.
            guard !status.contains(.answer) else { continue }
            let slot = slot(for: vsiID, manager: rejected.managerID ?? .unspecified, at: now)
            feed(slot, .invalid(command, .invalidFormat, isHard: true), at: now)
        }
        for association in reading.associations {
            receive(association.tlv, from: association.managerID, at: now)
        }
        if statistics.keepAlives &- former == UInt64(reading.associations.count) { formCohort(reading, payload) }
    }

    private mutating func receive(_ tlv: VSITLV, from manager: VSIManagerID, at now: Instant) {
        guard !tlv.status.contains(.answer) else {
            statistics.unsolicited &+= 1
            return
        }
        let slot = slot(for: tlv.vsiID, manager: manager, at: now)
        slots[slot].managerID = manager
        guard tlv.command != .deAssociate else {
            // It is answered with what it says itself.
            pending[slot] = BridgeRequest(tlv, from: manager, holding: nil)
            if slots[slot].machine.operCommand == nil { effects.append(.vsi(.departed(tlv.vsiID, tlv.filter))) }
            feed(slot, .command(.deAssociate), at: now)
            return
        }
        if isRepeated(slot, by: tlv, from: manager) {
            if slots[slot].machine.state == .waitStationCommand { statistics.keepAlives &+= 1 }
            feed(slot, .repeated(tlv.command), at: now)
            return
        }
        let request = BridgeRequest(tlv, from: manager, holding: bound[slot]?.grant)
        if let mistake = mistake(in: request) {
            feed(slot, .invalid(tlv.command, mistake.reason, isHard: mistake.isHard), at: now)
        } else if let limit = limit(exceededBy: request, of: slot, at: now) {
            refuse(request, slot, for: limit, at: now)
        } else {
            pending[slot] = request
            feed(slot, .command(tlv.command), at: now)
        }
    }

    /// Why a request is refused without asking anybody, and whether for good.
    private func mistake(in request: BridgeRequest) -> (reason: VDPReason, isHard: Bool)? {
        if request.filter.format.hasGroupID, station?.usesGroupIDs != true {
            // A station that has only just been told to use them may ask before its TLV with SGID arrives.
            return (.invalidFilter, isHard: station?.offersGroupIDs != true)
        }
        if networks.isOn, request.filter.groupBeyondNetworks != nil { return (.invalidFilter, isHard: true) }
        do {
            try request.filter.check()
            return nil
        } catch .noEntries {
            return (.invalidFormat, isHard: true)
        } catch {
            return (.invalidFilter, isHard: true)
        }
    }

    // MARK: What is said

    /// Puts an answer to the station into the queue.
    mutating func answerStation(_ slot: Int, _ answer: VDPBridgeMachine.Answer) {
        let (vsiID, bound) = (slots[slot].vsiID, bound[slot])
        let tlv: VSITLV
        switch answer {
        case .success(.deAssociate):
            tlv = Self.tlv(.deAssociate, .answer(.success), of: vsiID, as: pending[slot], filter: nil)
        case .success(let command):
            tlv = Self.tlv(command, .answer(.success), of: vsiID, as: bound?.request, filter: bound?.grant.filter)
        case .refused(let command, let refusal):
            countFailure(slot, isKept: refusal.isKept)
            tlv = Self.tlv(command, refusal.status, of: vsiID, as: pending[slot] ?? bound?.request, filter: nil)
        case .deAssociate:
            tlv = Self.tlv(
                .deAssociate, [], of: vsiID, as: bound?.request ?? pending[slot], filter: bound?.grant.filter)
        }
        if tlv.status.contains(.answer), let station {
            slots[slot].answer = VSIAnswer(tlv.status, in: station.dialect)
        }
        setMessage(slot, Message(tlv: tlv))
    }

    private mutating func countFailure(_ slot: Int, isKept: Bool) {
        statistics.commandsFailed &+= 1
        slots[slot].counters.failed &+= 1
        guard isKept else { return }
        statistics.commandReverts &+= 1
        slots[slot].counters.reverted &+= 1
    }

    /// The next PDU, if there is something to say: what waits for VSIs that may share one leaves together.
    ///
    /// Called when ECP has nothing outstanding.
    mutating func nextPayload() -> [UInt8]? {
        // The queue and the cohorts have their turns.
        let isTurn = queue.isEmpty || isCohortTurn
        isCohortTurn = false
        if isTurn, let payload = nextCohortPayload() { return payload }
        if let payload = nextQueuedPayload() {
            isCohortTurn = true
            return payload
        }
        return nextCohortPayload()
    }

    /// The next PDU of VSIs that wait in the queue.
    private mutating func nextQueuedPayload() -> [UInt8]? {
        guard let station, let first = queue.popFirst(), let leader = messages[first] else { return nil }
        let (dialect, manager) = (station.dialect, slots[first].managerID)
        var octets = dialect.vdpOverhead + dialect.encodedLength(of: leader.tlv)
        // Out of its place meanwhile, so that it can be changed while the VSIs are looked at.
        var queue = TransmitQueue()
        swap(&queue, &self.queue)
        let others = queue.take(limit: isSlow ? 0 : Self.gatherMax) { slot in
            guard dialect.canJoin(slots[slot].managerID, manager), let message = messages[slot] else { return .skip }
            let length = dialect.encodedLength(of: message.tlv)
            guard octets + length <= station.payloadMax else { return .stop }
            octets += length
            return .take
        }
        swap(&queue, &self.queue)
        inFlight.removeAll(keepingCapacity: true)
        tell(first)
        for slot in others { tell(slot) }
        var writer = dialect.writer(manager, reserving: octets)
        for told in inFlight { writer.append(told.message.tlv, of: slots[told.slot].managerID) }
        return writer.finish()
    }

    /// What is to be said of a VSI leaves now.
    private mutating func tell(_ slot: Int) {
        guard let message = takeMessage(slot) else { return }
        slots[slot].isBeingTold = true
        inFlight.append((slot, message))
    }

    /// The outstanding PDU has reached the station.
    mutating func pduAcknowledged() {
        cohortAcknowledged()
        for place in inFlight.indices {
            let slot = inFlight[place].slot
            slots[slot].isBeingTold = false
            forgetIfOver(slot)
        }
        inFlight.removeAll(keepingCapacity: true)
    }

    /// ECP has given the outstanding PDU up: what is still true is said again, a few times.
    mutating func pduFailed() {
        if let number = cohorts.inFlight { dissolve(number) }
        let told = inFlight
        inFlight = []
        for (slot, var message) in told {
            slots[slot].isBeingTold = false
            message.attempts += 1
            if messages[slot] == nil, message.attempts < Self.attemptsMax {
                setMessage(slot, message)
            } else {
                statistics.answersLost &+= 1
                forgetIfOver(slot)
            }
        }
    }
}

extension VDPBridge {
    /// Whether a request is the one that is being decided, or else the one that holds.
    @inline(__always) private func isRepeated(_ slot: Int, by tlv: VSITLV, from manager: VSIManagerID) -> Bool {
        switch slots[slot].machine.state {
        case .initial: return false
        case .processing(let command):
            guard let pending = pending[slot] else { return false }
            return command == tlv.command && pending.isRepeated(by: tlv, from: manager, granted: nil)
        case .waitStationCommand:
            guard let bound = bound[slot] else { return false }
            return bound.grant.command == tlv.command
                && bound.request.isRepeated(by: tlv, from: manager, granted: bound.grant.filter)
        }
    }

    /// What stands in an answer to something whose filter could not be read: one null VID, the shortest filter there is.
    private static let shortest = FilterInfo(FilterEntry(vid: 0))

    /// A TLV about a VSI; `request` gives its attributes, where one is known.
    private static func tlv(
        _ command: VDPCommand, _ status: VDPStatus, of vsiID: VSIID, as request: BridgeRequest?, filter: FilterInfo?
    ) -> VSITLV {
        VSITLV(
            command: command, status: status, typeID: request?.typeID ?? 0, typeVersion: request?.typeVersion ?? 0,
            vsiID: vsiID, filter: filter ?? request?.filter ?? shortest)
    }

    /// The VSI in a slot as it stands; nil for one of which nothing holds or is decided.
    func snapshot(_ slot: Int) -> BridgeVSISnapshot? {
        guard isShown(at: slot) else { return nil }
        let (vsi, bound) = (slots[slot], bound[slot])
        return BridgeVSISnapshot(
            vsiID: vsi.vsiID, state: vsi.machine.state, grant: bound?.grant, request: bound?.request,
            pending: pending[slot], createdAt: vsi.createdAt, answer: vsi.answer, counters: vsi.counters)
    }
}

extension BridgeRequest {
    /// The TLV that answers it.
    func answer(_ status: VDPStatus, filter: FilterInfo) -> VSITLV {
        VSITLV(
            command: command, status: status, typeID: typeID, typeVersion: typeVersion, vsiID: vsiID, filter: filter)
    }
}

extension Refusal {
    /// The status octet that tells it.
    var status: VDPStatus {
        var flags: VDPStatus = []
        if isHard { flags.insert(.hard) }
        if isKept { flags.insert(.keep) }
        return .answer(reason, flags)
    }
}
