internal import EVBControl
internal import EVBLog
package import EVBSettings
package import EVBTime
package import EventLoop
internal import Glibc
internal import LinuxSystem
package import Logging
package import OVSDB

/// The host's Open vSwitch: what its database says of interfaces, and what evbd writes there.
///
/// Owns the connection with ovsdb-server and knows which links share a bridge. What was known stays known while there is no connection:
/// links are as they were. Nothing is tried while no port needs it.
package final class OpenVSwitch {
    /// How the connection stands.
    package enum State: Equatable {
        /// No port needs it.
        case idle
        case connecting(since: Instant)
        case connected(since: Instant)
        case disconnected(Loss)
    }

    /// Why there is no connection, and since when.
    package struct Loss: Equatable {
        package var since: Instant
        package var reason: String
        package var remedy: String
        /// Nothing has the socket's name: there may be no Open vSwitch on this host.
        package var isAbsent = false
    }

    /// How sure a port is that an Open vSwitch has it.
    package enum Need: Comparable {
        /// It may be in one whose datapath the kernel does not show.
        case possible
        /// The kernel says so, or the configuration does.
        case certain
    }

    /// How long the server may take to answer the first request.
    private static let patience = Interval.seconds(10)
    /// The pauses between two tries grow from the first to the last of these.
    private static let (firstPause, longestPause) = (Interval.milliseconds(100), Interval.seconds(8))
    private static let readMax = 64 << 10
    /// Octets of a message that is read on the loop: some 40 interfaces, a millisecond. A longer one is read beside it.
    private static let onLoopMax = 16 << 10
    /// Octets that are read in one turn of the loop.
    private static let readPerTurn = 256 << 10
    /// Octets that wait to be sent, at most.
    private static let outgoingMax = 1 << 20

    private let loop: EventLoop
    private let timers: Timers
    private let logger: Logger
    package private(set) var settings: OpenVSwitchSettings
    package private(set) var state = State.idle
    /// What an earlier connection has left, while there is none.
    private var kept = SwitchTable()
    /// What is known, by this connection or an earlier one.
    package var table: SwitchTable { connection?.session.table ?? kept }
    private var hasToldOfLimit = false
    /// Whether all of it was told once.
    package private(set) var isKnown = false
    private var needs: [String: Need] = [:]
    private var connection: Connection?
    private var failures = 0
    private var hasLogged = false
    private lazy var timer = timers.timer { [weak self] in self?.timeIsUp() }
    /// Names of interfaces of which something else is known than before, and that are still to be told.
    private lazy var news = WorkQueue<String>(loop: loop) { [weak self] in self?.onChange($0) }
    /// What is to be written of interfaces, by their names.
    private var verdicts: [String: SwitchPort.Verdict] = [:]
    /// Rows of which a verdict is on its way.
    private var writing: Set<String> = []
    /// Rows of which the last verdict was refused.
    private var refused: Set<String> = []

    /// Called with the name of an interface of which something else is known than before, of many in later turns of the loop.
    package var onChange: (String) -> Void = { _ in }
    /// Called when the connection stands otherwise than before. The first rows are told before.
    package var onState: () -> Void = {}

    private final class Connection {
        let socket: FileDescriptor
        var session: OVSDBSession
        var watch: EventLoop.Watch?
        /// Reads what is long, beside the loop.
        var reading: BackgroundTask<Reading>?

        init(_ socket: consuming FileDescriptor, _ session: OVSDBSession) {
            self.socket = socket
            self.session = session
        }
    }

    /// What came of octets that were read beside the loop.
    private struct Reading: Sendable {
        var session: OVSDBSession
        var events: [OVSDBSession.Event] = []
        var failure: OVSDBSession.Failure?
    }

    /// Connects when a port needs it.
    package init(_ settings: OpenVSwitchSettings, loop: EventLoop, timers: Timers, logger: Logger) {
        self.settings = settings
        self.loop = loop
        self.timers = timers
        self.logger = logger
    }

    /// Why evbd cannot ask the database now; nil while it can, or is about to.
    package var loss: Loss? {
        switch state {
        case .disconnected(let loss): loss
        case .connecting, .connected, .idle: nil
        }
    }

    package var isConnected: Bool { if case .connected = state { true } else { false } }

    /// The interface of that name in the table; nil where there is none, or none is known.
    package func port(_ name: String) -> SwitchPort? {
        // Without a copy of the table.
        if let connection { connection.session.table.ports[name] } else { kept.ports[name] }
    }

    // MARK: Who needs it

    /// Notes how much a port needs the database; nil for not at all.
    package func set(_ need: Need?, of port: String) {
        guard needs[port] != need else { return }
        needs[port] = need
        switch (needs.isEmpty, state) {
        case (false, .idle): connect()
        // What is absent is looked for at once where it has to be there.
        case (false, .disconnected(let loss)) where need == .certain && loss.isAbsent:
            failures = 0
            connect()
        case (true, .connecting), (true, .connected), (true, .disconnected): stop()
        default: break
        }
    }

    /// The configuration is another one.
    package func reconfigure(_ settings: OpenVSwitchSettings) {
        let isElsewhere = settings.socket != self.settings.socket
        self.settings = settings
        guard isElsewhere, state != .idle else { return }
        close()
        (failures, hasLogged) = (0, false)
        // Another database's rows are not this one's.
        forget()
        connect()
    }

    /// Closes the connection, for good or until a port needs it again.
    package func stop() {
        close()
        timer.set(nil)
        failures = 0
        state = .idle
        onState()
    }

    private func forget() {
        let names = Array(table.ports.keys)
        kept = SwitchTable()
        isKnown = false
        news.append(contentsOf: names)
    }

    private func close() {
        if let connection {
            // A transaction that was not answered may have been made, or not.
            writing = []
            lastTransaction = connection.session.lastTransaction
            kept = connection.session.table
            connection.watch?.cancel()
            connection.reading = nil
        }
        connection = nil
    }

    private var lastTransaction: String?

    // MARK: The connection

    private func connect() {
        if case .disconnected = state {} else { state = .connecting(since: timers.now) }
        do throws(SystemError) {
            let socket = try UnixSocket.connect(settings.socket)
            let session = OVSDBSession(table: kept, lastTransaction: isKnown ? lastTransaction : nil)
            let connection = Connection(socket, session)
            self.connection = connection
            // One owner: the table is changed in place.
            kept = SwitchTable()
            try watch(connection)
            timer.set(timers.now + Self.patience)
            flush()
        } catch {
            lose(Self.loss(error, settings.socket, timers.now))
        }
    }

    private func watch(_ connection: Connection) throws(SystemError) {
        connection.watch = try loop.watch(connection.socket.rawValue, for: .readable) {
            [weak self, weak connection] _ in
            guard let self, let connection, connection === self.connection else { return }
            ready(connection)
        }
    }

    private func timeIsUp() {
        guard !needs.isEmpty else { return }
        guard let connection else { return connect() }
        guard !connection.session.isReady else { return }
        lose(
            Loss(
                since: timers.now, reason: "ovsdb-server at \(settings.socket) does not answer",
                remedy: "look whether it is alive (ovs-appctl -t ovsdb-server version), or restart it"))
    }

    private func lose(_ loss: Loss) {
        close()
        var loss = loss
        if case .disconnected(let former) = state { loss.since = former.since }
        let isNews = state != .disconnected(loss)
        state = .disconnected(loss)
        failures = min(failures + 1, 16)
        let pause = Interval(
            nanoseconds: min(Self.firstPause.nanoseconds << UInt64(failures - 1), Self.longestPause.nanoseconds))
        timer.set(timers.now + pause)
        // Where no port says that there is an Open vSwitch, its absence is nothing to speak of.
        let isQuiet = loss.isAbsent && !isKnown && needs.values.max() != .certain
        if !hasLogged, !isQuiet {
            hasLogged = true
            logger.alert(.enforcementFailed).warning(
                "no connection with Open vSwitch's database; what is known of its ports stays as it is",
                metadata: ["reason": "\(loss.reason)", "remedy": "\(loss.remedy)"])
        }
        if isNews { onState() }
    }

    private static func loss(_ error: SystemError, _ path: String, _ now: Instant) -> Loss {
        var loss = Loss(since: now, reason: "\(error)", remedy: "start Open vSwitch, or set open-vswitch.socket")
        switch error.code {
        case ENOENT:
            loss.isAbsent = true
            loss.remedy = "start Open vSwitch's ovsdb-server, or set open-vswitch.socket to the path of its socket"
        case ECONNREFUSED: loss.remedy = "start Open vSwitch's ovsdb-server: its socket is there, and nothing listens"
        case EACCES, EPERM:
            loss.remedy =
                "let evbd's user use that socket, as Documentation/open-vswitch.md says (setfacl, or SocketGroup=evbd)"
        default: break
        }
        return loss
    }

    private func ready(_ connection: Connection) {
        var events: [OVSDBSession.Event] = []
        var end: Loss?
        do {
            var left = Self.readPerTurn
            while left > 0, let octets = try UnixSocket.read(connection.socket.rawValue, upTo: Self.readMax) {
                guard !octets.isEmpty else {
                    end = Loss(
                        since: timers.now, reason: "ovsdb-server has closed \(settings.socket)",
                        remedy: "look why ovsdb-server has ended; evbd connects again when it is back")
                    break
                }
                left -= octets.count
                if connection.session.pendingCount + octets.count > Self.onLoopMax {
                    take(events)
                    return try readBeside(octets, connection)
                }
                try connection.session.receive(octets, &events)
            }
        } catch let failure as OVSDBSession.Failure {
            end = loss(failure)
        } catch {
            end = Loss(since: timers.now, reason: "\(settings.socket): \(error)", remedy: "restart ovsdb-server")
        }
        take(events)
        if let end { lose(end) } else { flush() }
    }

    /// Reads what is long on a thread of its own; the socket waits meanwhile.
    private func readBeside(_ octets: [UInt8], _ connection: Connection) throws(SystemError) {
        connection.watch?.cancel()
        let session = connection.session
        connection.reading = try BackgroundTask(on: loop) {
            var reading = Reading(session: session)
            do throws(OVSDBSession.Failure) {
                try reading.session.receive(octets, &reading.events)
            } catch {
                reading.failure = error
            }
            return reading
        } completion: { [weak self, weak connection] reading in
            guard let self, let connection, connection === self.connection else { return }
            connection.reading = nil
            connection.session = reading.session
            take(reading.events)
            if let failure = reading.failure { return lose(loss(failure)) }
            do throws(SystemError) {
                try watch(connection)
                flush()
            } catch {
                lose(Loss(since: timers.now, reason: "\(settings.socket): \(error)", remedy: "restart evbd"))
            }
        }
    }

    private func loss(_ failure: OVSDBSession.Failure) -> Loss {
        Loss(
            since: timers.now, reason: "\(settings.socket): \(failure)",
            remedy: "see that open-vswitch.socket is the socket of an Open vSwitch database")
    }

    private func take(_ events: [OVSDBSession.Event]) {
        for event in events {
            switch event {
            case .ready(let names):
                begun()
                tell(names)
            case .changed(let names): tell(names)
            case .written(let row, let problem):
                writing.remove(row)
                guard let problem else { continue }
                if refused.isEmpty {
                    logger.warning(
                        "Open vSwitch's database does not take what became of an association",
                        metadata: ["problem": "\(problem)"])
                }
                if refused.count < SwitchTable.rowsMax { refused.insert(row) }
            }
        }
        if events.contains(where: { if case .ready = $0 { true } else { false } }) { onState() }
    }

    private func begun() {
        if case .disconnected(let loss) = state, hasLogged {
            logger.notice(
                "connected with Open vSwitch's database again",
                metadata: ["after": "\(timers.now.since(loss.since).nanoseconds / 1_000_000_000) s"])
        } else {
            logger.notice("connected with Open vSwitch's database", metadata: ["socket": "\(settings.socket)"])
        }
        state = .connected(since: timers.now)
        (failures, hasLogged) = (0, false)
        refused = []
        isKnown = true
        timer.set(nil)
    }

    private func tell(_ names: Set<String>) {
        if table.isTruncated, !hasToldOfLimit {
            hasToldOfLimit = true
            logger.warning(
                "Open vSwitch has more interfaces than evbd takes; the rest is not known",
                metadata: ["limit": "\(SwitchTable.rowsMax)"])
        }
        for name in names where table.ports[name] == nil { verdicts[name] = nil }
        news.append(contentsOf: names.sorted())
    }

    private func flush() {
        guard let connection, connection.reading == nil else { return }
        writeVerdicts(connection)
        do {
            while !connection.session.outgoing.isEmpty {
                let waiting = connection.session.outgoing
                guard let count = try UnixSocket.write(connection.socket.rawValue, waiting[...]) else { break }
                connection.session.outgoing.removeFirst(count)
            }
        } catch {
            return lose(
                Loss(since: timers.now, reason: "\(settings.socket): \(error)", remedy: "restart ovsdb-server"))
        }
        let waiting = connection.session.outgoing.count
        guard waiting <= Self.outgoingMax else {
            return lose(
                Loss(
                    since: timers.now, reason: "ovsdb-server at \(settings.socket) does not read",
                    remedy: "restart ovsdb-server"))
        }
        connection.watch?.update(waiting > 0 ? [.readable, .writable] : .readable)
    }

    // MARK: Verdicts

    /// Writes what became of an interface's association; what is nil is removed.
    package func write(_ verdict: SwitchPort.Verdict, of name: String) {
        guard table.ports[name] != nil else { return }
        verdicts[name] = verdict
        flush()
    }

    private func writeVerdicts(_ connection: Connection) {
        guard connection.session.isReady else { return }
        for (name, verdict) in verdicts where connection.session.canWrite {
            guard let port = table.ports[name], port.verdict != verdict else {
                if table.ports[name] == nil || !writing.contains(table.ports[name]?.row ?? "") { verdicts[name] = nil }
                continue
            }
            guard !writing.contains(port.row) else { continue }
            verdicts[name] = nil
            guard !refused.contains(port.row) else { continue }
            writing.insert(port.row)
            connection.session.write(verdict, row: port.row)
        }
    }
}
