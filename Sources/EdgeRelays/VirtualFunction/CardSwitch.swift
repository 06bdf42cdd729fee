internal import Dataplane
internal import EVBLog
internal import EVBSettings
internal import EVBTime
internal import EventLoop
internal import LinuxSystem
internal import Logging
package import Netlink

/// The switch inside of a port's card, which relays between its virtual functions: in the mode of the edge relay while VSIs have functions.
///
/// The mode stays when evbd ends, or the last VSI has given its function back: machines may go on, and a card that went back to relaying by
/// itself would take them from the switch without a word. A card that refuses is not asked again before something has changed.
package final class CardSwitch {
    /// How long after another process has changed the mode it is set again: two who fight over it do so slowly.
    private static let patience = Interval.milliseconds(500)

    private enum State: Equatable {
        /// No function is a VSI's, or the mode is not evbd's to set.
        case alone
        /// The worker has the command.
        case setting(CardSwitchMode, Int32)
        case follows(CardSwitchMode, Int32)
        case refused(CardSwitchMode, Int32, NetlinkError)
    }

    private let programmer: KernelQueue
    private let table: LinkTable
    private let portName: String
    private let timers: Timers
    private let logger: Logger
    private var state = State.alone
    private var desired: CardSwitchMode?
    private var isUsed = false
    private var timer: Timers.Timer?

    init(
        programmer: KernelQueue, table: LinkTable, portName: String, policy: RelayPolicy, timers: Timers, logger: Logger
    ) {
        self.programmer = programmer
        self.table = table
        self.portName = portName
        self.timers = timers
        self.logger = logger
        desired = policy.cardSwitchMode
        timer = timers.timer { [weak self] in self?.setAgain() }
    }

    /// Why the card does not relay as it is to; nil where it does, or is left alone.
    package var failure: (mode: CardSwitchMode, reason: String)? {
        guard case .refused(let mode, _, let error) = state else { return nil }
        // A card that cannot be told relays by itself, which is what a VEB is.
        if mode == .veb, error.kind == .notSupported { return nil }
        return (mode, error.reason)
    }

    /// VSIs have functions, or none has one any more. The mode is set before the first function is.
    func use(_ isUsed: Bool) {
        self.isUsed = isUsed
        step()
    }

    func apply(_ policy: RelayPolicy) {
        desired = policy.cardSwitchMode
        step()
    }

    /// The port's link has changed, is another, or another process has set the card's mode.
    func portChanged() {
        guard let index = table[portName]?.index else { return }
        let heard = table.takeCardSwitch(of: index)
        if case .follows(let mode, index) = state, let heard, heard != mode {
            timer?.set(timers.now + Self.patience)
            return
        }
        step()
    }

    private func setAgain() {
        guard case .follows(let mode, _) = state, isUsed, desired == mode else { return }
        logger.notice(
            "another process has set how the card relays between its functions; setting it back (card-switch: leave leaves it)",
            metadata: ["port": "\(portName)", "mode": "\(mode)"])
        state = .alone
        step()
    }

    private func step() {
        guard isUsed, let desired, let index = table[portName]?.index else {
            if case .setting = state { return }
            return state = .alone
        }
        switch state {
        // What is wanted since is set when that has ended.
        case .setting: return
        case .follows(desired, index), .refused(desired, index, _): return
        case .alone, .follows, .refused: break
        }
        state = .setting(desired, index)
        let isTaken = programmer.submit(.setCardSwitch(portIndex: index, desired), of: portName) { [weak self] in
            self?.ended(desired, index, $0.map { _ in })
        }
        if !isTaken { state = .alone }
    }

    private func ended(_ mode: CardSwitchMode, _ index: Int32, _ result: Result<Void, NetlinkError>) {
        switch result {
        case .success:
            state = .follows(mode, index)
            // News of the change itself, and of what was before it.
            _ = table.takeCardSwitch(of: index)
            logger.info("the card relays as the edge relay", metadata: ["port": "\(portName)", "mode": "\(mode)"])
        case .failure(let error) where error.kind == .cancelled: state = .alone
        case .failure(let error):
            state = .refused(mode, index, error)
            if failure != nil {
                logger.alert(.enforcementFailed).warning(
                    "the card cannot be told how to relay between its virtual functions; it is not asked again",
                    metadata: ["port": "\(portName)", "mode": "\(mode)", "reason": "\(error)"])
            }
        }
        step()
    }
}

extension RelayPolicy {
    /// How the card is to relay; nil leaves it alone.
    ///
    /// As links of the host do: a VEPA also while the bridge does not reflect, unless `fallback: bridge` allows otherwise.
    var cardSwitchMode: CardSwitchMode? {
        guard cardSwitch == .follow else { return nil }
        switch mode {
        case .vepa: return .vepa
        case .bridge: return .veb
        default: return nil
        }
    }
}
