import EVBWire
import JSON
import Testing

@testable import OVSDB

extension OVSDBSession {
    mutating func receive(_ octets: some Sequence<UInt8>) throws -> [Event] {
        var events: [Event] = []
        try receive(octets, &events)
        return events
    }
}

/// What Open vSwitch 3.1 has sent, and a server that speaks by hand.
@Suite struct OVSDBSessionTests {
    static let (bridgeID, portID, interfaceID) = (
        "b0000000-0000-4000-8000-000000000001", "a0000000-0000-4000-8000-000000000001",
        "1f000000-0000-4000-8000-000000000001"
    )
    static let noTransaction = "00000000-0000-0000-0000-000000000000"

    /// A bridge with one tap of a machine.
    static let rows = """
        {"Bridge":{"\(bridgeID)":{"initial":{"name":"br0","datapath_type":"netdev","ports":["uuid","\(portID)"]}}},\
        "Port":{"\(portID)":{"initial":{"name":"vnet0","tag":42,"interfaces":["uuid","\(interfaceID)"]}}},\
        "Interface":{"\(interfaceID)":{"initial":{"name":"vnet0","ifindex":7,"external_ids":["map",[\
        ["attached-mac","52:54:00:11:22:33"],["iface-id","09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f"],["port-profile","web"]]]}}}}
        """

    static func reply(_ id: Int, _ result: String, error: String = "null") -> String {
        #"{"id":\#(id),"result":\#(result),"error":\#(error)}"#
    }

