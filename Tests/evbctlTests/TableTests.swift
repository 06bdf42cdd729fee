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

    private func wide() -> (Table, [Table.Give]) {
        var table = Table(heading: ["VSI", "FILTER", "LINK"])
        table.rows = [
            [Cell("5ab5c6a6-9f4b"), Cell("mac=52:54:00:00:c7:3e,vlan=100", .bad), Cell("vm1")],
            [Cell("x"), Cell(""), Cell("")],
        ]
        let gives = [
            Table.Give(importance: 9), Table.Give(importance: 1, minimum: 10), Table.Give(importance: 5, minimum: 3),
        ]
        return (table, gives)
    }

    @Test(
        "OPS-405 a table fits the width: columns are cut as far as they may be, then those that matter least are left out"
    )
    func fitting() {
        for width in 1...60 {
            var (table, gives) = wide()
            let hidden = table.fit(width, gives)
            let widest = table.rendered(colour: false).split(separator: "\n").map(\.count).max() ?? 0
            #expect(widest <= width || table.heading == ["VSI"], "\(width): \(table.rendered(colour: false))")
            #expect(hidden == (width >= 30 ? [] : width >= 18 ? ["FILTER"] : ["FILTER", "LINK"]), "\(width)")
        }
        var (table, gives) = wide()
        _ = table.fit(40, gives)
        #expect(
            table.rendered(colour: false) == """
                VSI            FILTER               LINK
                5ab5c6a6-9f4b  mac=52:54:00:00:c7…  vm1
                x
                """)
    }

    @Test("OPS-405 wide characters take two columns, and marks none")
    func widths() {
        let table = Table(
            heading: ["A", "B"], rows: [[Cell("\u{65e5}\u{672c}"), Cell("x")], [Cell("e\u{301}"), Cell("y")]])
        #expect(table.rendered(colour: false) == "A     B\n\u{65e5}\u{672c}  x\ne\u{301}     y")
    }

    @Test("OPS-405 columns are chosen, rows sorted with numbers by their values, headings left out")
    func views() {
        let columns = [
            Column<String>("name", importance: 1) { Cell($0) },
            Column<String>("length", importance: 2, isShown: { _ in false }) { Cell("\($0.count)") },
        ]
        let presenter = Presenter(colour: false)
        let rows = ["eth10", "b", "eth9", "a"]
        #expect(presenter.list(rows, columns, TableView()) == "NAME\neth10\nb\neth9\na")
        var view = TableView(columns: ["length", "name"], sort: ["length", "name"], hasHeading: false)
        #expect(presenter.list(rows, columns, view) == "1  a\n1  b\n4  eth9\n5  eth10")
        view = TableView(sort: ["name"], isReversed: true, isWide: true)
        #expect(presenter.list(rows, columns, view) == "NAME   LENGTH\neth10  5\neth9   4\nb      1\na      1")
        #expect(TableView.isBefore("eth9", "eth10") && !TableView.isBefore("eth10", "eth9"))
        #expect(TableView.isBefore("a", "a1") && !TableView.isBefore("a", "a") && TableView.isBefore("x007", "x8"))
    }
}
