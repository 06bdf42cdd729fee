internal import EVBWire
internal import JSON

/// One connection to a database of Open vSwitch: octets in, events out.
///
/// It asks for what ``SwitchTable`` needs by monitor_cond_since (or monitor_cond, of a server that does not know that), follows the
/// updates, answers echoes, and writes verdicts. Pure: it knows no socket and no clock. After a `Failure` the connection is to be closed.
package struct OVSDBSession: Sendable {
    /// Octets of the longest message that is taken: 4,096 interfaces with all of their external_ids have some two million.
    package static let messageMax = 16 << 20
    /// Verdicts that are written at a time.
    package static let writesMax = 64
    private static let database = "Open_vSwitch"
    private static let monitor = "evbd"
    private static let noTransaction = "00000000-0000-0000-0000-000000000000"

    package enum Event: Sendable, Equatable {
        /// All rows are known from now on; the names of interfaces of which something else is known than before.
        case ready(Set<String>)
        /// Something has changed of these interfaces.
        case changed(Set<String>)
        /// A verdict is written, or was refused for the reason given.
        case written(row: String, problem: String?)
    }

    /// Why a connection is of no use any more.
    package struct Failure: Error, Equatable, CustomStringConvertible {
        package var description: String
    }

    private enum Request {
        case monitorSince, monitor
        case write(row: String)
    }

    package private(set) var table: SwitchTable
    /// The last transaction that the table has, which a server may know after a lost connection.
    package private(set) var lastTransaction: String?
    /// Whether all rows are known by this connection.
    package private(set) var isReady = false
    /// What is to be sent; the sender empties it.
    package var outgoing: [UInt8] = []
    private var stream = JSONStream(limit: Self.messageMax)
    private var lastID = 0
    private var requests: [Int: Request] = [:]

    /// Begins a connection: the first request is in `outgoing`.
    ///
    /// - Parameters:
    ///   - table: What an earlier connection has left.
    ///   - lastTransaction: The transaction up to which that is right; nil where that is not known.
    package init(table: SwitchTable = SwitchTable(), lastTransaction: String? = nil) {
        self.table = table
        self.lastTransaction = lastTransaction
        ask(
            "monitor_cond_since", .monitorSince,
            monitorParameters + [.string(lastTransaction ?? Self.noTransaction)])
    }

    /// Octets of a message that is not complete.
    package var pendingCount: Int { stream.pendingCount }

    /// Whether another verdict may be written now.
    package var canWrite: Bool {
        isReady && requests.count < Self.writesMax
    }

    /// Writes what became of an interface's association into its external_ids, and removes what is nil.
    package mutating func write(_ verdict: SwitchPort.Verdict, row: String) {
        let values = [("evb-status", verdict.status), ("evb-reason", verdict.reason)]
        let keys = JSONValue.array(values.map { .string($0.0) })
        let pairs = values.compactMap { key, value in value.map { JSONValue.array([.string(key), .string($0)]) } }
        var mutations: [JSONValue] = [
            .array([.string("external_ids"), .string("delete"), .array([.string("set"), keys])])
        ]
        if !pairs.isEmpty {
            mutations.append(
                .array([.string("external_ids"), .string("insert"), .array([.string("map"), .array(pairs)])]))
        }
        let row = (id: row, match: JSONValue.array([.string("uuid"), .string(row)]))
        let operation = JSONValue.object([
            JSONValue.Member("op", .string("mutate")), JSONValue.Member("table", .string("Interface")),
            JSONValue.Member("where", .array([.array([.string("_uuid"), .string("=="), row.match])])),
            JSONValue.Member("mutations", .array(mutations)),
        ])
        ask("transact", .write(row: row.id), [.string(Self.database), operation])
    }

    /// Takes the next octets that the server has sent.
    ///
    /// - Throws: `Failure`; `events` has what came before the message that is the cause. What of that message was taken is told again by
    ///   the next connection.
    package mutating func receive(_ octets: some Sequence<UInt8>, _ events: inout [Event]) throws(Failure) {
        stream.append(octets)
        while let message = try nextMessage() { try take(message, &events) }
    }

    private mutating func nextMessage() throws(Failure) -> JSONValue? {
        do {
            return try stream.next().map { try JSONValue(parsing: $0) }
        } catch {
            throw Failure(description: "the server sends what is no JSON that evbd takes: \(error)")
        }
    }

    // MARK: Messages

    private var monitorParameters: [JSONValue] {
        let tables = SwitchTable.columns.map { table, columns in
            JSONValue.Member(
                table,
                .array([.object([JSONValue.Member("columns", .array(columns.map { .string($0) }))])]))
        }
        return [.string(Self.database), .string(Self.monitor), .object(tables)]
    }

    private mutating func ask(_ method: String, _ request: Request, _ parameters: [JSONValue]) {
        lastID &+= 1
        requests[lastID] = request
        send([
            JSONValue.Member("method", .string(method)), JSONValue.Member("params", .array(parameters)),
            JSONValue.Member("id", .number("\(lastID)")),
        ])
    }

    private mutating func send(_ message: [JSONValue.Member]) {
        outgoing.append(contentsOf: JSONValue.object(message).compact.utf8)
    }

    private mutating func answer(_ id: JSONValue, result: JSONValue, error: JSONValue) {
        send([
            JSONValue.Member("result", result), JSONValue.Member("error", error), JSONValue.Member("id", id),
        ])
    }

    private mutating func take(_ message: JSONValue, _ events: inout [Event]) throws(Failure) {
        guard case .string(let method)? = message["method"] else { return try takeReply(message, &events) }
        let id = message["id"] ?? .null
        switch method {
        case "echo": answer(id, result: message["params"] ?? .array([]), error: .null)
        case "update2", "update3": try takeUpdate(message["params"], isNumbered: method == "update3", &events)
        case "monitor_canceled":
            throw Failure(description: "the server has ended the monitor: \(Self.database) is gone")
        default: if id != .null { answer(id, result: .null, error: .string("unknown method")) }
        }
    }

    private mutating func takeUpdate(
        _ parameters: JSONValue?, isNumbered: Bool, _ events: inout [Event]
    ) throws(Failure) {
        guard case .array(let items)? = parameters, items.count == (isNumbered ? 3 : 2),
            items[0] == .string(Self.monitor), isReady
        else { throw Failure(description: "the server sends an update that was not asked for") }
        if isNumbered, case .string(let transaction) = items[1] { lastTransaction = transaction }
        let changed = try apply(items[items.count - 1])
        if !changed.isEmpty { events.append(.changed(changed)) }
    }

    private mutating func apply(_ updates: JSONValue) throws(Failure) -> Set<String> {
        // In place: there may be thousands of rows.
        guard let changed = table.apply(updates) else {
            // All is to be told again.
            lastTransaction = nil
            throw Failure(description: "the server sends an update that cannot be read")
        }
        return changed
    }

    private mutating func takeReply(_ message: JSONValue, _ events: inout [Event]) throws(Failure) {
        guard case .number(let literal)? = message["id"], let id = Int(literal),
            let request = requests.removeValue(forKey: id)
        else { throw Failure(description: "the server answers what was not asked") }
        let error = message["error"].flatMap { $0 == .null ? nil : $0 }
        let result = message["result"] ?? .null
        switch request {
        case .monitorSince:
            guard error == nil else {
                // Before 2.12 there was monitor_cond alone.
                guard error.map(Self.words)?.utf8.range(of: "unknown method".utf8) != nil else {
                    throw Failure(description: "the server refuses the monitor: \(error.map(Self.words) ?? "")")
                }
                return ask("monitor_cond", .monitor, monitorParameters)
            }
            guard case .array(let items) = result, items.count == 3, case .bool(let isFound) = items[0],
                case .string(let transaction) = items[1]
            else { throw Failure(description: "the server's answer to the monitor cannot be read") }
            try begin(items[2], isWhole: !isFound, transaction, &events)
        case .monitor:
            guard error == nil else {
                throw Failure(description: "the server refuses the monitor: \(error.map(Self.words) ?? "")")
            }
            try begin(result, isWhole: true, nil, &events)
        case .write(let row): events.append(.written(row: row, problem: Self.problem(of: result, error)))
        }
    }

    /// The rows are known, or what of them has changed since an earlier connection.
    private mutating func begin(
        _ updates: JSONValue, isWhole: Bool, _ transaction: String?, _ events: inout [Event]
    ) throws(Failure) {
        let former = table
        if isWhole { table = SwitchTable() }
        do throws(Failure) {
            _ = try apply(updates)
        } catch {
            table = former
            throw error
        }
        lastTransaction = transaction
        isReady = true
        events.append(.ready(table.differences(from: former)))
    }

    /// Why a transaction has failed: it is refused as a whole, or an operation of it is.
    private static func problem(of result: JSONValue, _ error: JSONValue?) -> String? {
        if let error { return words(error) }
        guard case .array(let operations) = result else { return "the answer cannot be read" }
        for operation in operations {
            if let error = operation["error"], error != .null {
                return words(error) + (operation["details"].map { ": \(words($0))" } ?? "")
            }
        }
        return nil
    }

    private static func words(_ json: JSONValue) -> String {
        let text = if case .string(let text) = json { text } else { json.compact }
        return String(text.prefix(200))
    }
}