    /// A session that knows `rows`.
    static func ready() throws -> OVSDBSession {
        var session = OVSDBSession()
        session.outgoing = []
        let events = try session.receive(reply(1, #"[false,"\#(noTransaction)",\#(rows)]"#).utf8)
        #expect(events == [.ready(["vnet0"])])
        return session
    }

    static func update(_ updates: String, transaction: String = noTransaction) -> String {
        #"{"method":"update3","params":["evbd","\#(transaction)",\#(updates)],"id":null}"#
    }

    static func interface(_ change: String) -> String { #"{"Interface":{"\#(interfaceID)":\#(change)}}"# }

    @Test("OVL-101 the first rows of an Open vSwitch become an interface with bridge, VLAN, machine and profile")
    func rows() throws {
        let port = try #require(try Self.ready().table.ports["vnet0"])
        #expect(port.bridge == "br0")
        #expect(port.isUserspace)
        #expect(!port.forwardsBPDU)
        #expect(port.tag == 42)
        #expect(port.linkIndex == 7)
        #expect(port.attachedMAC == MACAddress("52:54:00:11:22:33"))
        #expect(port.interfaceID == "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f")
        #expect(port.profile == "web")
        #expect(port.row == Self.interfaceID)
    }

    @Test("OVL-102 the monitor is asked for by monitor_cond_since, and by monitor_cond where that is not known")
    func fallback() throws {
        var session = OVSDBSession()
        let first = String(decoding: session.outgoing, as: UTF8.self)
        #expect(first.contains(#""method":"monitor_cond_since""#))
        #expect(first.contains(Self.noTransaction))
        session.outgoing = []
        let unknown = #"{"error":"unknown method","details":"monitor_cond_since"}"#
        #expect(try session.receive(Self.reply(1, "null", error: unknown).utf8).isEmpty)
        #expect(String(decoding: session.outgoing, as: UTF8.self).contains(#""method":"monitor_cond","#))
        #expect(try session.receive(Self.reply(2, Self.rows).utf8) == [.ready(["vnet0"])])
        // Updates have no number then.
        let gone = #"{"method":"update2","params":["evbd",\#(Self.interface(#"{"delete":null}"#))],"id":null}"#
        #expect(try session.receive(gone.utf8) == [.changed(["vnet0"])])
        #expect(session.lastTransaction == nil)
    }

    @Test("OVL-103 differences of an optional number, of a map and of a set are applied")
    func differences() throws {
        var session = try Self.ready()
        // The machine's link goes, as at a virsh destroy.
        #expect(
            try session.receive(Self.update(Self.interface(#"{"modify":{"ifindex":0}}"#)).utf8)
                == [.changed(["vnet0"])])
        #expect(session.table.ports["vnet0"]?.linkIndex == nil)
        // One pair goes, one changes, one comes.
        let ids = #"[["port-profile","web"],["iface-id","other"],["evb-status","pending"],["vm-id","x"]]"#
        _ = try session.receive(Self.update(Self.interface(#"{"modify":{"external_ids":["map",\#(ids)]}}"#)).utf8)
        let port = try #require(session.table.ports["vnet0"])
        #expect(port.profile == nil)
        #expect(port.interfaceID == "other")
        #expect(port.verdict == SwitchPort.Verdict(status: "pending"))
        // A tag goes from 42 to 43, and away: the server tells the new value of what may be missing, and no difference.
        for (difference, tag) in [("43", 43), (#"["set",[]]"#, nil)] as [(String, UInt16?)] {
            let change = #"{"Port":{"\#(Self.portID)":{"modify":{"tag":\#(difference)}}}}"#
            _ = try session.receive(Self.update(change).utf8)
            #expect(session.table.ports["vnet0"]?.tag == tag)
        }
        // The port leaves its bridge.
        let change = #"{"Bridge":{"\#(Self.bridgeID)":{"modify":{"ports":["uuid","\#(Self.portID)"]}}}}"#
        #expect(try session.receive(Self.update(change).utf8) == [.changed(["vnet0"])])
        #expect(session.table.ports.isEmpty)
        #expect(session.table.bridgeNames == ["br0"])
    }

    @Test("OVL-104 each cut of the stream gives the same events and the same table")
    func cuts() throws {
        let stream = Array(
            (Self.reply(1, #"[false,"\#(Self.noTransaction)",\#(Self.rows)]"#) + " \n"
                + #"{"id":"echo","method":"echo","params":["\"}{[\\",[]]}"#
                + Self.update(Self.interface(#"{"modify":{"ifindex":["set",[]]}}"#))
                + Self.update(Self.interface(#"{"delete":null}"#), transaction: Self.bridgeID)).utf8)
        func run(_ parts: [ArraySlice<UInt8>]) throws -> ([OVSDBSession.Event], OVSDBSession) {
            var session = OVSDBSession()
            return (try parts.flatMap { try session.receive($0) }, session)
        }
        let (events, whole) = try run([stream[...]])
        #expect(events == [.ready(["vnet0"]), .changed(["vnet0"]), .changed(["vnet0"])])
        #expect(whole.lastTransaction == Self.bridgeID)
        for cut in 0...stream.count {
            let (parted, session) = try run([stream[..<cut], stream[cut...]])
            #expect(parted == events, "cut at \(cut)")
            #expect(session.outgoing == whole.outgoing, "cut at \(cut)")
            #expect(session.table.ports == whole.table.ports, "cut at \(cut)")
        }
        #expect(try run(stream.indices.map { stream[$0...$0] }).0 == events)
    }

    @Test("OVL-105 an echo is answered with what it carried")
    func echo() throws {
        var session = try Self.ready()
        #expect(try session.receive(#"{"method":"echo","params":[1,"x"],"id":"echo"}"#.utf8).isEmpty)
        #expect(String(decoding: session.outgoing, as: UTF8.self) == #"{"result":[1,"x"],"error":null,"id":"echo"}"#)
        session.outgoing = []
        _ = try session.receive(#"{"method":"list_dbs","params":[],"id":3}"#.utf8)
        #expect(String(decoding: session.outgoing, as: UTF8.self).contains("unknown method"))
    }

    @Test("OVL-106 what is no JSON, too deep, not asked for or not to be read ends the connection and leaves the table")
    func failures() throws {
        let deep = String(repeating: "[", count: 40)
        for bad in [
            "x", "[]", #"{"id":1,"# + "}", #"{"id":99,"result":null,"error":null}"#, "{\"a\":" + deep,
            #"{"method":"update2","params":["other",{}],"id":null}"#,
            #"{"method":"monitor_canceled","params":["evbd"]}"#,
            Self.update(Self.interface(#"{"modify":{"ifindex":"seven"}}"#)), Self.update("[]"),
            Self.update(Self.interface(#"{"modify":{"external_ids":["map",[["iface-id",5]]]}}"#)),
            Self.update(#"{"Interface":{"short":{"initial":{}}}}"#),
        ] {
            var session = try Self.ready()
            #expect(throws: OVSDBSession.Failure.self, "\(bad)") { _ = try session.receive(bad.utf8) }
            #expect(session.table.ports.count == 1, "\(bad)")
        }
        var early = OVSDBSession()
        #expect(throws: OVSDBSession.Failure.self) { _ = try early.receive(Self.update("{}").utf8) }
        var refused = OVSDBSession()
        #expect(throws: OVSDBSession.Failure.self) {
            _ = try refused.receive(Self.reply(1, "null", error: #"{"error":"unknown database"}"#).utf8)
        }
    }

    @Test("OVL-107 a message without an end, and rows without an end, are bounded")
    func bounds() throws {
        var stream = JSONStream(limit: 100)
        stream.append("{\"a\":\"".utf8)
        #expect(try stream.next() == nil)
        stream.append(Array(repeating: UInt8(ascii: "x"), count: 200))
        #expect(throws: JSONStream.Mistake.tooLong(limit: 100)) { try stream.next() }

        func id(_ number: Int) -> String {
            "1f000000-0000-4000-8000-" + String(repeating: "0", count: 12 - "\(number)".count) + "\(number)"
        }
        var session = try Self.ready()
        let rows = (0..<SwitchTable.rowsMax + 10).map { #""\#(id($0 + 100))":{"insert":{"name":"i\#($0)"}}"# }
        _ = try session.receive(Self.update(#"{"Interface":{\#(rows.joined(separator: ","))}}"#).utf8)
        #expect(session.table.isTruncated)
        #expect(session.table.ports["vnet0"] != nil)
        // A name that is no link's, and a value that is no name's.
        let long = String(repeating: "y", count: 300)
        _ = try session.receive(
            Self.update(Self.interface(#"{"modify":{"external_ids":["map",[["iface-id","\#(long)"]]]}}"#)).utf8)
        #expect(session.table.ports["vnet0"]?.interfaceID == nil)
    }

    @Test("OVL-108 after a lost connection rows are told again, or what has changed since; both give the right names")
    func reconnected() throws {
        let old = try Self.ready()
        var whole = OVSDBSession(table: old.table, lastTransaction: Self.bridgeID)
        #expect(String(decoding: whole.outgoing, as: UTF8.self).contains(Self.bridgeID))
        let others = Self.rows.replacing("vnet0", with: "vnet1")
        #expect(
            try whole.receive(Self.reply(1, #"[false,"\#(Self.noTransaction)",\#(others)]"#).utf8)
                == [.ready(["vnet0", "vnet1"])])
        var part = OVSDBSession(table: old.table, lastTransaction: Self.bridgeID)
        let gone = Self.interface(#"{"delete":null}"#)
        #expect(
            try part.receive(Self.reply(1, #"[true,"\#(Self.portID)",\#(gone)]"#).utf8) == [.ready(["vnet0"])])
        #expect(part.table.ports.isEmpty)
        #expect(part.lastTransaction == Self.portID)
    }

    @Test("OVL-109 a verdict is one mutation of evbd's own keys, and its refusal is an event")
    func verdicts() throws {
        var session = try Self.ready()
        session.write(SwitchPort.Verdict(status: "refused", reason: "it \"says\" no"), row: Self.interfaceID)
        let sent = try JSONValue(parsing: session.outgoing)
        #expect(sent["method"] == .string("transact"))
        let text = sent.compact
        #expect(text.contains(#"["external_ids","delete",["set",["evb-status","evb-reason"]]]"#))
        #expect(
            text.contains(
                #"["external_ids","insert",["map",[["evb-status","refused"],["evb-reason","it \"says\" no"]]]]"#))
        #expect(
            try session.receive(Self.reply(2, #"[{"count":1}]"#).utf8) == [
                .written(row: Self.interfaceID, problem: nil)
            ])
        session.write(SwitchPort.Verdict(), row: Self.interfaceID)
        let failed = #"[{"error":"permission error","details":"no"}]"#
        #expect(
            try session.receive(Self.reply(3, failed).utf8)
                == [.written(row: Self.interfaceID, problem: "permission error: no")])
    }
}
