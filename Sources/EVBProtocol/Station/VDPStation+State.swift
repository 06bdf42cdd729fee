internal import EVBTime
internal import EVBWire

extension VDPStation.VSI {
    /// The most that the bridge may hold of it: what it has granted, or what is on its way there. Nothing once a
    /// De-Associate has left.
    var heldCommand: VDPCommand? {
        guard case .processing(let command) = record.machine.state, case .response = wait else {
            return record.machine.operCommand
        }
        guard command != .deAssociate else { return nil }
        guard let oper = record.machine.operCommand, oper.rawValue > command.rawValue else { return command }
        return oper
    }
}

extension VDPStation.Record {
    /// The state that managers are told.
    var state: VSIState {
        @inline(__always) get {
            // What is being released does not count as bound any more, for whichever reason.
            if machine.state == .processing(.deAssociate) || interest == .withdrawn && machine.state != .initial {
                return .pending
            }
            switch machine.operCommand {
            case .associate: return .associated
            case .preAssociateWithReservation: return .preassociatedWithReservation
            case .preAssociate: return .preassociated
            case .deAssociate, nil: break
            }
            switch machine.state {
            case .processing: return .pending
            case .initial where openRequest != nil: return .pending
            case .initial, .waitSystemCommand, .transmitKeepAlive, .transmitDeassociate: return .deassociated
            }
        }
    }

    /// The command that is under way, or else the one in force.
    fileprivate var command: VDPCommand? {
        switch machine.state {
        case .processing(let command): command
        case .transmitDeassociate: .deAssociate
        case .initial, .waitSystemCommand, .transmitKeepAlive: machine.operCommand
        }
    }
}

extension VDPStation {
    /// The VSI in a slot as it stands, also where it does not know of a loss yet.
    func snapshot(_ slot: Int) -> StationVSISnapshot? {
        guard let vsi = seen(slot), let wanted = self.wanted(slot) else { return nil }
        let operCommand = vsi.machine.operCommand
        return StationVSISnapshot(
            request: wanted.request(vsi.vsiID), state: vsi.state, reason: vsi.reason,
            filter: operCommand == nil ? wanted.filter : granted(slot)?.filter ?? wanted.filter,
            isWithdrawn: vsi.interest == .withdrawn, createdAt: vsi.createdAt, command: vsi.command,
            operCommand: operCommand, answer: vsi.answer, counters: vsi.counters)
    }

    /// The VSI of that name as it stands.
    func snapshot(of vsiID: VSIID) -> StationVSISnapshot? {
        guard let slot = slot(of: vsiID) else { return nil }
        return snapshot(slot)
    }

    /// How the VSI of that name stands, of which ``snapshot(of:)`` says all.
    func standing(of vsiID: VSIID) -> StationVSIStanding? {
        guard let slot = slot(of: vsiID), let vsi = seen(slot) else { return nil }
        return StationVSIStanding(state: vsi.state, isWithdrawn: vsi.interest == .withdrawn)
    }

    /// Filter entries that a VSI asks for or holds, whichever are more.
    func filterEntries(_ slot: Int) -> Int {
        max(wanted(slot)?.filter.entries.count ?? 0, granted(slot)?.filter.entries.count ?? 0)
    }

    /// What the TLV to be sent of a VSI speaks for: what is granted where it is kept alive or released, else what is wanted.
    @inline(__always) func carried(_ slot: Int) -> Terms? {
        switch slots[slot].machine.state {
        case .processing(.deAssociate), .transmitKeepAlive, .waitSystemCommand, .transmitDeassociate:
            granted(slot) ?? wanted(slot)
        case .initial, .processing: wanted(slot)
        }
    }
}
