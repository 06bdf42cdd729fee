import EVBTime

@testable import EVBProtocol
@testable import EVBWire

/// An EVB bridge that does as it is told: a model of its own, which shares only the wire with the code under test.
final class FakeBridge {
    /// How it fills in its EVB TLV.
    enum Echo {
        /// R and RTE its own; RWD and RKA as they hold, ROL set if the station's is larger.
        case standard
        /// All four the larger of its own and the received; ROL set also on a tie.
        case lldpad
    }

    /// How answers to the TLVs of one PDU are put together.
    enum Grouping {
        case together
        /// Each in a PDU of its own.
        case each
        /// Only the first TLV of a PDU is looked at.
        case firstOnly
    }

    /// What it says to a request.
    enum Verdict {
        /// Success, with another filter than the one asked for if it is given.
        case grant(FilterInfo? = nil)
        case refuse(VDPReason, VDPStatus = [])
        /// An answer of the type De-Associate.
        case deassociate
        case silence
    }

    struct Policy {
        var verdict: Verdict
        var after = Interval(nanoseconds: 0)
    }

    struct Entry {
        var tlv: VSITLV
        var manager: VSIManagerID
        var until: Instant
    }

    var address = MACAddress.bridge
    /// Its chassis, where that has another address.
    var chassis: MACAddress?
    var portName = "1/1"
    var timers: OperationalTimers
    var status: BridgeStatus = [.reflectiveRelayCapable, .groupIDs]
    var mode = EVBMode.bridge
    var echo = Echo.standard
    var grouping = Grouping.together
    /// One receive buffer, read ``parseDelay`` after each arrival: of two PDUs that come before it is read the first is lost, and the
    /// second is read twice. The next PDU leaves when the ack timer of the last has run out.
    var isLLDPad = false
    var parseDelay: () -> Interval = { .milliseconds(2) }
    var sendsTLV = true
    var sendsAcks = true
    var hearsLLDP = true
    /// Says always what it proposes itself, whatever it hears.
    var echoesNothing = false
    /// Keeps to its own RKA and shows that, whatever it hears, as some switches do.
    var keepsOwnKeepAlive = false
    var isAlive = true
    var agesVSIs = true
    var timeToLive: UInt16 = 121
    var policy: (VSITLV) -> Policy = { _ in Policy(verdict: .grant()) }

    var outbox: [Frame] = []
    private(set) var entries: [VSIID: Entry] = [:]
    /// The VDPDUs taken in, repetitions left out.
    var heard: [(at: Instant, manager: VSIManagerID, tlvs: [VSITLV])] = []
    var keepsHeard = true
    private(set) var pdusHeard = 0
    private(set) var tlvChanges = 0
    private(set) var agedCount = 0

    private var isLinkUp = false
    private var stationTLV: EVBTLV?
    private var saidTLV: EVBTLV?
    private var nextLLDP: Instant?
    private var nextAgeing: Instant?
    private var sequence: UInt16 = 0
    private var queue: [[UInt8]] = []
    private var queueHead = 0
    private var current: (ecpdu: ECPDU, count: Int, until: Instant, isAcked: Bool)?
    private var lastSequence: UInt16?
    private var buffer: [UInt8]?
    private var parsesAt: [Instant] = []
    private var delayed: [(at: Instant, manager: VSIManagerID, tlvs: [VSITLV])] = []

    init(timers: OperationalTimers = OperationalTimers()) { self.timers = timers }

    /// One like lldpad's.
    static func lldpad(rte: UInt8 = 8) -> FakeBridge {
        let bridge = FakeBridge(timers: OperationalTimers(rte: rte))
        bridge.echo = .lldpad
        bridge.grouping = .each
        bridge.isLLDPad = true
        return bridge
    }

    /// VSIs that it holds, by the command.
    func holds(_ command: VDPCommand) -> Int { entries.values.count { $0.tlv.command == command } }

    // MARK: What happens to it

    func setLink(up: Bool, at now: Instant) {
        isLinkUp = up
        resetECP()
        entries = [:]
        stationTLV = nil
        nextLLDP = up ? now : nil
        nextAgeing = up ? now + .milliseconds(500) : nil
    }

    /// Forgets everything and begins anew, without a word.
    func restart(at now: Instant) { setLink(up: true, at: now) }

    /// Lets its TLV be sent at once, because its settings were changed.
    func announce(at now: Instant) { nextLLDP = now }

    func sendShutdown() {
        sendLLDP(timeToLive: 0)
        nextLLDP = nil
    }

