import EVBTime
import Testing

@testable import AgentX

/// Objects in a list.
private struct Listed: ObjectSource {
    let bindings: [VarBind]

    func value(of name: ObjectID) -> SNMPValue { bindings.first { $0.name == name }?.value ?? .noSuchInstance }

    func first(in range: SearchRange) -> VarBind? {
        bindings.first { binding in
            (range.includesStart ? binding.name >= range.start : binding.name > range.start)
                && range.end.map { binding.name < $0 } ?? true
        }
    }
}

@Suite struct SessionTests {
    private static let source = Listed(
        bindings: (1...3).map { VarBind([1, 3, UInt32($0), 0], .gauge32(UInt32($0))) })
    private static let settings = AgentXSession.Settings(
        description: "test", subtrees: [.init([1, 3]), .init([1, 4, 5], isInstance: true)], timeoutSeconds: 2)

    private static func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: 0) + .seconds(seconds) }

    private static func response(_ packetID: UInt32, error: UInt16 = 0) -> AgentXPDU {
        AgentXPDU(sessionID: 77, packetID: packetID, .response(error: error, index: 0, []))
    }

    private static func serving() throws -> AgentXSession {
        var (session, open) = AgentXSession.begin(settings, at: at(0))
        #expect(open.body == .open(timeoutSeconds: 2, id: [], description: Array("test".utf8)))
        let first = try #require(try session.take(response(open.packetID), at: at(1), from: source))
        #expect(
            first.body == .register(timeoutSeconds: 2, priority: 127, subtree: [1, 3], isInstance: false)
                && first.sessionID == 77)
        #expect(!session.isServing)
        let second = try #require(try session.take(response(first.packetID), at: at(2), from: source))
        #expect(second.body == .register(timeoutSeconds: 2, priority: 127, subtree: [1, 4, 5], isInstance: true))
        #expect(try session.take(response(second.packetID), at: at(3), from: source) == nil)
        #expect(session.isServing)
        return session
    }

    private static func answer(_ body: AgentXPDU.Body, session: UInt32 = 77, context: [UInt8]? = nil) throws
        -> AgentXPDU.Body?
    {
        var serving = try serving()
        let reply = try serving.take(
            AgentXPDU(sessionID: session, transactionID: 5, packetID: 6, context: context, body), at: at(4),
            from: source)
        #expect(reply == nil || (reply?.transactionID == 5 && reply?.packetID == 6))
        return reply?.body
    }

    @Test("OPS-703 Get, GetNext and GetBulk: names in order, up to the end of the range, and then the end of the view")
    func reads() throws {
        #expect(
            try Self.answer(.get([SearchRange([1, 3, 2, 0]), SearchRange([1, 3, 9])]))
                == .response(
                    error: 0, index: 0, [VarBind([1, 3, 2, 0], .gauge32(2)), VarBind([1, 3, 9], .noSuchInstance)]))
        #expect(
            try Self.answer(
                .getNext([
                    SearchRange([1, 3]), SearchRange([1, 3, 2, 0], includesStart: true), SearchRange([1, 3, 3, 0]),
                    SearchRange([1, 3, 1, 0], end: [1, 3, 2]),
                ]))
                == .response(
                    error: 0, index: 0,
                    [
                        VarBind([1, 3, 1, 0], .gauge32(1)), VarBind([1, 3, 2, 0], .gauge32(2)),
                        VarBind([1, 3, 3, 0], .endOfMIBView), VarBind([1, 3, 1, 0], .endOfMIBView),
                    ]))
        #expect(
            try Self.answer(
                .getBulk(
                    nonRepeaters: 1, maxRepetitions: 9,
                    [SearchRange([1, 3]), SearchRange([1, 3, 1]), SearchRange([1, 3, 2, 0])]))
                == .response(
                    error: 0, index: 0,
                    [
                        VarBind([1, 3, 1, 0], .gauge32(1)),
                        VarBind([1, 3, 1, 0], .gauge32(1)), VarBind([1, 3, 3, 0], .gauge32(3)),
                        VarBind([1, 3, 2, 0], .gauge32(2)), VarBind([1, 3, 3, 0], .endOfMIBView),
                        VarBind([1, 3, 3, 0], .gauge32(3)), VarBind([1, 3, 3, 0], .endOfMIBView),
                        VarBind([1, 3, 3, 0], .endOfMIBView), VarBind([1, 3, 3, 0], .endOfMIBView),
                    ]))
    }

    @Test("OPS-703 a GetBulk that asks for billions gets what one message may hold")
    func bulkLimit() throws {
        let many = Listed(bindings: (0..<5000).map { VarBind([1, 3, UInt32($0)], .null) })
        var session = try Self.serving()
        let ranges = [SearchRange](repeating: SearchRange([1, 3]), count: 3)
        let reply = try session.take(
            AgentXPDU(
                sessionID: 77, packetID: 6, .getBulk(nonRepeaters: 0, maxRepetitions: .max, ranges)),
            at: Self.at(4), from: many)
        guard case .response(0, 0, let bindings)? = reply?.body else {
            Issue.record("\(String(describing: reply))")
            return
        }
        #expect(bindings.count == AgentXSession.bulkMax / 3 * 3)
    }

    @Test("OPS-704 nothing can be written; what is not for this session or context is refused")
    func refusals() throws {
        #expect(try Self.answer(.testSet([VarBind([1, 3, 1, 0], .integer(1))])) == .response(error: 17, index: 1, []))
        #expect(try Self.answer(.commitSet) == .response(error: 14, index: 0, []))
        #expect(try Self.answer(.undoSet) == .response(error: 15, index: 0, []))
        #expect(try Self.answer(.cleanupSet) == nil)
        #expect(try Self.answer(.get([]), session: 1) == .response(error: 257, index: 0, []))
        #expect(try Self.answer(.get([]), context: [65]) == .response(error: 262, index: 0, []))
        #expect(try Self.answer(.other(type: 99)) == .response(error: 268, index: 0, []))
    }

    @Test("OPS-705 a silent master is asked, and is lost if it does not answer; each step has a bound")
    func silence() throws {
        var session = try Self.serving()
        #expect(session.deadline == Self.at(18))
        #expect(try session.tick(at: Self.at(17)) == nil)
        let ping = try #require(try session.tick(at: Self.at(18)))
        #expect(ping.body == .ping && ping.sessionID == 77)
        // Whatever else it says is no answer to the ping.
        _ = try session.take(AgentXPDU(sessionID: 77, packetID: 1, .get([])), at: Self.at(19), from: Self.source)
        #expect(session.deadline == Self.at(28))
        var other = session
        #expect(throws: AgentXSession.Ending.silent) { try other.tick(at: Self.at(28)) }
        #expect(throws: AgentXSession.Ending.forgotten(error: 257)) {
            try session.take(Self.response(ping.packetID, error: 257), at: Self.at(20), from: Self.source)
        }
        #expect(try session.take(Self.response(ping.packetID), at: Self.at(20), from: Self.source) == nil)
        #expect(session.deadline == Self.at(35) && session.isServing)
        var (opening, _) = AgentXSession.begin(Self.settings, at: Self.at(0))
        #expect(throws: AgentXSession.Ending.silent) { try opening.tick(at: Self.at(10)) }
    }

    @Test("OPS-705 a session that the master refuses or closes is over, and says why")
    func endings() throws {
        var (opening, open) = AgentXSession.begin(Self.settings, at: Self.at(0))
        // An answer to something else.
        #expect(try opening.take(Self.response(open.packetID + 1), at: Self.at(0), from: Self.source) == nil)
        var refused = opening
        #expect(throws: AgentXSession.Ending.openRefused(error: 256)) {
            try refused.take(Self.response(open.packetID, error: 256), at: Self.at(0), from: Self.source)
        }
        let register = try #require(
            try opening.take(Self.response(open.packetID), at: Self.at(0), from: Self.source))
        #expect(throws: AgentXSession.Ending.registrationRefused([1, 3], error: 263)) {
            try opening.take(Self.response(register.packetID, error: 263), at: Self.at(0), from: Self.source)
        }
        var session = try Self.serving()
        #expect(throws: AgentXSession.Ending.closed(reason: 5)) {
            try session.take(
                AgentXPDU(sessionID: 77, packetID: 1, .close(reason: 5)), at: Self.at(4), from: Self.source)
        }
    }
}
