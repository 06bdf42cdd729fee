internal import EVBTime
internal import EVBWire

extension VDPStation.VSI {
    /// The most that the bridge may hold of it: what it has granted, or what is on its way there. Nothing once a
    /// De-Associate has left.
    var heldCommand: VDPCommand? {
        guard case .processing(let command) = machine.state, case .response = wait else { return machine.operCommand }
        guard command != .deAssociate else { return nil }
        guard let oper = machine.operCommand, oper.rawValue > command.rawValue else { return command }
        return oper
    }

    /// The state that managers are told.
    var state: VSIState { Self.state(of: machine, interest, isOpen: openRequest != nil) }

    static func state(of machine: VDPStationMachine, _ interest: VDPStation.Interest, isOpen: Bool) -> VSIState {
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
        case .initial where isOpen: return .pending
        case .initial, .waitSystemCommand, .transmitKeepAlive, .transmitDeassociate: return .deassociated
        }
    }

    mutating func change(_ body: (inout Self) -> Void) { body(&self) }

    /// Gives an event to the machine.
    mutating func handle(_ event: VDPStationMachine.Event) -> VDPStationMachine.Action {
        let action = machine.handle(event)
        // A De-Associate still names what had been granted.
        if machine.operCommand == nil, machine.state != .transmitDeassociate { bound = nil }
        return action
    }

    /// The command that is under way, or else the one in force.
    private var command: VDPCommand? {
        switch machine.state {
        case .processing(let command): command
        case .transmitDeassociate: .deAssociate
        case .initial, .waitSystemCommand, .transmitKeepAlive: machine.operCommand
        }
    }

    var snapshot: StationVSISnapshot {
        StationVSISnapshot(
            request: request, state: state, reason: reason,
            filter: machine.operCommand == nil ? request.filter : bound?.filter ?? request.filter,
            isWithdrawn: interest == .withdrawn, createdAt: createdAt, command: command,
            operCommand: machine.operCommand,
            answer: answer, counters: counters)
    }
}
