internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBWire
internal import EdgeRelays

// What happens to the port's VSIs, for their history.

extension StationPortController {
    /// Tells of something that happened to a VSI.
    func note(
        _ vsiID: VSIID, _ kind: VSIHistoryEvent.Kind, reason: EVBModel.VSIReason? = nil, detail: String? = nil,
        isGone: Bool = false
    ) {
        transport.surroundings.record(
            VSIRecord(port: name, vsiID: vsiID, kind: kind, reason: reason, detail: detail, isGone: isGone))
    }

    /// Tells that VSIs of the run before are wanted again, all of them but some.
    func noteRestored(_ stored: [StoredVSI], but others: Set<VSIID>) {
        let name = name
        transport.surroundings.recordAll(
            VSIRecords(count: stored.count) { place in
                let vsi = stored[place]
                guard !others.contains(vsi.request.vsiID) else { return nil }
                return VSIRecord(
                    port: name, vsiID: vsi.request.vsiID, kind: .restored,
                    detail: vsi.request.words + ", for " + vsi.owner.words)
            })
    }

    /// Tells what the exchanges about VSIs came to; `loss` is why the bridge is lost, where that is what happened.
    func note(_ trail: [VSITrailEntry], loss: PeerLoss?) {
        for entry in trail {
            let vsiID = entry.vsiID
            switch entry.step {
            case .asked(let command): note(vsiID, .asked, detail: command.words)
            case .askedAgain(let command): note(vsiID, .askedAgain, detail: command.words)
            case .granted(let command): note(vsiID, .granted, detail: command.words)
            case .refused(let refusal):
                let kind: VSIHistoryEvent.Kind =
                    refusal.isKept ? .refusedKept : refusal.isHard ? .refusedHard : .refused
                note(vsiID, kind, reason: EVBModel.VSIReason(EVBProtocol.VSIReason(refusal.reason)))
            case .unanswered(let isAcknowledged):
                note(vsiID, isAcknowledged ? .unanswered : .unacknowledged, reason: .timeout)
            case .unaskable: note(vsiID, .unaskable)
            case .mismatched: note(vsiID, .mismatched)
            case .takenBack: note(vsiID, .takenBack, reason: .bridgeDeassociated)
            case .changedByBridge(let command): note(vsiID, .takenBack, detail: "it is bound to \(command.words) now")
            case .overloaded: note(vsiID, .unaskable, reason: .bridgeOverloaded)
            case .lost: note(vsiID, .lost, reason: .bridgeLost, detail: loss?.text(of: .bridge))
            case .noBridge: note(vsiID, .waiting, reason: .bridgeLost)
            case .released: note(vsiID, .released)
            case .forgotten: note(vsiID, .ended)
            case .drained: note(vsiID, .note, detail: "the port is drained by \(drain?.by ?? "")")
            case .drainEnded: note(vsiID, .note, detail: "the drain of the port has ended")
            }
        }
    }

    /// The link of a VSI that is not associated any more is set down.
    func noteCut(_ vsiID: VSIID) {
        if let link = relay.link(of: vsiID) { note(vsiID, .linkCut, detail: link.name) }
    }
}

extension RequestOwner {
    /// Who that is, where nothing more is known of it.
    var words: String {
        switch self {
        case .control: "a client of the control socket"
        case .probe: "evbctl probe"
        case .libvirt(let eventPort): "libvirt (netlink port \(eventPort))"
        case .tap(let source): "\(source)"
        }
    }
}

extension EVBProtocol.VSIRequest {
    /// What is wanted, on one line, behind who wants it.
    func words(of asker: String) -> String {
        var text = TextBuilder(reserving: 128)
        text.add(asker)
        text.add(": ")
        add(to: &text)
        return text.text
    }

    /// What is wanted, on one line.
    var words: String {
        var text = TextBuilder(reserving: 96)
        add(to: &text)
        return text.text
    }

    private func add(to text: inout TextBuilder) {
        text.add(target.command.words)
        text.add(", type ")
        text.add(Int(typeID))
        text.add(" v")
        text.add(Int(typeVersion))
        text.add(", ")
        if let first = filter.entries.first {
            if let address = first.macAddress {
                text.add("mac=")
                text.add(address.description)
                text.add(",")
            }
            text.add("vlan=")
            text.add(Int(first.vid))
            if let group = first.groupID {
                text.add(",group=")
                text.add(Int(group))
            }
        }
        if filter.entries.count > 1 { text.add(" and \(filter.entries.count - 1) more") }
    }
}

extension [StationEffect] {
    /// Why the bridge is lost; nil if it is not.
    var loss: PeerLoss? {
        for case .peer(.lost(let loss)) in self { return loss }
        return nil
    }
}
