internal import BridgeDataplane
internal import EVBLog
internal import EVBModel
internal import EVBPorts
package import EVBProtocol
internal import EVBSettings
internal import EVBTime
package import EVBWire
internal import Logging

extension BridgePortController {
    /// Carries one effect out.
    package func carryOut(_ effect: BridgeEffect) {
        switch effect {
        case .transmit(let frame): send(frame)
        case .decide(let ticket, let request): decide(ticket, request)
        case .cancel(let ticket): decisions.cancelled(ticket)
        case .vsi(.bound(let vsiID, let grant)): bound(vsiID, grant)
        case .vsi(.released(let vsiID, let release)): released(vsiID, release)
        case .vsi(.departed(let vsiID, let filter)):
            seat.departed(vsiID, filter)
        case .reflectiveRelay(let isOn): reflect(isOn)
        case .station(let change): tell(change)
        case .timers(let timers):
            if port.station != nil { seat.heard(isFound: false, keepAlive: port.snapshot.keepAliveTimeout) }
            log(
                .info, "timers agreed",
                [
                    "R": "\(timers.retries)", "RTE": "\(timers.retransmissionExponent)",
                    "RWD": "\(timers.resourceWaitDelayExponent)", "RKA": "\(timers.reinitKeepAliveExponent)",
                ])
        case .notice(.limitReached(let limit)):
            warn(
                "VSIs are refused (insufficient resources): there are \(transport.surroundings.resources.words(limit)); "
                    + ResourcePool.remedy(limit), alert: .vsiRefused)
        case .notice: watch.settle()
        }
    }

    package func send(_ frame: Frame) {
        guard var frame = mischief.send(frame) else { return }
        if !configuration.evb.transmit, case .lldp(var lldpdu) = frame.payload {
            lldpdu.optional.removeAll { tlv in
                switch tlv {
                case .evb, .draftEVB: true
                default: false
                }
            }
            frame.payload = .lldp(lldpdu)
        }
        transport.send(frame)
    }

    // MARK: VSIs

    private func decide(_ ticket: DecisionTicket, _ request: BridgeRequest) {
        decisions.asked(ticket, request.vsiID)
        guard case .moved(let holder, let isNews) = seat.judge(request) else {
            return ask(ticket, request)
        }
        if isNews { tellContest(over: request.vsiID, with: holder) }
        take(
            .refuse(
                Refusal(reason: .invalidFilter, isHard: false, isKept: true), because: "it is associated on \(holder)"),
            on: request, ticket)
    }

    private func ask(_ ticket: DecisionTicket, _ request: BridgeRequest) {
        // Strongly: a port that is given up takes back what is granted too late.
        var isLater = false
        seat.decide(request) { [self] decision in
            let began = now
            take(decision, on: request, ticket)
            // What is done at once is paid for by who carries the effect out.
            if isLater { transport.share.spend(now.since(began), at: now) }
        }
        isLater = true
    }

    /// Two stations keep one VSI alive: one of them is not what it claims to be, or a machine runs twice.
    private func tellContest(over vsiID: VSIID, with holder: String) {
        let text =
            "VSI \(vsiID) is associated on \(holder), and the station here keeps asking for it: \(VSIPlaces.Contest.remedy)"
        log(.warning, text, logFacts(vsiID), alert: .vsiRefused)
        onNews?(PortNews(kind: .notice, vsiID: vsiID, message: text))
    }

    private func take(_ decision: AdmissionDecision, on request: BridgeRequest, _ ticket: DecisionTicket) {
        let vsiID = request.vsiID
        var isGranted = false
        // The port may have given it up, and its cancellation may still wait to be carried out.
        if decisions.made(ticket), port.awaits(ticket) {
            let verdict = judge(ticket, mischief.judge(decision.decision, on: request))
            note(request)
            if case .refuse(let refusal) = verdict {
                tellRefusal(request, refusal, decision)
            } else {
                isGranted = true
            }
            decided(ticket, verdict)
            if case .refuse(let refusal) = verdict {
                note(request.vsiID, refusal, isKept: refusal.isKept && request.holding != nil)
            }
        }
        var isForNobody = false
        if case .grant = decision { isForNobody = !isGranted }
        guard decisions.settled(vsiID, isForNobody: isForNobody) else { return }
        // What was granted to nobody may be in force.
        if let vsi = port.vsi(vsiID), let grant = vsi.grant, let held = vsi.request {
            seat.bind(vsiID, grant, request: held)
        } else {
            seat.withdraw(vsiID)
        }
    }

    private func bound(_ vsiID: VSIID, _ grant: BridgeGrant) {
        // It may have been released since, which follows.
        guard let request = port.vsi(vsiID)?.request else { return }
        seat.bind(vsiID, grant, request: request)
        let state = EVBModel.VSIState(grant.command)
        bound[vsiID] = BoundVSI(request)
        note(vsiID, .granted, detail: grant.command.words)
        let facts = { [self] in
            var facts = self.facts(vsiID)
            if let type = seat.typeName(of: vsiID) { facts.set("type-name", type) }
            return facts
        }
        transport.changes.log(
            state == .associated ? .associated : .preassociated, "VSI \(state.rawValue)", vsiID, reason: nil, facts())
        tell(vsiID, state, nil, "VSI \(vsiID) is \(state.rawValue)")
        // Where it was before it ends after it is here, in the log and for who watches too.
        seat.bound(vsiID, grant.command)
    }

