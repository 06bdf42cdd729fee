internal import EVBLog
internal import EVBPorts
internal import EVBProtocol
package import EVBSettings
internal import EVBTime
internal import EVBWire
package import EventLoop
internal import Glibc
internal import LinuxSystem
package import Logging

/// Who holds what on the bridge ports, kept in the runtime directory for the next run of evbd on this boot.
///
/// One file, to which lines are added (``HoldingChange``), all those of one turn of the loop by one write. It is written as a
/// whole at the start, and beside the loop's other work when it is twice as long as what it has to tell. It has to survive the process and not the machine,
/// so that it is not synced. What cannot be read or written is logged, and nothing else depends on it.
///
/// Used on the thread of the loop.
package final class HoldingsJournal {
    /// The first line.
    private static let heading = Array("evbd-holdings 1\n".utf8)
    /// Octets by which the file may be longer than twice what is needed.
    private static let slack = 65_536
    /// Delay before a write that failed is tried again.
    private static let patience = Interval.seconds(1)
    /// Octets of the longest line without its addresses, and what an address adds.
    private static let (vsiLength, addressLength) = (160, 32)
    /// Octets that are read at most, whatever the limits.
    private static let lengthBound = 1 << 28

    private let path: String
    /// Bound what is read, and what is kept.
    package var limits: ResourceLimits
    private let logger: Logger
    private let loop: EventLoop?
    private let timers: Timers?
    private var timer: Timers.Timer?
    /// The line of all that is held.
    private var lines = ShardedDictionary<AddressLedger.Holder, [UInt8]>()
    /// Octets of those.
    private var needed = 0
    /// Lines that are to be added.
    private var waiting: [UInt8] = []
    private var isDue = false
    private var file: AppendFile?
    /// The file lacks something that could not be written.
    private var isBehind = false
    /// Whether that was logged.
    private var isReported = false
    /// How often the file was written as a whole, and how often lines were added.
    private(set) var writes = (whole: 0, added: 0)
    /// The file that is to take the place of the one that has become too long; nil while none is being written.
    private var successor: Successor?
    /// A successor has failed: the next is begun when the file is as long as this.
    private var retryLength = 0

    /// A file with all that is held. It is written some lines a turn: those of ten thousand VSIs at once would keep the loop for
    /// milliseconds.
    private struct Successor {
        let file: AppendFile
        /// The lines of when it was begun, as far as they are to come.
        var lines: ShardedDictionary<AddressLedger.Holder, [UInt8]>.Iterator
        /// What was added to the file that it follows since then.
        var added: [UInt8] = []
    }

    /// A journal that has read nothing.
    ///
    /// - Parameters:
    ///   - runtimeDirectory: the directory, which is there.
    ///   - limits: bound what is read, and what is kept.
    ///   - loop: ends the turn in which changes are written; without it ``flush()`` has to be called.
    ///   - timers: have it try again; without them it does so when there is something else to write.
    ///   - logger: where it tells of what it cannot read or write.
    package init(
        runtimeDirectory: String, limits: ResourceLimits, loop: EventLoop? = nil, timers: Timers? = nil, logger: Logger
    ) {
        path = "\(runtimeDirectory)/holdings"
        self.limits = limits
        self.loop = loop
        self.timers = timers
        self.logger = logger
        timer = timers?.timer { [weak self] in self?.flush() }
    }

    // MARK: Reading

    /// What the run before has left on some ports; what it has left elsewhere is forgotten.
    ///
    /// Lines that make no sense, and more than the limits allow, are left out.
    package func read(ports: Set<String>) -> [Holding] {
        var held: [AddressLedger.Holder: Holding] = [:]
        do throws(SystemError) {
            guard try Files.status(path).isOurs(.regular) else {
                logger.alert(.stateNotStored).warning(
                    "other users could have written who holds which address; it is not taken",
                    metadata: ["file": "\(path)"])
                return []
            }
            let octets = try Files.read(path, limit: lengthMax)
            held = replay(octets, ports)
        } catch {
            guard !error.isMissingFile else { return [] }
            logger.alert(.stateNotStored).warning(
                "what VSIs held before this start is not known; addresses go to the VSI that asks first",
                metadata: ["file": "\(path)", "error": "\(error)"])
        }
        for holding in held.values { set(holding.holder, holding) }
        // As a whole, and without what does not count any more.
        isBehind = true
        return Array(held.values)
    }

    /// Octets of the longest file that is read. The limits are some millions at most.
    private var lengthMax: Int {
        let needed = limits.vsis * Self.vsiLength + limits.filterEntries * Self.addressLength
        return min(2 * needed, Self.lengthBound) + Self.slack
    }

    private func replay(_ octets: [UInt8], _ ports: Set<String>) -> [AddressLedger.Holder: Holding] {
        guard octets.starts(with: Self.heading) else {
            logger.alert(.stateNotStored).warning(
                "the file of who holds which address is not evbd's, or of another version; it is not taken",
                metadata: ["file": "\(path)"])
            return [:]
        }
        var held: [AddressLedger.Holder: Holding] = [:]
        var (addresses, unreadable, beyond) = (0, 0, 0)
        var rest = octets[Self.heading.count...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            switch HoldingChange(rest[..<end]) {
            case nil: unreadable += 1
            case .ended(let holder): addresses -= held.removeValue(forKey: holder)?.addresses.count ?? 0
            case .held(let holding):
                guard ports.contains(holding.holder.port) else { break }
                addresses -= held.removeValue(forKey: holding.holder)?.addresses.count ?? 0
                guard held.count < limits.vsis, addresses + holding.addresses.count <= limits.filterEntries else {
                    beyond += 1
                    break
                }
                held[holding.holder] = holding
                addresses += holding.addresses.count
            }
            rest = rest[(end + 1)...]
        }
        // The last line may be torn: evbd was killed while it wrote.
        if !rest.isEmpty { unreadable += 1 }
        if unreadable + beyond > 0 {
            logger.alert(.stateNotStored).warning(
                "some of what VSIs held before this start is not known",
                metadata: ["file": "\(path)", "unreadable": "\(unreadable)", "beyond limits": "\(beyond)"])
        }
        return held
    }

    // MARK: Writing

    /// Something is held from now on, in place of what was held there before; nil for nothing any more.
    package func set(_ holder: AddressLedger.Holder, _ holding: Holding?) {
        let former = lines[holder]
        guard let holding else {
            guard let former else { return }
            lines[holder] = nil
            needed -= former.count
            waiting += HoldingChange.ended(holder).line
            return flushLater()
        }
        let line = HoldingChange.held(holding).line
        guard line != former else { return }
        // Former ports count too: there are more of them than VSIs only where stations play with them.
        guard former != nil || lines.count < 2 * limits.vsis else { return }
        lines[holder] = line
        needed += line.count - (former?.count ?? 0)
        waiting += line
        flushLater()
    }

    /// A port is no former port of a VSI any more. What the VSI holds there by now stays.
    func forgetLost(_ holder: AddressLedger.Holder) {
        let lost = HoldingChange.held(Holding(holder: holder, state: .lost, addresses: []))
        if let line = lines[holder], line == lost.line { set(holder, nil) }
    }

    /// A port is gone: nothing is held there.
    package func removeAll(on port: String) {
        for holder in Array(lines.keys) where holder.port == port { set(holder, nil) }
    }

    private func flushLater() {
        guard !isDue, let loop else { return }
        isDue = true
        loop.later { [weak self] in self?.flush() }
    }

    /// Writes what has changed.
    package func flush() {
        isDue = false
        guard isBehind || !waiting.isEmpty else { return }
        do throws(SystemError) {
            try write()
        } catch {
            isBehind = true
            file = nil
            if !isReported {
                logger.alert(.stateNotStored).warning(
                    "who holds which address cannot be stored: after a restart, addresses go to the VSI that asks first; free some space, or make the directory writable",
                    metadata: ["file": "\(path)", "error": "\(error)"])
            }
            isReported = true
            if let timers { timer?.set(timers.now + Self.patience) }
        }
        waiting = []
    }

    private func write() throws(SystemError) {
        guard !lines.isEmpty else {
            file = nil
            giveUpSuccessor()
            retryLength = 0
            try Files.unlink(path)
            return caughtUp()
        }
        let isLong = file.map { $0.length + waiting.count > max(2 * needed + Self.slack, retryLength) } ?? true
        if !isBehind, let file, !isLong || successor != nil || beginSuccessor() {
            try file.append(waiting)
            successor?.added += waiting
            writes.added += 1
            return
        }
        giveUpSuccessor()
        var octets = Self.heading
        octets.reserveCapacity(octets.count + needed)
        for line in lines.values { octets += line }
        file = nil
        try Files.writeAtomically(path, octets, mode: 0o600)
        file = try AppendFile(path)
        writes.whole += 1
        retryLength = 0
        caughtUp()
    }

    // MARK: The successor of a file that is too long

    private var successorPath: String { "\(path).new" }

    /// Begins a successor of the file, beside what is added to it.
    ///
    /// - Returns: false where it has to be done at once.
    private func beginSuccessor() -> Bool {
        guard let loop else { return false }
        do throws(SystemError) {
            try Files.writeAtomically(successorPath, Self.heading, mode: 0o600)
            // What waits is among the lines, and is added once more: the last word counts.
            successor = Successor(file: try AppendFile(successorPath), lines: lines.makeIterator())
        } catch {
            return failedSuccessor()
        }
        loop.laterSlice { [weak self] in self?.goOn() }
        return true
    }

    private func goOn() {
        guard var successor, let loop else { return }
        self.successor = nil
        let end = loop.now() &+ EventLoop.sliceTime
        var octets: [UInt8] = []
        var isWhole = false
        repeat {
            guard let next = successor.lines.next() else {
                isWhole = true
                break
            }
            octets += next.value
        } while loop.now() < end
        do throws(SystemError) {
            try successor.file.append(octets + (isWhole ? successor.added : []))
            guard isWhole else {
                self.successor = successor
                return loop.laterSlice { [weak self] in self?.goOn() }
            }
            let (from, to) = (successorPath, path)
            try systemCall("rename \(from)") { rename(from, to) }
            file = successor.file
            writes.whole += 1
            retryLength = 0
        } catch {
            _ = failedSuccessor()
        }
    }

    /// The file stays as it is, which lacks nothing, and has no successor before it has grown further.
    ///
    /// - Returns: false where it would be longer than what is read at the next start: then it has to be written at once.
    private func failedSuccessor() -> Bool {
        giveUpSuccessor()
        let length = file?.length ?? 0
        retryLength = min(length + Self.slack, lengthMax)
        return length + waiting.count <= lengthMax
    }

    /// Takes back what there is of a successor, also that of a run before.
    private func giveUpSuccessor() {
        successor = nil
        _ = try? Files.unlink(successorPath)
    }

    private func caughtUp() {
        isBehind = false
        if isReported { logger.notice("who holds which address is stored again") }
        isReported = false
    }
}

extension SystemError {
    /// Whether there is no such file.
    fileprivate var isMissingFile: Bool { code == 2 }
}
