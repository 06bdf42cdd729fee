import JSON
import Testing

@testable import EVBControl

@Suite struct VarlinkWireTests {
    private func octets(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func messagesInAnyPortions() throws {
        let stream = octets("{\"method\":\"a.B\"}\0{\"method\":\"a.C\"}\0{\"meth")
        for portion in 1...stream.count {
            var decoder = VarlinkDecoder(limit: 100)
            var messages: [[UInt8]] = []
            for start in stride(from: 0, to: stream.count, by: portion) {
                decoder.append(Array(stream[start..<min(start + portion, stream.count)]))
                while let message = try decoder.next() { messages.append(message) }
            }
            #expect(messages == [octets("{\"method\":\"a.B\"}"), octets("{\"method\":\"a.C\"}")])
            #expect(decoder.count == 6)
        }
    }

    @Test func messagesAreBounded() throws {
        var decoder = VarlinkDecoder(limit: 10)
        decoder.append([UInt8](repeating: 0x20, count: 10))
        #expect(try decoder.next() == nil)
        #expect(!decoder.isFull)
        decoder.append([0])
        #expect(try decoder.next()?.count == 10)
        decoder.append([UInt8](repeating: 0x20, count: 11))
        #expect(decoder.isFull)
        #expect(throws: VarlinkError.oversized(limit: 10)) { try decoder.next() }
        var ended = VarlinkDecoder(limit: 10)
        ended.append([UInt8](repeating: 0x20, count: 11) + [0])
        #expect(throws: VarlinkError.oversized(limit: 10)) { try ended.next() }
    }

    @Test func whatHasBeenTakenIsNotKept() throws {
        var decoder = VarlinkDecoder(limit: 1000)
        let message = [UInt8](repeating: 0x20, count: 1000) + [0]
        for _ in 0..<1000 {
            decoder.append(message)
            #expect(try decoder.next()?.count == 1000)
            #expect(decoder.count == 0)
        }
    }

    @Test("SPD-300 a client that has sent thousands of calls at once holds no room for them once all are taken")
    func roomIsGivenBack() throws {
        var decoder = VarlinkDecoder(limit: 1000)
        let message = [UInt8](repeating: 0x20, count: 999) + [0]
        for _ in 0..<1000 { decoder.append(message) }
        // As a connection asks: as long as there is something.
        while decoder.count > 0 { #expect(try decoder.next()?.count == 999) }
        #expect(decoder.capacity <= 65_536)
        decoder.append(message)
        #expect(try decoder.next()?.count == 999)
    }

    @Test func callsGoThereAndBack() throws {
        let calls = [
            VarlinkCall(method: "io.evbd.GetStatus"),
            VarlinkCall(
                method: "io.evbd.Monitor", parameters: .object([.init("a", .string("\u{0}\n\"\u{7F}é"))]),
                oneway: true, more: true, upgrade: true),
        ]
        for call in calls {
            let octets = call.octets
            #expect(octets.firstIndex(of: 0) == octets.count - 1)
            #expect(try VarlinkCall(message: octets.dropLast()) == call)
        }
        #expect(calls[0].octets == Array("{\"method\":\"io.evbd.GetStatus\",\"parameters\":{}}\0".utf8))
    }

    @Test func repliesGoThereAndBack() throws {
        let replies = [
            VarlinkReply(),
            VarlinkReply(parameters: .object([.init("n", .number("1.50e3"))]), continues: true),
            VarlinkReply(parameters: .object([.init("x", .null)]), error: "io.evbd.Busy"),
        ]
        for reply in replies { #expect(try VarlinkReply(message: reply.octets.dropLast()) == reply) }
    }

    @Test func whatIsNoCall() {
        let cases: [(String, VarlinkError)] = [
            ("", .json(.malformed(offset: 0))), ("{", .json(.malformed(offset: 1))), ("[]", .shape("no object")),
            ("{}", .shape("a call needs a method")), ("{\"method\":5}", .shape("a call needs a method")),
            ("{\"method\":\"a\",\"parameters\":[]}", .shape("parameters is not an object")),
            ("{\"method\":\"a\",\"more\":1}", .shape("more is not a Boolean")),
            ("{\"method\":\"a\"} x", .json(.malformed(offset: 15))),
            ("{\"method\":\"a\",\"method\":\"b\"}", .json(.duplicateKey("method"))),
            (String(repeating: "[", count: 100_000), .json(.tooDeep(offset: 32))),
        ]
        for (text, error) in cases {
            #expect(throws: error, "\(text.prefix(40))") { try VarlinkCall(message: octets(text)) }
        }
    }
}

@Suite struct JSONValueTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test func everyKindOfValue() throws {
        let text =
            " { \"a\" : [ null , true , false , -0.5e+10, \"\\u00e9\\ud83d\\ude00\\n\\/\" ] , "
            + "\"b\" : { } , \"c\":[] } "
        let value = try parse(text)
        #expect(
            value
                == .object([
                    .init("a", .array([.null, .bool(true), .bool(false), .number("-0.5e+10"), .string("é😀\n/")])),
                    .init("b", .object([])), .init("c", .array([])),
                ]))
        #expect(value.compact == "{\"a\":[null,true,false,-0.5e+10,\"é😀\\n/\"],\"b\":{},\"c\":[]}")
        #expect(
            value.pretty == """
                {
                  "a": [
                    null,
                    true,
                    false,
                    -0.5e+10,
                    "é😀\\n/"
                  ],
                  "b": {},
                  "c": []
                }
                """)
        #expect(try parse(value.pretty) == value)
    }

    @Test(arguments: [
        "", " ", "nul", "truee", "01", "-", "1.", ".5", "1e", "+1", "\"", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"",
        "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\n\"", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}",
        "'a'",
        "[", "{\"a\":1", "\"\\", "NaN", "1 2",
    ]) func whatIsNoJSON(_ text: String) {
        #expect(throws: JSONError.self) { try parse(text) }
    }

    @Test func octetsThatAreNoText() {
        #expect(throws: JSONError.malformed(offset: 1)) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x00]) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0x00, 0x22]) }
    }

    @Test func depthIsBounded() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(try parse(nested(JSONValue.maximumDepth)) != .null)
        #expect(throws: JSONError.tooDeep(offset: 32)) { try parse(nested(JSONValue.maximumDepth + 1)) }
    }

    @Test func anyOctetsAreSurvived() {
        var state: UInt64 = 20_261_121
        let alphabet = Array("{}[]\",:\\u0019ed.tfn -+\u{1}é".utf8)
        for _ in 0..<20_000 {
            var octets: [UInt8] = []
            for _ in 0..<24 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                octets.append(alphabet[Int(state >> 33) % alphabet.count])
            }
            // What is taken has to come back the same from its own text.
            if let value = try? JSONValue(parsing: octets) {
                #expect((try? JSONValue(parsing: Array(value.compact.utf8))) == value)
            }
        }
    }
}