    private func released(_ vsiID: VSIID, _ release: VDPBridgeMachine.Release) {
        // What it holds as evbd stops it is to hold for the next evbd.
        if life != .stopping { seat.released(vsiID) }
        let (code, words) = reason(release)
        logRelease(vsiID, release, words)
        tell(vsiID, .deassociated, code, "VSI \(vsiID) is deassociated: \(words)")
        note(vsiID, .released, detail: words, isGone: port.vsi(vsiID)?.grant == nil)
    }

    private func tell(_ vsiID: VSIID, _ state: EVBModel.VSIState, _ reason: String?, _ message: String) {
        let former = told[vsiID] ?? .deassociated
        told[vsiID] = state == .deassociated ? nil : state
        onNews?(
            PortNews(
                kind: .vsi, vsiID: vsiID, from: former.rawValue, to: state.rawValue, reason: reason, message: message))
    }

    private func tellRefusal(_ request: BridgeRequest, _ refusal: Refusal, _ decision: AdmissionDecision) {
        let reason = EVBModel.VSIReason(EVBProtocol.VSIReason(refusal.reason)).rawValue
        let isKept = refusal.isKept && request.holding != nil
        let facts = { [self] in
            var facts = VSIFacts(request, who: stationWords).facts
            facts.set("hard", "\(refusal.isHard)")
            facts.set("kept", "\(isKept)")
            // Otherwise the port has refused what was granted: there is no room, or it does wrong on purpose.
            if case .refuse(refusal, let cause) = decision { facts.set("cause", "\(cause)") }
            return facts
        }
        transport.changes.log(.refused, "VSI refused", request.vsiID, reason: reason, facts())
        let state = (isKept ? told[request.vsiID] : nil) ?? .deassociated
        onNews?(
            PortNews(
                kind: .vsi, vsiID: request.vsiID, from: "pending", to: state.rawValue, reason: reason,
                message: "a request for VSI \(request.vsiID) was refused: \(reason)"))
    }

    /// Why a VSI was released, for programs and for people.
    private func reason(_ release: VDPBridgeMachine.Release) -> (code: String?, words: String) {
        switch release {
        case .station: (nil, "the station de-associated it")
        case .refused(let refusal):
            (
                EVBModel.VSIReason(EVBProtocol.VSIReason(refusal.reason)).rawValue,
                "a change of it was refused (reason \(refusal.reason.rawValue))"
            )
        case .keepAliveTimeout: ("timeout", "the station sent no keep-alive")
        case .retracted: ("bridge-deassociated", "it was de-associated at this end")
        case .moved: ("moved", "it is associated on \(destination ?? "another port") now")
        case .stationLost: ("station-lost", "the station was lost")
        }
    }

    // MARK: The station

    private func reflect(_ isOn: Bool) {
        flag.want(isOn)
        log(.notice, "reflective relay \(isOn ? "on" : "off")")
        onNews?(
            PortNews(
                kind: .reflectiveRelay, from: isOn ? "refused" : "granted", to: isOn ? "granted" : "refused",
                message: "reflective relay is \(isOn ? "on" : "off")"))
    }

    private func tell(_ change: PeerChange) {
        let news: PortNews
        switch change {
        case .found(let station):
            seat.heard(isFound: true, keepAlive: port.snapshot.keepAliveTimeout)
            let chassis = station.chassisID.text(isChassis: true)
            transport.changes.begin("EVB station found", expecting: transport.changes.lastLost, isReturn: true)
            log(
                .notice, "EVB station found",
                ["chassis": "\(chassis)", "station port": "\(station.portID.text(isChassis: false))"])
            news = PortNews(kind: .peer, to: chassis, message: "EVB station \(chassis) is heard")
        case .lost(let loss):
            forgetHeld()
            // A station that is found at once in the other dialect asks again for what it had.
            if life != .stopping, loss != .dialectChanged { seat.lost() }
            let reason = life == .running ? loss.text(of: .station) : "the port was removed"
            log(
                life == .running ? .warning : .notice, "EVB station lost", ["reason": "\(reason)"],
                alert: life == .running ? .peerLost : nil)
            news = PortNews(kind: .peer, reason: reason, message: "the EVB station is lost: \(reason)")
        }
        onNews?(news)
    }
}

extension EVBModel.VSIState {
    /// The state of a VSI for which a command holds.
    package init(_ command: VDPCommand) {
        self =
            switch command {
            case .preAssociate: .preassociated
            case .preAssociateWithReservation: .preassociatedRR
            case .associate: .associated
            case .deAssociate: .deassociated
            }
    }
}
