import Testing

@testable import evbctl

/// Tables as they stand on a terminal.
@Suite struct TableTests {
    private let rows = [
        [Cell("eth0"), Cell("granted", .good), Cell("2")], [Cell("enp130s0f1"), Cell("", .bad), Cell("")],
        [Cell(""), Cell(""), Cell("13")],
    ]

    @Test func columnsLineUpAndNoLineEndsInSpaces() {
        let table = Table(heading: ["Port", "Relay", "VSIs"], rows: rows)
        #expect(
            table.rendered(colour: false) == """
                Port        Relay    VSIs
                eth0        granted  2
                enp130s0f1
                                     13
                """)
    }

    @Test func coloursTakeNoRoom() {
        let table = Table(heading: ["Port", "Relay", "VSIs"], rows: rows)
        let coloured = table.rendered(colour: true)
        #expect(coloured.contains("eth0        \u{1B}[32mgranted\u{1B}[0m  2"))
        // A cell without text has no colour either.
        #expect(coloured.contains("\nenp130s0f1\n"))
        var plain = coloured
        for style in ["32", "31", "1", "0"] { plain = plain.split(separator: "\u{1B}[\(style)m").joined() }
        #expect(plain == table.rendered(colour: false))
    }

    @Test func rowsOfDifferentLengthsAndNoHeading() {
        #expect(Table(heading: []).rendered(colour: true) == "")
        let table = Table(heading: [], rows: [[Cell("a")], [Cell("bb"), Cell("c")], []])
        #expect(table.rendered(colour: false) == "a\nbb  c\n")
    }

    @Test func whatATerminalWouldObeyIsShownAsText() {
        #expect(Cell("a\u{1B}[31mb\u{202E}").text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x202E })
        #expect(Cell("a\nb").text.contains("\n") == false)
    }
}
