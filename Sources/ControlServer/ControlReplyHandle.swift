// Where the answer to one call goes. It outlives the client: then it swallows what it is given, and says so.

package import EVBControl
package import EVBModel
internal import EVBPorts
internal import EventLoop
package import JSON

/// The way back to whoever made one call.
///
/// Used on the thread of the loop. Only the first answer or failure counts.
package final class ControlReplyHandle {
    private weak var connection: ControlConnection?
    /// Weak, because the loop holds the handle for as long as the end of its client is yet to be told.
    private weak var loop: EventLoop?
    private let oneway: Bool
    private let more: Bool
    private var hasAnswered = false
    private var goneHandler: (() -> Void)?

    /// Whether the client has gone, so that nothing that is sent will arrive.
    package private(set) var isGone = false

    package init(connection: ControlConnection, oneway: Bool, more: Bool) {
        self.connection = connection
        loop = connection.loop
        self.oneway = oneway
        self.more = more
    }

    /// The client, as the log and histories name it; nil once its connection is no more.
    var requester: Requester? { connection?.requester }

    /// Called once in a later turn of the loop if the client goes before it is answered.
    ///
    /// Called also where it was gone already when this was set. Never called after an answer. This is the moment to
    /// drop a wait or a monitor; the handle lets go of the closure afterwards.
    package var onGone: (() -> Void)? {
        get { goneHandler }
        set {
            goneHandler = newValue
            if isGone, newValue != nil { scheduleGone() }
        }
    }

    /// Answers the call.
    ///
    /// - Returns: whether it counts: false if the client is gone or the call was answered before.
    @discardableResult
    package func answer(_ reply: ControlReply) -> Bool {
        let parameters: [UInt8]
        switch reply {
        case .status(let status): return answer("status") { status.write(to: &$0) }
        case .vsi(let vsi): return answer("vsi") { vsi.write(to: &$0) }
        default: parameters = Self.coded(reply)
        }
        return answer(octets: VarlinkReply.octets(parameters: parameters))
    }

    /// The parameters of answers that are seldom given.
    private static func coded(_ reply: ControlReply) -> [UInt8] {
        switch reply {
        case .version(let version): JSONCoding.encode(version)
        case .status(let status): JSONCoding.encode(["status": status])
        case .ports(let ports): JSONCoding.encode(["ports": ports])
        case .port(let port): JSONCoding.encode(["port": port])
        case .vsi(let vsi): JSONCoding.encode(["vsi": vsi])
        case .vsiDetails(let vsi): JSONCoding.encode(["vsi": vsi])
        case .portStatus(let port): JSONCoding.encode(["port": port])
        case .probe(let report): JSONCoding.encode(["probe": report])
        case .histories(let histories): JSONCoding.encode(["histories": histories])
        case .retried(let report): JSONCoding.encode(report)
        case .statistics(let statistics): JSONCoding.encode(["statistics": statistics])
        case .reload(let report): JSONCoding.encode(["reload": report])
        case .configuration(let report): Array(report.json.compact.utf8)
        case .typeServers(let servers): JSONCoding.encode(["typeServers": servers])
        case .logLevel(let report): JSONCoding.encode(["logLevel": report])
        }
    }

    /// Answers the call with one parameter, which `value` writes.
    @discardableResult
    package func answer(_ key: StaticString, _ value: (inout JSONWriter) -> Void) -> Bool {
        answer { connection in
            var writer = JSONWriter(reserving: 2048)
            VarlinkReply.write(to: &writer, key, value)
            return connection.enqueue(writer)
        }
    }

    /// Answers ListVSIs.
    ///
    /// The sequence is drawn a page a turn, as fast as the client reads: neither the loop nor other clients wait for a
    /// long list. So it should look up each VSI when it is asked for the next, and pass over those that have gone.
    /// - Parameter vsis: the VSIs, best a lazy sequence over a snapshot of their keys.
    /// - Returns: whether it counts: false if the client is gone or the call was answered before.
    @discardableResult
    package func answer(vsis: some Sequence<VSIStatus>) -> Bool { answer(lookingAt: vsis.lazy.map { Optional($0) }) }

    /// Answers ListVSIs from a sequence in which nil stands for a VSI that is not to be listed.
    ///
    /// It is drawn as in ``answer(vsis:)``; what is passed over counts as work too, so that a list in which little is found keeps
    /// no other client waiting.
    @discardableResult
    package func answer(lookingAt vsis: some Sequence<VSIStatus?>) -> Bool {
        answerList("vsis", vsis) { JSONWriter.octets(of: $0) }
    }

    /// Answers ListVSIs with VSIs that write themselves, as ``answer(lookingAt:)`` does.
    @discardableResult
    func answer(texts: VSIListing.Texts) -> Bool { answerList("vsis", texts) }

    /// Answers ListVSIDetails, as ``answer(lookingAt:)`` answers ListVSIs.
    @discardableResult
    package func answer(lookingAtDetails vsis: some Sequence<VSIDetails?>) -> Bool {
        answerList("vsis", vsis) { JSONCoding.encode($0) }
    }

    /// Answers GetMetrics from a sequence in which nil stands for work of which nothing is told. It is drawn as in
    /// ``answer(vsis:)``.
    @discardableResult
    package func answer(metrics: some Sequence<Metrics?>) -> Bool {
        answerList("metrics", metrics) { JSONCoding.encode($0) }
    }

    private func answerList<Item>(
        _ key: StaticString, _ items: some Sequence<Item?>, _ octets: @escaping (Item) -> [UInt8]
    ) -> Bool {
        answerList(key, ListedValues(items.makeIterator(), octets))
    }

    private func answerList(_ key: StaticString, _ items: any ListedItems) -> Bool {
        guard !hasAnswered, !isGone else { return false }
        hasAnswered = true
        goneHandler = nil
        connection?.startPages(key, items, more: more, oneway: oneway, of: self)
        return true
    }

    /// Refuses the call.
    ///
    /// - Returns: whether it counts: false if the client is gone or the call was answered before.
    @discardableResult
    package func fail(_ error: ControlError) -> Bool {
        answer(octets: VarlinkReply(parameters: error.parameters, error: error.name).octets)
    }

    /// Sends an event, and leaves the call open for more.
    ///
    /// A client that does not read is dropped when too much waits for it; ``onGone`` tells.
    /// - Returns: whether it was taken: false if the client is gone or the call was answered before.
    @discardableResult
    package func send(_ event: ControlEvent) -> Bool { send(Self.octets(of: event)) }

    /// An event as it is sent; written once, where many are to have it.
    package static func octets(of event: ControlEvent) -> [UInt8] {
        VarlinkReply.octets(parameters: JSONCoding.encode(["event": event]), continues: true)
    }

    /// Sends an event that has been written already, as ``send(_:)`` does.
    @discardableResult
    package func send(_ octets: [UInt8]) -> Bool {
        guard !hasAnswered, !isGone, let connection else { return false }
        guard !oneway else { return true }
        return connection.enqueue(octets, before: true)
    }

    /// Sends what a source gives, and leaves the call open for more.
    ///
    /// The source is asked in turns of the client and only while little waits for it, so that a client that reads slowly is no burden;
    /// what it has to hold meanwhile is the source's. After a nil it is asked again once ``sourceHasMore()`` was called.
    /// - Parameter next: gives the next message, or nil while there is none. It may answer or refuse the call.
    /// - Returns: whether there is a client that hears: false if it is gone, wants no reply, or the call was answered before.
    @discardableResult
    package func stream(_ next: @escaping () -> [UInt8]?) -> Bool {
        guard !hasAnswered, !isGone, !oneway, let connection else { return false }
        connection.startSource(next, of: self)
        return true
    }

    /// The source of ``stream(_:)`` has something again.
    package func sourceHasMore() { connection?.sourceHasMore(self) }

    package func answer(octets: [UInt8]) -> Bool { answer { $0.enqueue(octets) } }

    /// Answers the call by what `send` sends, and says whether it was taken.
    private func answer(_ send: (ControlConnection) -> Bool) -> Bool {
        guard !hasAnswered, !isGone else { return false }
        hasAnswered = true
        goneHandler = nil
        guard let connection else { return false }
        let taken = oneway || send(connection)
        connection.finish(self)
        return taken
    }

    func clientHasGone() {
        guard !isGone else { return }
        isGone = true
        if goneHandler != nil { scheduleGone() }
    }

    /// Later, because the client may be found gone while the service is in the middle of sending to all its monitors.
    private func scheduleGone() {
        loop?.later { [self] in
            let handler = goneHandler
            goneHandler = nil
            handler?()
        }
    }
}
