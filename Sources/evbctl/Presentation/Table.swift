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

    /// The lines, without a line end after the last.
    func rendered(colour: Bool) -> String {
        let all = (heading.isEmpty ? [] : [heading.map { Cell($0, .heading) }]) + rows
        var widths: [Int] = []
        for row in all {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.text.count)
            }
        }
        return all.map { row in
            // Cells at the end that are empty would leave the padding of those before them.
            let last = row.lastIndex { !$0.text.isEmpty } ?? -1
            return row.prefix(last + 1).enumerated().map { column, cell in
                let padding = column == last ? 0 : widths[column] - cell.text.count + 2
                return cell.rendered(colour: colour) + String(repeating: " ", count: padding)
            }.joined()
        }.joined(separator: "\n")
    }
}
