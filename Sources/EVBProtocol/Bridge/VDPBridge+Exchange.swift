internal import EVBTime
internal import EVBWire

extension VDPBridge {
    /// VSIs that are looked at to fill one PDU.
    static let gatherMax = 512

    // MARK: What arrives

    /// Whether there is room for whatever a PDU may ask. What has no room must not be acknowledged, so that it comes again.
    func canTake(_ reading: WireDialect.Reading) -> Bool {
        // A limit that was lowered leaves less than nothing, and the VSIs that there are are heard all the same.
        let room = max(0, vsisMax + Self.answersMax - slotOf.count)
        let named = reading.associations.map(\.tlv.vsiID) + reading.rejected.compactMap(\.vsiID)
        return room >= named.count || Set(named.filter { slotOf[$0] == nil }).count <= room
    }

    /// Takes in what the station says.
    mutating func receive(_ reading: WireDialect.Reading, at now: Instant) {
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
    }

    private mutating func receive(_ tlv: VSITLV, from manager: VSIManagerID, at now: Instant) {
        guard !tlv.status.contains(.answer) else {
            statistics.unsolicited &+= 1
            return
        }
        let slot = slot(for: tlv.vsiID, manager: manager, at: now)
        slots[slot]?.managerID = manager
        guard tlv.command != .deAssociate, let vsi = slots[slot] else {
            // It is answered with what it says itself.
            slots[slot]?.pending = BridgeRequest(tlv, from: manager, holding: nil)
            if slots[slot]?.machine.operCommand == nil { effects.append(.vsi(.departed(tlv.vsiID, tlv.filter))) }
            feed(slot, .command(.deAssociate), at: now)
            return
        }
        let request = BridgeRequest(tlv, from: manager, holding: vsi.bound?.grant)
        if vsi.repeats(request) {
            if vsi.machine.state == .waitStationCommand { statistics.keepAlives &+= 1 }
            feed(slot, .repeated(tlv.command), at: now)
        } else if let mistake = mistake(in: request) {
            feed(slot, .invalid(tlv.command, mistake.reason, isHard: mistake.isHard), at: now)
        } else if let limit = limit(exceededBy: request, of: vsi, at: now) {
            refuse(request, slot, for: limit, at: now)
        } else {
            slots[slot]?.pending = request
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
            _ = try FilterInfo(checking: request.filter.entries)
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
        guard let vsi = slots[slot] else { return }
        let tlv: VSITLV?
        switch answer {
        case .success(let command):
            let told = command == .deAssociate ? vsi.pending : vsi.bound?.request
            let filter = command == .deAssociate ? nil : vsi.bound?.grant.filter
            tlv = vsi.tlv(command, .answer(.success), as: told, filter: filter)
        case .refused(let command, let refusal):
            countFailure(slot, isKept: refusal.isKept)
            tlv = vsi.tlv(command, refusal.status, as: vsi.pending ?? vsi.bound?.request, filter: nil)
        case .deAssociate:
            tlv = vsi.tlv(.deAssociate, [], as: vsi.bound?.request ?? vsi.pending, filter: vsi.bound?.grant.filter)
        }
        if let status = tlv?.status, status.contains(.answer), let station {
            slots[slot]?.answer = VSIAnswer(status, in: station.dialect)
        }
        setMessage(slot, tlv.map { Message(tlv: $0) })
    }

    private mutating func countFailure(_ slot: Int, isKept: Bool) {
        statistics.commandsFailed &+= 1
        slots[slot]?.counters.failed &+= 1
        guard isKept else { return }
        statistics.commandReverts &+= 1
        slots[slot]?.counters.reverted &+= 1
    }

    /// The next PDU, if there is something to say: what waits for VSIs that may share one leaves together.
    ///
    /// Called when ECP has nothing outstanding.
    mutating func nextPayload() -> [UInt8]? {
        guard let station, let first = queue.popFirst(), let leader = slots[first], let message = leader.message else {
            return nil
        }
        let dialect = station.dialect
        var octets = dialect.vdpOverhead + dialect.encodedLength(of: message.tlv)
        let others = queue.take(limit: isSlow ? 0 : Self.gatherMax) { [slots] slot in
            guard let vsi = slots[slot], dialect.canJoin(vsi.managerID, leader.managerID), let tlv = vsi.message?.tlv
            else { return .skip }
            let length = dialect.encodedLength(of: tlv)
            guard octets + length <= station.payloadMax else { return .stop }
            octets += length
            return .take
        }
        inFlight = [first] + others
        var associations: [WireDialect.Association] = []
        for slot in inFlight {
            guard let vsi = slots[slot], let message = vsi.message else { continue }
            slots[slot]?.messageInFlight = message
            slots[slot]?.message = nil
            associations.append(WireDialect.Association(managerID: vsi.managerID, tlv: message.tlv))
        }
        return dialect.encode(associations)
    }

    /// The outstanding PDU has reached the station.
    mutating func pduAcknowledged() {
        let told = inFlight
        inFlight = []
        for slot in told {
            slots[slot]?.messageInFlight = nil
            forgetIfOver(slot)
        }
    }

    /// ECP has given the outstanding PDU up: what is still true is said again, a few times.
    mutating func pduFailed() {
        let told = inFlight
        inFlight = []
        for slot in told {
            guard let vsi = slots[slot], var message = vsi.messageInFlight else { continue }
            slots[slot]?.messageInFlight = nil
            message.attempts += 1
            if vsi.message == nil, message.attempts < Self.attemptsMax {
                setMessage(slot, message)
            } else {
                statistics.answersLost &+= 1
                forgetIfOver(slot)
            }
        }
    }
}

extension VDPBridge.VSI {
    /// Whether a request is the one that is being decided, or else the one that holds.
    func repeats(_ request: BridgeRequest) -> Bool {
        switch machine.state {
        case .initial: return false
        case .processing(let command):
            guard let pending else { return false }
            return command == request.command && pending.asksForSame(as: request, granted: nil)
        case .waitStationCommand:
            guard let bound else { return false }
            return bound.grant.command == request.command
                && bound.request.asksForSame(as: request, granted: bound.grant.filter)
        }
    }

    /// A TLV about this VSI; `request` gives its attributes, where one is known.
    func tlv(_ command: VDPCommand, _ status: VDPStatus, as request: BridgeRequest?, filter: FilterInfo?) -> VSITLV? {
        // What stands in an answer to something whose filter could not be read: one null VID, the shortest filter there is.
        let shortest = try? FilterInfo(checking: [FilterEntry(vid: 0)])
        guard let filter = filter ?? request?.filter ?? shortest else { return nil }
        return VSITLV(
            command: command, status: status, typeID: request?.typeID ?? 0, typeVersion: request?.typeVersion ?? 0,
            vsiID: vsiID, filter: filter)
    }

    var snapshot: BridgeVSISnapshot {
        BridgeVSISnapshot(
            vsiID: vsiID, state: machine.state, grant: bound?.grant, request: bound?.request, pending: pending,
            createdAt: createdAt, answer: answer, counters: counters)
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
