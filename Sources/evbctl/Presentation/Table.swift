// Columns that line up. Widths are of what is seen: colours count for nothing, and no line ends in spaces.

internal import TerminalText

/// A colour with a meaning.
enum Style: String {
    case plain = ""
    case good = "32"
    case warning = "33"
    case bad = "31"
    case heading = "1"
    case faint = "2"
}

/// A text with a colour, safe to show.
struct Cell: Equatable {
    let text: String
    let style: Style

    init(_ text: String, _ style: Style = .plain) {
        self.text = printable(text)
        self.style = style
    }

    func rendered(colour: Bool) -> String {
        colour && style != .plain && !text.isEmpty ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }
}

/// Rows of cells below a heading.
struct Table {
    var heading: [String]
    var rows: [[Cell]] = []

    /// What may become of a column where a terminal is too narrow.
    struct Give: Equatable {
        /// The column with the smallest is cut, and then left out, first.
        var importance: Int
        /// The fewest columns of the terminal to which it may be cut; nil for one that is shown whole or not at all.
        var minimum: Int?
    }

    /// The lines, without a line end after the last.
    func rendered(colour: Bool) -> String {
        let all = (heading.isEmpty ? [] : [heading.map { Cell($0, .heading) }]) + rows
        let widths = Self.widths(all)
        return all.map { row in
            // Cells at the end that are empty would leave the padding of those before them.
            let last = row.lastIndex { !$0.text.isEmpty } ?? -1
            return row.prefix(last + 1).enumerated().map { column, cell in
                let padding = column == last ? 0 : widths[column] - displayWidth(cell.text) + 2
                return cell.rendered(colour: colour) + String(repeating: " ", count: padding)
            }.joined()
        }.joined(separator: "\n")
    }

    private static func widths(_ rows: [[Cell]]) -> [Int] {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], displayWidth(cell.text))
            }
        }
        return widths
    }

    /// Cuts and leaves out columns until the table fits a width. One column always stays.
    ///
    /// - Parameters:
    ///   - width: columns of the terminal.
    ///   - gives: what may become of each column.
    /// - Returns: the headings of the columns that were left out.
    mutating func fit(_ width: Int, _ gives: [Give]) -> [String] {
        var gives = gives
        var hidden: [String] = []
        while heading.count > 1 {
            var widths = Self.widths([heading.map { Cell($0) }] + rows)
            var excess = widths.reduce(0, +) + 2 * (widths.count - 1) - width
            guard excess > 0 else { break }
            let cutFirst = gives.indices.sorted { gives[$0].importance < gives[$1].importance }
            let most = gives.indices.reduce(0) { $0 + max(widths[$1] - (gives[$1].minimum ?? widths[$1]), 0) }
            if most >= excess {
                for column in cutFirst {
                    let cut = min(excess, max(widths[column] - (gives[column].minimum ?? widths[column]), 0))
                    widths[column] -= cut
                    excess -= cut
                }
                cut(to: widths)
                break
            }
            let least = cutFirst[0]
            hidden.append(heading.remove(at: least))
            gives.remove(at: least)
            for row in rows.indices { rows[row].remove(at: least) }
        }
        return hidden
    }

    private mutating func cut(to widths: [Int]) {
        heading = zip(heading, widths).map { shortened($0, columns: $1) }
        rows = rows.map { row in
            zip(row, widths).map { Cell(shortened($0.text, columns: $1), $0.style) }
        }
    }
}
