import EVBTime

@testable import AgentX
@testable import EVBMIB

/// The session of evbd-snmp with a master that sends what it likes, in portions, and the objects behind it.
enum AgentXDriver {
    /// A table with gaps, indexes that begin others, and the largest number; and scalars.
    private static let tables: [ObjectTree.Table] = {
        var scalars = ObjectTree.Table([1, 3, 6, 1, 1], columns: [1, 3])
        scalars.add([0], [.integer(-1), .octets([0x65, 0x76, 0x62])])
        var table = ObjectTree.Table([1, 3, 6, 1, 2, 1], columns: [1, 2, 5])
        table.add([3], [.counter32(7), nil, .timeTicks(9)])
        table.add([1], [nil, .counter64(.max), .null])
        table.add([1, 2], [.gauge32(1), .opaque([]), nil])
        table.add([.max], [.objectID([1, 3, 6, 1]), .address([127, 0, 0, 1]), .integer(.max)])
        return [scalars, table]
    }()
    private static let tree = ObjectTree(tables)
    /// The same objects as a list in order, which is searched from its beginning.
    private static let objects: [VarBind] = tables.flatMap { table in
        table.rows.flatMap { row in
            zip(table.columns, row.cells).compactMap { column, cell in
                cell.map { VarBind(table.entry.appending([column] + row.index), $0) }
            }
        }
    }.sorted { $0.name < $1.name }

    static func run(_ input: [UInt8]) {
        var input = DriverInput(input)
        let first = input.next()
        let stream = input.octets(.max)
        let whole = messages(stream, portion: max(stream.count, 1))
        let portion = Int(first & 0x0F) + 1
        require(whole == messages(stream, portion: portion), "portions of \(portion) make other messages")
        for pdu in whole { require(read(pdu.octets) == [pdu], "\(pdu) is written as another message") }

        let settings = AgentXSession.Settings(
            description: "evbd", subtrees: [.init([1, 3, 6, 1, 1], isInstance: true), .init([1, 3, 6, 1, 2])])
        var now = Instant(nanoseconds: 1_000_000_000)
        var (session, open) = AgentXSession.begin(settings, at: now)
        require(read(open.octets) == [open], "\(open) is written as another message")
        // Mostly the master has taken the session before it does what it likes.
        if first & 0x80 == 0 {
            for packetID in 1...3 as ClosedRange<UInt32> {
                let taken = AgentXPDU(sessionID: 7, packetID: packetID, .response(error: 0, index: 0, []))
                _ = try? session.take(taken, at: now, from: tree)
            }
            require(session.isServing, "a session that was taken does not serve")
        }
        do throws(AgentXSession.Ending) {
            for pdu in whole {
                if first & 0x40 != 0 {
                    // As evbd-snmp does: what is due is done when it is due.
                    now = session.deadline
                    if let sent = try session.tick(at: now) { require(read(sent.octets) == [sent], "\(sent)") }
                }
                if let answer = try session.take(pdu, at: now, from: tree) { check(answer, to: pdu) }
                require(session.deadline > now, "what is due is never done")
            }
        } catch {
            return
        }
    }

    /// The messages of a stream until it ends or breaks off.
    private static func messages(_ stream: [UInt8], portion: Int) -> [AgentXPDU] {
        var decoder = AgentXDecoder()
        var messages: [AgentXPDU] = []
        do throws(AgentXError) {
            for start in stride(from: 0, to: stream.count, by: portion) {
                decoder.append(Array(stream[start..<min(start + portion, stream.count)]))
                while let message = try decoder.next() { messages.append(message) }
            }
        } catch {
            requirePrintable("\(error)", longest: 100)
        }
        return messages
    }

    private static func read(_ octets: [UInt8]) -> [AgentXPDU] { messages(octets, portion: max(octets.count, 1)) }

    private static func check(_ answer: AgentXPDU, to pdu: AgentXPDU) {
        require(read(answer.octets) == [answer], "\(answer) is written as another message")
        if case .register = answer.body { return }
        require(
            (answer.sessionID, answer.transactionID, answer.packetID)
                == (pdu.sessionID, pdu.transactionID, pdu.packetID), "an answer to something else")
        guard case .response(let error, _, let bindings) = answer.body else { fatalError("\(answer) is no answer") }
        guard error == 0 else { return require(bindings.isEmpty, "an error with objects") }
        switch pdu.body {
        case .get(let ranges):
            let expected = ranges.map { range in objects.first { $0.name == range.start } }
            require(bindings.map(\.name) == ranges.map(\.start), "others than were asked for")
            for (binding, object) in zip(bindings, expected) {
                let isThere = binding.value != .noSuchObject && binding.value != .noSuchInstance
                require(isThere ? binding == object : object == nil, "\(binding) for \(String(describing: object))")
            }
        case .getNext(let ranges): require(bindings == ranges.map(next), "other objects come next")
        case .getBulk(let nonRepeaters, _, let ranges):
            require(bindings.count <= max(ranges.count, AgentXSession.bulkMax), "\(bindings.count) objects at once")
            let first = ranges.prefix(Int(nonRepeaters))
            require(Array(bindings.prefix(first.count)) == first.map(next), "other objects come next")
            var places = Array(ranges.dropFirst(first.count))
            for (number, binding) in bindings.dropFirst(first.count).enumerated() {
                let column = number % places.count
                require(binding == next(places[column]), "other objects follow")
                places[column].start = binding.name
                places[column].includesStart = false
            }
        default: break
        }
    }

    private static func next(_ range: SearchRange) -> VarBind {
        let found = objects.first { range.includesStart ? $0.name >= range.start : $0.name > range.start }
        guard let found, range.end.map({ found.name < $0 }) ?? true else {
            return VarBind(range.start, .endOfMIBView)
        }
        return found
    }
}
