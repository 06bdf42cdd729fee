package import Dataplane
internal import EVBLog
package import EVBTime
package import EventLoop
internal import LinuxSystem
package import Logging
package import Netlink

/// The hairpin flag of one port of a Linux bridge: set while reflective relay is granted, and else as it was before.
///
/// What the flag was is noted in the runtime directory before it is changed. So after a crash the next evbd takes back what
/// this one did, and a flag that somebody else has set stays: it is no mistake of ours, and its setter may want it.
package final class HairpinFlag {
    /// How long after somebody has cleared the flag it is set again: two who fight over it do so slowly.
    private static let patience = Interval.milliseconds(500)
    /// How far apart the kernel is asked for the flag, as news of it may be lost.
    private let period: Interval

    private let portName: String
    private let notes: HairpinNotes
    private let programmer: KernelQueue
    private let table: LinkTable
    private let timers: Timers
    private let logger: Logger
    private var timer: Timers.Timer?
    private var comparisonTimer: Timers.Timer?
    /// Called when the kernel does not let the flag be set.
    package var onFailure: ((NetlinkError) -> Void)?
    /// Called when somebody else has cleared the flag, which is then set again.
    package var onOverridden: (() -> Void)?

    private var isWanted = false
    /// What is to be restored; nil while the flag is not ours.
    private var note: HairpinNotes.Note?
    /// The command that is under way; a later one overtakes it.
    private var setting = Reconciler<Bool>()
    /// What the kernel has done last; nil while it is at it, and when it was an earlier evbd that had it done.
    private var done: Bool?
    /// The timer runs.
    private var isWatching = false

    /// What the kernel was told last.
    private var commanded: Bool? { setting.underWay ?? done }

    /// What the flags of all ports have in common.
    package struct Room {
        package let programmer: KernelQueue
        package let table: LinkTable
        package let timers: Timers
        /// The directory of the notes.
        package let runtimeDirectory: String

        package init(programmer: KernelQueue, table: LinkTable, timers: Timers, runtimeDirectory: String) {
            self.programmer = programmer
            self.table = table
            self.timers = timers
            self.runtimeDirectory = runtimeDirectory
        }
    }

    /// Takes back what an earlier evbd has left set.
    package init(_ room: Room, portName: String, logger: Logger, period: Interval = .seconds(30)) {
        self.period = period
        self.portName = portName
        notes = HairpinNotes(runtimeDirectory: room.runtimeDirectory)
        programmer = room.programmer
        table = room.table
        timers = room.timers
        self.logger = logger
        note = notes.read(portName)
        timer = timers.timer { [weak self] in self?.insist() }
        comparisonTimer = timers.timer { [weak self] in self?.compare() }
        step()
    }

    /// Takes back all that an earlier evbd has left set on ports that are `isForgotten` now.
    package static func takeBack(_ room: Room, logger: Logger, of isForgotten: (String) -> Bool) {
        for port in HairpinNotes(runtimeDirectory: room.runtimeDirectory).ports where isForgotten(port) {
            // Lives as long as its command is under way.
            _ = HairpinFlag(room, portName: port, logger: logger)
        }
    }

    /// Sets the flag, or makes it what it was.
    package func want(_ isWanted: Bool) {
        if isWanted != self.isWanted { comparisonTimer?.set(isWanted ? timers.now + period : nil) }
        self.isWanted = isWanted
        step()
    }

    /// The port's link has changed, or is gone.
    package func linkChanged() {
        step()
        watchOver()
    }

    /// Takes the next step towards what is wanted.
    private func step() {
        if let held = note, table[held.portIndex]?.masterIndex != held.bridgeIndex {
            // It has left the bridge, or is gone: its flag went with it.
            forget()
        }
        if let held = note {
            let isMeant = isWanted && table[portName]?.index == held.portIndex
            let target = isMeant || held.wasOn
            if commanded != target || (!isMeant && done != nil) { command(held, target, isLast: !isMeant) }
        } else if isWanted, let link = table[portName], let bridge = link.masterIndex {
            begin(HairpinNotes.Note(portIndex: link.index, bridgeIndex: bridge, wasOn: link.hairpin ?? false))
        }
    }

    private func begin(_ fresh: HairpinNotes.Note) {
        do {
            try notes.write(portName, fresh)
        } catch {
            logger.alert(.stateNotStored).warning(
                "the hairpin flag cannot be noted: after a crash it would stay set", metadata: ["error": "\(error)"])
        }
        note = fresh
        command(fresh, true, isLast: false)
    }

    private func command(_ held: HairpinNotes.Note, _ isOn: Bool, isLast: Bool) {
        done = nil
        let turn = setting.begin(isOn)
        // Strongly: who has given the port up does not wait for the end.
        _ = programmer.submit(.setHairpin(portIndex: held.portIndex, isOn), of: portName) { [self] result in
            guard setting.ended(turn) != nil else { return }
            switch result {
            case .success:
                done = isOn
                logger.debug("hairpin \(isOn ? "on" : "off")")
                if isLast { forget() }
                // What has been wanted since.
                step()
                watchOver()
            case .failure(let error): failed(error, isOn)
            }
        }
    }

    private func failed(_ error: NetlinkError, _ isOn: Bool) {
        done = nil
        guard error.kind != .notFound else { return forget() }
        logger.alert(.enforcementFailed).error(
            "the port's hairpin flag cannot be \(isOn ? "set" : "cleared")", metadata: ["error": "\(error)"])
        if isWanted {
            isWanted = false
            if note?.wasOn == false { forget() }
            onFailure?(error)
        }
    }

    private func forget() {
        guard note != nil else { return }
        note = nil
        done = nil
        setting.reset()
        notes.remove(portName)
    }

    // MARK: Others

    /// Whether somebody else has cleared the flag.
    private var isOverridden: Bool {
        isWanted && done == true && note.map { table[$0.portIndex]?.hairpin == false } ?? false
    }

    private func watchOver() {
        // What the table tells may be older than what the kernel has done; it is looked at again.
        guard isOverridden, !isWatching else { return }
        isWatching = true
        timer?.set(timers.now + Self.patience)
    }

    /// Asks the kernel for the flag.
    private func compare() {
        guard isWanted else { return }
        comparisonTimer?.set(timers.now + period)
        guard done == true, let held = note else { return }
        _ = programmer.submit(.look(index: held.portIndex), of: portName) { [weak self] result in
            guard let self, isWanted, done == true, note == held, case .success(let link?) = result,
                link.masterIndex == held.bridgeIndex, link.hairpin == false
            else { return }
            onOverridden?()
            command(held, true, isLast: false)
        }
    }

    private func insist() {
        isWatching = false
        guard isOverridden, let note else { return }
        onOverridden?()
        command(note, true, isLast: false)
    }
}
