// A subagent's side of a session with the master (RFC 2741 sections 6.2 and 7): opens, registers, answers, and asks whether the
// master is still there. A value that hears what happened and the time. It knows no socket.

package import EVBTime

/// One session, from its Open on.
package struct AgentXSession: Sendable {
    /// What a session tells the master.
    package struct Settings: Sendable {
        /// A part of the tree that the subagent serves.
        package struct Subtree: Sendable, Equatable {
            package var id: ObjectID
            /// Whether it is one object.
            package var isInstance: Bool

            package init(_ id: ObjectID, isInstance: Bool = false) {
                self.id = id
                self.isInstance = isInstance
            }
        }

        package var description: String
        package var subtrees: [Subtree]
        /// How long the master waits for an answer, in seconds; 0 leaves it to the master.
        package var timeoutSeconds: UInt8

        package init(description: String, subtrees: [Subtree], timeoutSeconds: UInt8 = 0) {
            precondition(!subtrees.isEmpty)
            self.description = description
            self.subtrees = subtrees
            self.timeoutSeconds = timeoutSeconds
        }
    }

    /// Why a session is over. The connection is of no more use.
    package enum Ending: Error, Hashable, Sendable {
        /// The master has closed it, for a reason of RFC 2741 section 6.2.2.
        case closed(reason: UInt8)
        /// The master does not open a session; the error of its response.
        case openRefused(error: UInt16)
        /// The master does not take a subtree; the error of its response.
        case registrationRefused(ObjectID, error: UInt16)
        /// The master lost the session that a ping was for.
        case forgotten(error: UInt16)
        /// The master has not answered in time.
        case silent
    }

    private enum State: Sendable {
        case opening(packetID: UInt32)
        /// Subtree `index` has been sent.
        case registering(sessionID: UInt32, index: Int, packetID: UInt32)
        case serving(sessionID: UInt32)
        /// As serving, and a ping is not answered.
        case pinging(sessionID: UInt32, packetID: UInt32, since: Instant)
    }

    /// How long the master may take to answer.
    package static let answerTime = Interval.seconds(10)
    /// How long a silent master is believed to be there.
    package static let pingInterval = Interval.seconds(15)
    /// The most objects in one response to GetBulk. A request may ask for billions.
    package static let bulkMax = 2048

    private let settings: Settings
    private var state: State
    private var lastHeard: Instant
    private var lastPacketID: UInt32 = 1

    private init(_ settings: Settings, at now: Instant) {
        self.settings = settings
        lastHeard = now
        state = .opening(packetID: 1)
    }

    /// Begins a session on a new connection.
    ///
    /// - Returns: the session, and what to send first.
    package static func begin(_ settings: Settings, at now: Instant) -> (AgentXSession, AgentXPDU) {
        let open = AgentXPDU(
            sessionID: 0, packetID: 1,
            .open(timeoutSeconds: settings.timeoutSeconds, id: [], description: Array(settings.description.utf8)))
        return (AgentXSession(settings, at: now), open)
    }

    /// Whether all subtrees are registered.
    package var isServing: Bool {
        switch state {
        case .opening, .registering: false
        case .serving, .pinging: true
        }
    }

    /// When ``tick(at:)`` has something to do next, unless a message comes before.
    package var deadline: Instant {
        switch state {
        case .opening, .registering: lastHeard + Self.answerTime
        case .serving: lastHeard + Self.pingInterval
        case .pinging(_, _, let since): since + Self.answerTime
        }
    }

    private var sessionID: UInt32? {
        switch state {
        case .opening: nil
        case .registering(let sessionID, _, _), .serving(let sessionID), .pinging(let sessionID, _, _): sessionID
        }
    }

    /// Does what is due.
    ///
    /// - Returns: what to send.
    /// - Throws: why the session is over.
    package mutating func tick(at now: Instant) throws(Ending) -> AgentXPDU? {
        guard now >= deadline else { return nil }
        guard case .serving(let sessionID) = state else { throw .silent }
        let packetID = nextPacketID()
        state = .pinging(sessionID: sessionID, packetID: packetID, since: now)
        return AgentXPDU(sessionID: sessionID, packetID: packetID, .ping)
    }

    /// Takes a message of the master.
    ///
    /// - Returns: what to send.
    /// - Throws: why the session is over.
    package mutating func take(
        _ pdu: AgentXPDU, at now: Instant, from source: some ObjectSource
    ) throws(Ending) -> AgentXPDU? {
        lastHeard = now
        switch pdu.body {
        case .close(let reason): throw .closed(reason: reason)
        case .response(let error, _, _): return try answered(pdu, error: error)
        case .cleanupSet: return nil
        default: return pdu.answered(answer(pdu, from: source))
        }
    }

    private mutating func nextPacketID() -> UInt32 {
        lastPacketID &+= 1
        return lastPacketID
    }

    private mutating func answered(_ pdu: AgentXPDU, error: UInt16) throws(Ending) -> AgentXPDU? {
        switch state {
        case .opening(let packetID):
            guard pdu.packetID == packetID else { return nil }
            guard error == 0 else { throw .openRefused(error: error) }
            return register(0, pdu.sessionID)
        case .registering(let sessionID, let index, let packetID):
            guard pdu.packetID == packetID else { return nil }
            guard error == 0 else {
                throw .registrationRefused(settings.subtrees[index].id, error: error)
            }
            if index + 1 < settings.subtrees.count { return register(index + 1, sessionID) }
            state = .serving(sessionID: sessionID)
            return nil
        case .serving: return nil
        case .pinging(let sessionID, let packetID, _):
            guard pdu.packetID == packetID else { return nil }
            guard error == 0 else { throw .forgotten(error: error) }
            state = .serving(sessionID: sessionID)
            return nil
        }
    }

    private mutating func register(_ index: Int, _ sessionID: UInt32) -> AgentXPDU {
        let packetID = nextPacketID()
        state = .registering(sessionID: sessionID, index: index, packetID: packetID)
        let subtree = settings.subtrees[index]
        // 127 is the usual priority.
        return AgentXPDU(
            sessionID: sessionID, packetID: packetID,
            .register(
                timeoutSeconds: settings.timeoutSeconds, priority: 127, subtree: subtree.id,
                isInstance: subtree.isInstance))
    }

    private func answer(_ pdu: AgentXPDU, from source: some ObjectSource) -> AgentXPDU.Body {
        guard pdu.sessionID == sessionID else { return .failure(.notOpen) }
        guard pdu.context == nil else { return .failure(.unsupportedContext) }
        switch pdu.body {
        case .get(let ranges): return .success(ranges.map { VarBind($0.start, source.value(of: $0.start)) })
        case .getNext(let ranges): return .success(ranges.map { Self.next($0, source) })
        case .getBulk(let nonRepeaters, let maxRepetitions, let ranges):
            return .success(Self.bulk(Int(nonRepeaters), Int(maxRepetitions), ranges, source))
        // Nothing can be written.
        case .testSet: return .failure(.notWritable, index: 1)
        case .commitSet: return .failure(.commitFailed)
        case .undoSet: return .failure(.undoFailed)
        case .open, .close, .register, .cleanupSet, .ping, .response, .other: return .failure(.processingError)
        }
    }

    private static func next(_ range: SearchRange, _ source: some ObjectSource) -> VarBind {
        source.first(in: range) ?? VarBind(range.start, .endOfMIBView)
    }

    private static func bulk(
        _ nonRepeaters: Int, _ maxRepetitions: Int, _ ranges: [SearchRange], _ source: some ObjectSource
    ) -> [VarBind] {
        var bindings = ranges.prefix(nonRepeaters).map { next($0, source) }
        var places = Array(ranges.dropFirst(nonRepeaters))
        for _ in 0..<maxRepetitions where !places.isEmpty {
            guard bindings.count + places.count <= bulkMax else { break }
            let row = places.map { next($0, source) }
            bindings += row
            guard row.contains(where: { $0.value != .endOfMIBView }) else { break }
            for (index, binding) in row.enumerated() {
                places[index].start = binding.name
                places[index].includesStart = false
            }
        }
        return bindings
    }
}

/// The errors of responses that a subagent of ours gives.
private enum ResponseError: UInt16 {
    case commitFailed = 14
    case undoFailed = 15
    case notWritable = 17
    case notOpen = 257
    case unsupportedContext = 262
    case processingError = 268
}

extension AgentXPDU {
    fileprivate func answered(_ body: Body) -> AgentXPDU {
        AgentXPDU(sessionID: sessionID, transactionID: transactionID, packetID: packetID, body)
    }
}

extension AgentXPDU.Body {
    fileprivate static func success(_ bindings: [VarBind]) -> AgentXPDU.Body {
        .response(error: 0, index: 0, bindings)
    }

    fileprivate static func failure(_ error: ResponseError, index: UInt16 = 0) -> AgentXPDU.Body {
        .response(error: error.rawValue, index: index, [])
    }
}
