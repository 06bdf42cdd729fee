public import EVBWire

/// The station's VDP machine of one VSI (802.1Q 41.5, station role).
///
/// A pure transition function: an event goes in, and what is to be done comes out as a value. Filters, timers and frames
/// are its owner's, ``VDPStation``.
public struct VDPStationMachine: Hashable, Sendable {
    /// The states, by the standard's names.
    public enum State: Hashable, Sendable {
        /// INIT: nothing is bound, nothing is under way.
        case initial
        /// STATION_PROCESSING: the command has been given and waits for its answer.
        case processing(VDPCommand)
        /// WAIT_SYSTEM_CMD: bound; waits for a command or for the time of a keep-alive.
        case waitSystemCommand
        /// TRANSMIT_KEEPALIVE: the bound command has been repeated and waits for its answer.
        case transmitKeepAlive
        /// TRANSMIT_DEASSOC: bridge and station disagree; the bridge is told to forget the VSI.
        case transmitDeassociate
    }

    /// What can happen to a VSI.
    public enum Event: Hashable, Sendable {
        /// The manager gives a command, or the same with changed attributes.
        case command(VDPCommand)
        /// The bridge grants a command.
        case granted(VDPCommand)
        /// The bridge refuses a command.
        case refused(VDPCommand, Refusal)
        /// The bridge grants something else than was asked for.
        case mismatched(VDPCommand)
        /// The bridge de-associates on its own, or answers another command with a De-Associate.
        case bridgeDeassociate
        /// waitWhile ran out in WAIT_SYSTEM_CMD.
        case keepAliveDue
        /// waitWhile ran out while an answer was awaited, or ECP could not get the request across.
        case responseTimeout
        /// The bridge's EVB TLV is gone, or the link is.
        case peerLost
    }

    /// What to do about it.
    public struct Action: Hashable, Sendable {
        /// A command to send; the answer is then awaited for respWaitDelay.
        public var send: VDPCommand?
        /// Whether the time of the next keep-alive starts to run.
        public var startKeepAlive = false
        /// What has come to an end, for whoever gave the command.
        public var outcome: Outcome?

        init(send: VDPCommand? = nil, startKeepAlive: Bool = false, outcome: Outcome? = nil) {
            self.send = send
            self.startKeepAlive = startKeepAlive
            self.outcome = outcome
        }

        /// Nothing to do.
        public static let none = Action()
    }

    /// What a VSI's manager is to learn.
    public enum Outcome: Hashable, Sendable {
        case bound(VDPCommand)
        case refused(Refusal)
        case mismatched
        case bridgeDeassociated
        case timedOut
        case peerLost
        /// De-associated as commanded.
        case released
    }

    public private(set) var state = State.initial
    /// operCmd: the command that the bridge granted last and has not taken back; nil is vsiState DEASSOC.
    public private(set) var operCommand: VDPCommand?

    /// Starts in INIT.
    public init() {}

    /// Takes an event.
    ///
    /// - Returns: what to do. An event that means nothing in the present state changes nothing.
    public mutating func handle(_ event: Event) -> Action {
        switch (state, event) {
        case (.initial, .command(.deAssociate)): return Action(outcome: .released)
        case (.transmitDeassociate, .command(.deAssociate)), (.processing(.deAssociate), .command(.deAssociate)):
            return .none
        case (_, .command(let command)): return process(command)
        case (.initial, _): return .none
        case (_, .peerLost): return end(.peerLost)
        case (.processing(.deAssociate), _): return handleWhileReleasing(event)
        case (.processing(let command), _): return handle(event, processing: command)
        case (.waitSystemCommand, _): return handleWhileBound(event)
        case (.transmitKeepAlive, _): return handleKeepAlive(event)
        case (.transmitDeassociate, _): return handleDisagreement(event)
        }
    }

    private mutating func process(_ command: VDPCommand) -> Action {
        // What is being released is not bound any more, whatever becomes of the newer command.
        if state == .processing(.deAssociate) { operCommand = nil }
        state = .processing(command)
        return Action(send: command)
    }

    private mutating func handleWhileReleasing(_ event: Event) -> Action {
        switch event {
        case .granted(.deAssociate), .refused(.deAssociate, _), .mismatched(.deAssociate), .bridgeDeassociate,
            .responseTimeout:
            // Whatever the bridge says, or does not say: the VSI's traffic is off already.
            return end(.released)
        case .granted, .refused, .mismatched, .keepAliveDue, .command, .peerLost: return .none
        }
    }

    private mutating func handle(_ event: Event, processing command: VDPCommand) -> Action {
        switch event {
        case .granted(command):
            operCommand = command
            state = .waitSystemCommand
            return Action(startKeepAlive: true, outcome: .bound(command))
        case .refused(command, let refusal): return refused(refusal)
        case .mismatched(command): return disagree(.mismatched)
        case .bridgeDeassociate: return end(.bridgeDeassociated)
        case .responseTimeout: return end(.timedOut)
        // The answer to a command that another one has overtaken.
        case .granted, .refused, .mismatched: return .none
        case .keepAliveDue, .command, .peerLost: return .none
        }
    }

    private mutating func refused(_ refusal: Refusal) -> Action {
        // Keep returns to what was; where nothing was, there is nothing to keep.
        guard refusal.isKept, operCommand != nil else {
            return end(.refused(Refusal(reason: refusal.reason, isHard: refusal.isHard, isKept: false)))
        }
        state = .waitSystemCommand
        return Action(startKeepAlive: true, outcome: .refused(refusal))
    }

    private mutating func handleWhileBound(_ event: Event) -> Action {
        switch event {
        case .keepAliveDue:
            state = .transmitKeepAlive
            return Action(send: operCommand)
        case .bridgeDeassociate: return end(.bridgeDeassociated)
        // Answers that nobody waits for, such as a second one.
        case .granted, .refused, .mismatched, .responseTimeout, .command, .peerLost: return .none
        }
    }

    private mutating func handleKeepAlive(_ event: Event) -> Action {
        switch event {
        case .granted(let command) where command == operCommand:
            state = .waitSystemCommand
            return Action(startKeepAlive: true)
        case .refused(let command, let refusal) where command == operCommand:
            if refusal.isKept, command == .associate {
                return disagree(.refused(Refusal(reason: refusal.reason, isHard: refusal.isHard, isKept: false)))
            }
            return refused(refusal)
        case .mismatched(let command) where command == operCommand: return disagree(.mismatched)
        case .bridgeDeassociate: return end(.bridgeDeassociated)
        case .responseTimeout: return end(.timedOut)
        case .granted, .refused, .mismatched, .keepAliveDue, .command, .peerLost: return .none
        }
    }

    private mutating func handleDisagreement(_ event: Event) -> Action {
        switch event {
        case .granted(.deAssociate), .refused(.deAssociate, _), .mismatched(.deAssociate), .bridgeDeassociate,
            .responseTimeout:
            // The outcome was told when the disagreement was found.
            return end(nil)
        case .granted, .refused, .mismatched, .keepAliveDue, .command, .peerLost: return .none
        }
    }

    private mutating func disagree(_ outcome: Outcome) -> Action {
        operCommand = nil
        state = .transmitDeassociate
        return Action(send: .deAssociate, outcome: outcome)
    }

    private mutating func end(_ outcome: Outcome?) -> Action {
        operCommand = nil
        state = .initial
        return Action(outcome: outcome)
    }
}
