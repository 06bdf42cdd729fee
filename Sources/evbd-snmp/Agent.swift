// The connection to snmpd: sockets and time for AgentXSession, which decides.

internal import AgentX
internal import EVBControl
internal import EVBMIB
internal import EVBTime
internal import Glibc
internal import LinuxSystem

/// Keeps a session with the master.
struct Agent {
    /// Why there is no session.
    private enum Trouble: Error {
        /// Nobody listens, or not to this user.
        case unreachable(SystemError)
        /// The master closed the connection.
        case hungUp
        /// The master does not read what it asked for.
        case stuck
        case garbled(AgentXError)
        case ended(AgentXSession.Ending)
    }

    /// How long the master may take to read an answer.
    private static let patience = Interval.seconds(10)
    private static let retryInterval = Interval.seconds(2)
    /// What the master refused it will refuse again, unless another subagent ends.
    private static let refusedInterval = Interval.seconds(30)
    private static let settings = AgentXSession.Settings(
        description: "evbd-snmp: EVB, VDP and ECP (IEEE 802.1Qbg)",
        subtrees: [
            .init(EVBObjects.evbMIB), .init(EVBObjects.lldpExtension),
            .init(EVBObjects.destinationAddress, isInstance: true),
        ])

    let socket: String
    let shelf: Shelf

    /// Serves one session after the other, and never ends.
    func run() -> Never {
        /// The trouble that the log tells of, until a session begins.
        var said: String?
        while true {
            var hasServed = false
            do {
                try serve { hasServed = true }
            } catch {
                if hasServed { said = nil }
                let words = words(error)
                if said != words { log(.warning, words) }
                said = words
                pause(pauseInterval(error))
            }
        }
    }

    private func serve(onServing: () -> Void) throws(Trouble) -> Never {
        let connection: FileDescriptor
        do {
            connection = try UnixSocket.connect(socket)
        } catch {
            throw .unreachable(error)
        }
        var decoder = AgentXDecoder()
        var (session, first) = AgentXSession.begin(Self.settings, at: .now)
        try send(first, connection.rawValue)
        var wasServing = false
        while true {
            if let octets = try read(connection.rawValue, until: session.deadline) {
                guard !octets.isEmpty else { throw .hungUp }
                decoder.append(octets)
                while let pdu = try next(&decoder) { try take(pdu, &session, connection.rawValue) }
            }
            try tick(&session, connection.rawValue)
            if session.isServing, !wasServing {
                wasServing = true
                onServing()
                log(.info, "snmpd at \(socket) shows the EVB objects")
            }
        }
    }

    // MARK: Steps

    private func take(_ pdu: AgentXPDU, _ session: inout AgentXSession, _ connection: Int32) throws(Trouble) {
        let reply: AgentXPDU?
        do {
            reply = try session.take(pdu, at: .now, from: shelf.objects(at: .now))
        } catch {
            throw .ended(error)
        }
        if let reply { try send(reply, connection) }
    }

    private func tick(_ session: inout AgentXSession, _ connection: Int32) throws(Trouble) {
        let ping: AgentXPDU?
        do {
            ping = try session.tick(at: .now)
        } catch {
            throw .ended(error)
        }
        if let ping { try send(ping, connection) }
    }

    private func next(_ decoder: inout AgentXDecoder) throws(Trouble) -> AgentXPDU? {
        do {
            return try decoder.next()
        } catch {
            throw .garbled(error)
        }
    }

    /// What has come, empty at the end of the stream; nil where nothing comes in time.
    private func read(_ connection: Int32, until deadline: Instant) throws(Trouble) -> [UInt8]? {
        do {
            if let octets = try UnixSocket.read(connection, upTo: 64 << 10) { return octets }
            guard try UnixSocket.wait(connection, forWriting: false, until: deadline.nanoseconds) else { return nil }
            return try UnixSocket.read(connection, upTo: 64 << 10)
        } catch {
            throw .hungUp
        }
    }

    private func send(_ pdu: AgentXPDU, _ connection: Int32) throws(Trouble) {
        var rest = pdu.octets[...]
        let deadline = (Instant.now + Self.patience).nanoseconds
        while !rest.isEmpty {
            let isReady: Bool
            do {
                if let written = try UnixSocket.write(connection, rest) {
                    rest = rest.dropFirst(written)
                    continue
                }
                isReady = try UnixSocket.wait(connection, forWriting: true, until: deadline)
            } catch {
                throw .hungUp
            }
            guard isReady else { throw .stuck }
        }
    }

    // MARK: Words

    private func pauseInterval(_ trouble: Trouble) -> Interval {
        switch trouble {
        case .ended(.openRefused), .ended(.registrationRefused): Self.refusedInterval
        case .unreachable, .hungUp, .stuck, .garbled, .ended: Self.retryInterval
        }
    }

    private func words(_ trouble: Trouble) -> String {
        switch trouble {
        case .unreachable(let error): unreachable(error)
        case .hungUp, .ended(.closed), .ended(.forgotten): "snmpd at \(socket) has ended the session; trying again"
        case .stuck: "snmpd at \(socket) does not read the answers that it asked for; trying again"
        case .garbled(let error):
            "what \(socket) says is not AgentX: \(error); name the AgentX socket of snmpd by --agentx"
        case .ended(.silent): "snmpd at \(socket) does not answer; trying again"
        case .ended(.openRefused(let error)):
            "snmpd at \(socket) refuses a session (AgentX error \(error)); see its log"
        case .ended(.registrationRefused(let subtree, let error)):
            """
            snmpd at \(socket) refuses \(subtree) \
            (\(error == 263 ? "another subagent has it" : "AgentX error \(error)")); trying again in 30 s
            """
        }
    }

    private func unreachable(_ error: SystemError) -> String {
        switch error.code {
        case ENOENT, ECONNREFUSED:
            "no snmpd listens at \(socket): put \"master agentx\" into snmpd.conf, start snmpd, or name its socket by --agentx"
        case EACCES, EPERM:
            """
            this user may not use \(socket): put "agentXPerms 0660 0710 root evbd-snmp" into snmpd.conf and restart snmpd (see \
            evbd-snmp(8))
            """
        default: "snmpd cannot be reached at \(socket): \(error)"
        }
    }
}