    /// De-associates a VSI on its own.
    func deassociate(_ vsiID: VSIID, at now: Instant) {
        guard var entry = entries.removeValue(forKey: vsiID) else { return }
        entry.tlv.command = .deAssociate
        entry.tlv.status = []
        send(entry.manager, [entry.tlv], at: now)
    }

    private func resetECP() {
        (queue, queueHead, current, lastSequence, buffer, parsesAt, delayed) = ([], 0, nil, nil, nil, [], [])
        sequence = 0
    }

    // MARK: EVB

    private var tlv: EVBTLV {
        let received = echoesNothing ? nil : stationTLV
        var status = status
        if received?.stationStatus.reflectiveRelayRequest == true, status.contains(.reflectiveRelayCapable) {
            status.insert(.reflectiveRelayControl)
        }
        func exponent(_ own: UInt8, _ other: NegotiatedExponent?) -> NegotiatedExponent {
            guard let other else { return NegotiatedExponent(own, isRemote: false) }
            switch echo {
            case .standard:
                let proposal = other.isRemote ? 0 : other.exponent
                return NegotiatedExponent(max(own, proposal), isRemote: proposal > own)
            case .lldpad: return NegotiatedExponent(max(own, other.exponent), isRemote: other.exponent >= own)
            }
        }
        let isEcho = echo == .lldpad
        return EVBTLV(
            bridgeStatus: status,
            stationStatus: received?.stationStatus
                ?? StationStatus(groupIDs: false, reflectiveRelayRequest: false, reflectiveRelayStatus: .off),
            retries: isEcho ? operational.retries : timers.retries,
            retransmissionExponent: isEcho ? operational.retransmissionExponent : timers.retransmissionExponent,
            mode: mode, resourceWaitDelay: exponent(timers.resourceWaitDelayExponent, received?.resourceWaitDelay),
            reinitKeepAlive: exponent(
                timers.reinitKeepAliveExponent, keepsOwnKeepAlive ? nil : received?.reinitKeepAlive))
    }

    var operational: OperationalTimers {
        guard let other = stationTLV else { return timers }
        return OperationalTimers(
            retries: max(timers.retries, other.retries),
            rte: max(timers.retransmissionExponent, other.retransmissionExponent),
            rwd: max(timers.resourceWaitDelayExponent, other.resourceWaitDelay.exponent),
            rka: keepsOwnKeepAlive
                ? timers.reinitKeepAliveExponent : max(timers.reinitKeepAliveExponent, other.reinitKeepAlive.exponent))
    }

    var lldpdu: LLDPDU {
        LLDPDU(
            chassisID: .chassis(chassis ?? address),
            portID: LLDPIdentifier(subtype: LLDPIdentifier.portInterfaceName, octets: Array(portName.utf8)),
            timeToLive: timeToLive, optional: sendsTLV ? [.evb(tlv)] : [])
    }

    private func sendLLDP(timeToLive: UInt16) {
        var lldpdu = lldpdu
        if timeToLive == 0 { lldpdu = LLDPDU(chassisID: lldpdu.chassisID, portID: lldpdu.portID, timeToLive: 0) }
        if timeToLive > 0, tlv != saidTLV {
            tlvChanges += 1
            saidTLV = tlv
        }
        transmit(.lldp(lldpdu))
    }

    private func transmit(_ payload: Frame.Payload) {
        outbox.append(Frame(destination: .nearestCustomerBridge, source: address, payload: payload))
    }

    // MARK: Receiving

    func receive(_ octets: [UInt8], at now: Instant) {
        guard isAlive, isLinkUp, let frame = try? Frame(decoding: octets) else { return }
        switch frame.payload {
        case .lldp(let lldpdu):
            guard hearsLLDP else { return }
            stationTLV = lldpdu.evbTLVs.first
            if tlv != saidTLV, let next = nextLLDP { nextLLDP = min(next, now + .milliseconds(1)) }
        case .ecp(let ecpdu) where ecpdu.operation == .acknowledgement: acknowledged(ecpdu, at: now)
        case .ecp(let ecpdu):
            guard sendsAcks else { return }
            transmit(.ecp(ecpdu.acknowledgement))
            guard ecpdu.sequence != lastSequence else { return }
            lastSequence = ecpdu.sequence
            pdusHeard += 1
            if isLLDPad {
                buffer = ecpdu.payload
                let after = now + parseDelay()
                parsesAt.append(max(after, parsesAt.last ?? after))
            } else {
                process(ecpdu.payload, at: now)
            }
        case .draftECP: break
        }
    }

