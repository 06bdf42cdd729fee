import Testing

@testable import LldpadFile

private func parse(_ text: String) throws -> LibconfigGroup { try LibconfigGroup(parsing: Array(text.utf8)) }

@Suite struct LibconfigTests {
    @Test(
        "OPS-811 scalars of libconfig",
        arguments: [
            ("true", .boolean(true)), ("FALSE", .boolean(false)), ("7", .integer(7)), ("-1", .integer(-1)),
            ("+12", .integer(12)), ("0x1F", .integer(31)), ("0b101", .integer(5)), ("0o17", .integer(15)),
            ("5L", .integer(5)), ("9223372036854775807LL", .integer(.max)), ("0xFFFFFFFFFFFFFFFFL", .integer(-1)),
            ("1.5", .float(1.5)), ("-2e-3", .float(-0.002)), (".5", .float(0.5)), ("1E+2", .float(100)),
            (#""a b""#, .string("a b")), (#""a" "b" /* c */ "c""#, .string("abc")),
            (#""\"\\\n\t\x41""#, .string("\"\\\n\tA")), (#""""#, .string("")),
        ] as [(String, LibconfigValue.Content)])
    func scalars(text: String, expected: LibconfigValue.Content) throws {
        #expect(try parse("value = \(text);")["value"]?.content == expected)
        #expect(try parse("value : \(text)")["value"]?.content == expected)
    }

    @Test("OPS-811 groups, lists, arrays, comments and ends of settings")
    func structure() throws {
        let file = try parse(
            """
            # a comment; with = marks
            a : { b = 1, c = 2; d : { true = 3 } }  // to the end of the line
            list = ( 1, "two", { three = 3; }, [ ] );
            array = [ 1, 2, ];
            *-_9 = "name"
            """)
        #expect(file.settings.map(\.name) == ["a", "list", "array", "*-_9"])
        #expect(file.group("a")?.settings.map(\.name) == ["b", "c", "d"])
        #expect(file.group("a")?.group("d")?["true"]?.content == .integer(3))
        guard case .list(let list)? = file["list"]?.content, case .list(let array)? = file["array"]?.content else {
            Issue.record("\(file)")
            return
        }
        #expect(list.count == 4 && array.map(\.line) == [4, 4])
        #expect(try parse("").settings.isEmpty && parse("/* */ # \n").settings.isEmpty)
    }

    @Test(
        "OPS-811 what is not libconfig's is refused with its line",
        arguments: [
            ("a = 1;\nb", 2, "neither = nor :"), ("a = \n\n;", 3, "where a value is due"),
            ("{", 1, "name of a setting"),
            ("a : {\n b = 1;\n", 3, "} is missing"), ("a = \"b\n", 1, "string that has no end"),
            ("\n/* a\n", 2, "comment that has no end"), ("a = 1; a = 2", 1, "a is given twice"),
            ("@include \"/etc/shadow\"", 1, "@include"), ("a = 1x;", 1, "no number"),
            ("a = 9223372036854775808;", 1, "no number"), ("a = 1e999;", 1, "no number"), ("a = [ { } ];", 1, "array"),
            ("a = ( 1 2 );", 1, "a , or )"), (#"a = "\q";"#, 1, "no escape"), (#"a = "\x4";"#, 1, "hexadecimal"),
            ("a = $;", 1, "begins nothing"), ("a = 1;;", 1, "name of a setting"), ("1 = 1;", 1, "name of a setting"),
            ("a = b;", 1, "where a value is due"), ("a = \u{1}", 1, "octet 1"),
        ])
    func mistakes(text: String, line: Int, problem: String) {
        let error = #expect(throws: LibconfigError.self) { try parse(text) }
        #expect(error?.line == line && error?.problem.contains(problem) == true, "\(String(describing: error))")
    }

    @Test("OPS-811 a file is bounded in size and depth")
    func bounds() throws {
        let depth = LibconfigGroup.maximumDepth - 2
        #expect(throws: Never.self) {
            try parse(String(repeating: "a:{", count: depth) + "b=1" + String(repeating: "}", count: depth))
        }
        for open in ["a:{", "a=("] {
            let more = open == "a=(" ? "(" : open
            let error = #expect(throws: LibconfigError.self) {
                try parse(open + String(repeating: more, count: 100_000))
            }
            #expect(error?.problem.contains("deeper") == true)
        }
        let large = [UInt8](repeating: 0x20, count: LibconfigGroup.maximumOctets + 1)
        let error = #expect(throws: LibconfigError.self) { try LibconfigGroup(parsing: large) }
        #expect(error?.problem.contains("larger") == true)
        #expect(try LibconfigGroup(parsing: Array(large.dropLast())).settings.isEmpty)
    }
}
