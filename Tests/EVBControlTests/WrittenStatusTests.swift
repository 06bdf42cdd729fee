import ControlSamples
import EVBModel
import JSON
import Testing

/// A value as it writes itself, and as the coders write it.
private func isSame<Value: JSONWritable & Encodable>(_ value: Value) -> Bool {
    JSONWriter.octets(of: value) == JSONCoding.encode(value)
}

@Suite struct WrittenStatusTests {
    @Test("SPD-163 a VSI's status writes itself as the coders would write it")
    func vsis() {
        #expect(isSame(Samples.fullVSI) && isSame(Samples.bareVSI))
        // Each member has a value in one of them, and none in another.
        for pick in 0..<256 {
            func has(_ bit: Int) -> Bool { pick >> bit & 1 == 1 }
            var vsi = Samples.fullVSI
            vsi.managerID = has(0) ? "a \"b\"\u{E9}\n" : nil
            vsi.reason = has(1) ? VSIReason.allCases[pick % VSIReason.allCases.count] : nil
            vsi.state = VSIState.allCases[pick % VSIState.allCases.count]
            vsi.link = has(2) ? VSILink(name: "v", kind: has(0) ? .macvlan : nil, mode: has(1) ? .private : nil) : nil
            vsi.warnings = has(3) ? [VSIWarning(kind: .hearsItself, message: "m\\", hint: "h")] : []
            vsi.label = has(4) ? "web 1" : nil
            vsi.requestedLink = has(5) ? VSILink(name: "w") : nil
            vsi.retryInMilliseconds = has(6) ? -pick : nil
            vsi.networks = has(7) ? [VSINetwork(vlan: 7, vni: 1 << 23), VSINetwork(vlan: 8, vni: 1)] : []
            vsi.filters = has(0) ? [] : vsi.filters
            #expect(isSame(vsi), "\(String(decoding: JSONWriter.octets(of: vsi), as: UTF8.self))")
        }
    }

    @Test("SPD-163 numbers, texts and items are written as JSON has them, however long they are")
    func values() {
        var writer = JSONWriter(reserving: 1)
        let numbers = [Int.min, -1_000, -10, -9, -1, 0, 9, 10, 99, 100, 4094, 1_000_000_007, .max]
        let texts = ["", String(repeating: "long ", count: 1000), "a\"b\\c", "\u{E9}", "\u{1}", "~ !"]
        writer.object { writer in
            writer.key("numbers")
            writer.list(numbers) { $0.value($1) }
            writer.key("texts")
            writer.list(texts) { $0.value($1) }
            writer.key("items")
            writer.list(count: 1) { writer, _ in
                writer.begin("[")
                for item in [nil, 1, nil, 2, 3, nil] as [Int?] {
                    let isThere = writer.item { writer in
                        guard let item else { return false }
                        writer.value(item)
                        return true
                    }
                    #expect(isThere == (item != nil))
                }
                writer.begin("]")
            }
            writer.key("plain")
            writer.value(most: 3) { memory in
                memory[0] = UInt8(ascii: "x")
                return 1
            }
        }
        let wanted = JSONValue.object([
            .init("numbers", .array(numbers.map { .number("\($0)") })),
            .init("texts", .array(texts.map { .string($0) })),
            .init("items", .array([.array([.number("1"), .number("2"), .number("3")])])), .init("plain", .string("x")),
        ])
        #expect(String(decoding: writer.octets, as: UTF8.self) == wanted.compact)
        #expect(writer.count == wanted.compact.utf8.count)
    }

    @Test("SPD-163 a status writes itself as the coders would write it")
    func status() {
        #expect(isSame(Samples.status))
        var port = Samples.fullPort
        port.linkState = .missing
        port.misbehaviour = Misbehaviour(refuse: .managerUnreachable, hard: true, dropAcks: 3)
        port.drain = PortDrain(sinceMilliseconds: 1, untilMilliseconds: 2, by: "x")
        port.channel = SChannelStatus(uplink: "eth0", scid: 3, svid: 4)
        var status = Samples.status
        status.ports = [port]
        status.notes = [StatusNote(kind: .reload, isProblem: true, port: nil, message: "m", hint: "h")]
        status.problems = [PortProblem(kind: .bondMember, message: "m", hint: "h")]
        #expect(isSame(status))
    }
}