    private func process(_ payload: [UInt8], at now: Instant) {
        guard let pdu = (try? VDPDU.decode(payload))?.pdu else { return }
        let tlvs = grouping == .firstOnly ? Array(pdu.associations.prefix(1)) : pdu.associations
        if keepsHeard { heard.append((now, pdu.managerID, pdu.associations)) }
        var answers: [VSITLV] = []
        for tlv in tlvs {
            let decision = policy(tlv)
            guard let answer = answer(tlv, decision.verdict, pdu.managerID, at: now) else { continue }
            if decision.after.nanoseconds > 0 {
                delayed.append((now + decision.after, pdu.managerID, [answer]))
            } else {
                answers.append(answer)
            }
        }
        switch grouping {
        case .each: for answer in answers { send(pdu.managerID, [answer], at: now) }
        case .together, .firstOnly: if !answers.isEmpty { send(pdu.managerID, answers, at: now) }
        }
    }

    private func answer(_ request: VSITLV, _ verdict: Verdict, _ manager: VSIManagerID, at now: Instant) -> VSITLV? {
        var answer = request
        answer.organizational = []
        answer.status = .answer(.success)
        switch verdict {
        case .silence: return nil
        case .refuse(let reason, let flags):
            answer.status = .answer(reason, flags)
            if !flags.contains(.keep) { entries[request.vsiID] = nil }
        case .deassociate:
            answer.command = .deAssociate
            entries[request.vsiID] = nil
        case .grant(let filter):
            if request.command == .deAssociate {
                entries[request.vsiID] = nil
            } else {
                if let filter { answer.filter = filter }
                entries[request.vsiID] = Entry(tlv: answer, manager: manager, until: now + operational.keepAliveTimeout)
            }
        }
        return answer
    }

    // MARK: Sending

    /// Sends TLVs of its own choice.
    func send(_ manager: VSIManagerID, _ tlvs: [VSITLV], at now: Instant) {
        queue.append(VDPDU(managerID: manager, associations: tlvs).encoded())
        pump(at: now)
    }

    private func pump(at now: Instant) {
        guard current == nil, queueHead < queue.count else { return }
        sequence &+= 1
        let ecpdu = ECPDU(operation: .request, sequence: sequence, payload: queue[queueHead])
        queueHead += 1
        if queueHead == queue.count { (queue, queueHead) = ([], 0) }
        current = (ecpdu, 1, now + operational.ackTimer, false)
        transmit(.ecp(ecpdu))
    }

    private func acknowledged(_ ecpdu: ECPDU, at now: Instant) {
        guard ecpdu.sequence == current?.ecpdu.sequence else { return }
        if isLLDPad {
            current?.isAcked = true
        } else {
            current = nil
            pump(at: now)
        }
    }

    private func ackTimerExpired(at now: Instant) {
        guard let sent = current else { return }
        if sent.isAcked || sent.count > Int(operational.retries) {
            current = nil
            pump(at: now)
        } else {
            current = (sent.ecpdu, sent.count + 1, now + operational.ackTimer, false)
            transmit(.ecp(sent.ecpdu))
        }
    }

    // MARK: Time

    var nextDeadline: Instant? {
        guard isAlive, isLinkUp else { return nil }
        var next = current?.until
        for deadline in [nextLLDP, nextAgeing, parsesAt.first] {
            if let deadline { next = min(next ?? deadline, deadline) }
        }
        for answer in delayed { next = min(next ?? answer.at, answer.at) }
        return next
    }

    func advance(to now: Instant) {
        guard isAlive, isLinkUp else { return }
        while let next = parsesAt.first, next <= now, let payload = buffer {
            parsesAt.removeFirst()
            process(payload, at: now)
        }
        let due = delayed.filter { $0.at <= now }
        delayed.removeAll { $0.at <= now }
        for answer in due { send(answer.manager, answer.tlvs, at: now) }
        if let current, current.until <= now { ackTimerExpired(at: now) }
        if let next = nextLLDP, next <= now {
            nextLLDP = now + .seconds(30)
            sendLLDP(timeToLive: timeToLive)
        }
        if let next = nextAgeing, next <= now {
            nextAgeing = now + .milliseconds(500)
            if agesVSIs { age(at: now) }
        }
    }

    private func age(at now: Instant) {
        for (vsiID, entry) in entries where entry.until <= now {
            agedCount += 1
            deassociate(vsiID, at: now)
        }
    }
}
