public import EVBWire

/// The bridge's VDP machine of one VSI (802.1Q 41.5, bridge role).
///
/// A pure transition function: an event goes in, and what is to be done comes out as a value. Requests, filters, timers and
/// frames are its owner's, ``VDPBridge``.
public struct VDPBridgeMachine: Hashable, Sendable {
    /// The states, by the standard's names. END is INIT: its owner then forgets the VSI.
    public enum State: Hashable, Sendable {
        /// INIT: nothing is granted, nothing is under way.
        case initial
        /// BRIDGE_PROCESSING: the command has been put before whoever decides; resourceWaitDelay runs.
        case processing(VDPCommand)
        /// WAIT_STATION_CMD: granted; waits for the station, toutKeepAlive runs.
        case waitStationCommand
    }

    /// What can happen to a VSI.
    public enum Event: Hashable, Sendable {
        /// The station gives a command that is new here, or one with changed attributes.
        case command(VDPCommand)
        /// The station repeats, attributes and all, the command that is under way or else the one that holds.
        case repeated(VDPCommand)
        /// The station gives a command that cannot be meant as it stands: refused without asking anybody. `isHard` tells that
        /// it never will be.
        case invalid(VDPCommand, VDPReason, isHard: Bool)
        /// The command under way is granted.
        case granted
        /// The command under way is refused.
        case refused(Refusal)
        /// waitWhile ran out in BRIDGE_PROCESSING.
        case resourceWaitOver
        /// waitWhile ran out in WAIT_STATION_CMD.
        case keepAliveTimeout
        /// An operator takes the VSI back.
        case retracted
        /// The VSI is associated on another port of the bridge now.
        case moved
        /// The station's EVB TLV is gone, or the link is.
        case stationLost
    }

    /// What to do about it.
    public struct Action: Hashable, Sendable {
        /// What the station is to be told.
        public var answer: Answer?
        /// A command to be decided on; resourceWaitDelay starts to run.
        public var decide: VDPCommand?
        /// Nobody needs to decide on the command under way any longer.
        public var cancel = false
        /// Whether toutKeepAlive starts to run.
        public var startKeepAlive = false
        /// What holds from now on.
        public var bind: VDPCommand?
        /// Why what held holds no more.
        public var release: Release?

        init(
            answer: Answer? = nil, decide: VDPCommand? = nil, cancel: Bool = false, startKeepAlive: Bool = false,
            bind: VDPCommand? = nil, release: Release? = nil
        ) {
            self.answer = answer
            self.decide = decide
            self.cancel = cancel
            self.startKeepAlive = startKeepAlive
            self.bind = bind
            self.release = release
        }

        /// Nothing to do.
        public static let none = Action()
    }

    /// What a station is told.
    public enum Answer: Hashable, Sendable {
        /// The command is granted, with the filter that holds.
        case success(VDPCommand)
        case refused(VDPCommand, Refusal)
        /// A De-Associate that nobody asked for.
        case deAssociate
    }

    /// Why a VSI that was granted is released.
    public enum Release: Hashable, Sendable {
        /// The station de-associated it.
        case station
        /// A change was refused, and what was before was not kept.
        case refused(Refusal)
        /// Nothing was heard of it for toutKeepAlive.
        case keepAliveTimeout
        /// An operator took it back.
        case retracted
        /// It is associated on another port of the bridge now. The station is not told: it ends the VSI itself when the machine
        /// has moved, and what it asks in place of that is a new request.
        case moved
        /// The station is gone, or the link is.
        case stationLost
    }

    public private(set) var state = State.initial
    /// operCmd: the command that was granted last and has not been taken back; nil is vsiState DEASSOC.
    public private(set) var operCommand: VDPCommand?
    /// Whether a refusal can tell the station that what it had stays. In the draft none can: whoever is refused there takes
    /// what it had for gone, so that it must be.
    public let canKeep: Bool

    /// Starts in INIT.
    public init(canKeep: Bool = true) { self.canKeep = canKeep }

    /// Takes an event.
    ///
    /// - Returns: what to do. An event that means nothing in the present state changes nothing.
    public mutating func handle(_ event: Event) -> Action {
        switch (state, event) {
        // A De-Associate is never refused, and answered also where nothing is known: the station waits for it.
        case (_, .command(.deAssociate)), (_, .repeated(.deAssociate)), (_, .invalid(.deAssociate, _, _)):
            return end(answer: .success(.deAssociate), release: .station)
        case (_, .command(let command)), (.initial, .repeated(let command)): return process(command)
        case (_, .invalid(let command, let reason, let isHard)):
            return refuse(command, Refusal(reason: reason, isHard: isHard, isKept: true))
        case (.initial, _): return .none
        case (_, .retracted): return end(answer: .deAssociate, release: .retracted)
        case (_, .stationLost): return end(answer: nil, release: .stationLost)
        case (_, .moved): return end(answer: nil, release: .moved)
        case (.processing(let command), _): return handle(event, processing: command)
        case (.waitStationCommand, _): return handleWhileWaiting(event)
        }
    }

    private var isProcessing: Bool {
        if case .processing = state { true } else { false }
    }

    /// Going back from an association is processed too, as 802.1Qcy has it: a station that has lost its memory could not get
    /// through otherwise before toutKeepAlive.
    private mutating func process(_ command: VDPCommand) -> Action {
        defer { state = .processing(command) }
        return Action(decide: command, cancel: isProcessing)
    }

    private mutating func handle(_ event: Event, processing command: VDPCommand) -> Action {
        switch event {
        case .granted:
            operCommand = command
            state = .waitStationCommand
            return Action(answer: .success(command), startKeepAlive: true, bind: command)
        case .refused(let refusal):
            var action = refuse(command, refusal)
            action.cancel = false
            return action
        case .resourceWaitOver:
            // Without Keep, a De-Associate that comes early is no answer either: lldpad's draft does not heed it.
            if operCommand == nil, canKeep { return end(answer: .deAssociate, release: nil) }
            return refuse(command, Refusal(reason: .insufficientResources, isHard: false, isKept: true))
        // Its answer is on the way as soon as it is decided.
        case .repeated: return .none
        case .command, .invalid, .keepAliveTimeout, .retracted, .moved, .stationLost: return .none
        }
    }

    private mutating func handleWhileWaiting(_ event: Event) -> Action {
        switch event {
        case .repeated(let command):
            guard command == operCommand else { return process(command) }
            return Action(answer: .success(command), startKeepAlive: true)
        case .keepAliveTimeout: return end(answer: .deAssociate, release: .keepAliveTimeout)
        // What was decided when it was too late.
        case .granted, .refused: return .none
        case .command, .invalid, .resourceWaitOver, .retracted, .moved, .stationLost: return .none
        }
    }

    /// Keep returns to what was; where nothing was, there is nothing to keep.
    private mutating func refuse(_ command: VDPCommand, _ refusal: Refusal) -> Action {
        let isCancelled = isProcessing
        guard refusal.isKept, canKeep, operCommand != nil else {
            let final = Refusal(reason: refusal.reason, isHard: refusal.isHard, isKept: false)
            return end(answer: .refused(command, final), release: .refused(final))
        }
        state = .waitStationCommand
        return Action(answer: .refused(command, refusal), cancel: isCancelled, startKeepAlive: true)
    }

    private mutating func end(answer: Answer?, release: Release?) -> Action {
        let action = Action(answer: answer, cancel: isProcessing, release: operCommand == nil ? nil : release)
        operCommand = nil
        state = .initial
        return action
    }
}
