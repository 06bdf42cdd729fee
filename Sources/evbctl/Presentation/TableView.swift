// Which columns of a list are shown, in which order its rows stand, and what fits the terminal.

internal import TerminalText

/// A column of a list: its name on the command line, its heading, and its cell for a row.
struct Column<Row> {
    let name: String
    let heading: String
    let give: Table.Give
    /// Whether it is shown where no columns are asked for; rows are looked at, as a column without a value is not.
    let isShown: ([Row]) -> Bool
    let cell: (Row) -> Cell

    /// Makes a column.
    ///
    /// - Parameters:
    ///   - name: as `--columns` and `--sort` have it.
    ///   - heading: above it; nil for the name in capitals.
    ///   - importance: the column with the smallest is left out first.
    ///   - minimum: to how many characters it may be cut; nil for one that is never cut.
    ///   - isShown: whether it is shown by default.
    ///   - cell: its cell.
    init(
        _ name: String, heading: String? = nil, importance: Int, minimum: Int? = nil,
        isShown: @escaping ([Row]) -> Bool = { _ in true }, cell: @escaping (Row) -> Cell
    ) {
        self.name = name
        self.heading = heading ?? name.uppercased()
        give = Table.Give(importance: importance, minimum: minimum)
        self.isShown = isShown
        self.cell = cell
    }
}

/// How a list is shown.
struct TableView: Equatable {
    /// The names of the columns; nil for those that are shown by default.
    var columns: [String]?
    /// The names of the columns by which rows are sorted, the first counts most; empty leaves them as they come.
    var sort: [String] = []
    var isReversed = false
    var hasHeading = true
    /// All columns, and none is cut.
    var isWide = false

    /// Sorts rows; equal ones stay as they come.
    func sorted<Row>(_ rows: [Row], by columns: [Column<Row>]) -> [Row] {
        let keys = sort.compactMap { name in columns.first { $0.name == name } }
        guard !keys.isEmpty else { return isReversed ? rows.reversed() : rows }
        let keyed = rows.enumerated().map {
            (place: $0, row: $1, texts: keys.map { $0.cell }.map { [row = $1] in $0(row).text })
        }
        let ordered = keyed.sorted { left, right in
            for (one, other) in zip(left.texts, right.texts) where one != other {
                if Self.isBefore(one, other) { return !isReversed }
                if Self.isBefore(other, one) { return isReversed }
            }
            return left.place < right.place
        }
        return ordered.map(\.row)
    }

    /// Texts by their characters, and numbers in them by their values: `eth9` before `eth10`.
    static func isBefore(_ left: String, _ right: String) -> Bool {
        var (one, other) = (Substring(left.lowercased()), Substring(right.lowercased()))
        while let first = one.first, let second = other.first {
            let (digits, others) = (
                one.prefix { $0.isASCII && $0.isNumber }, other.prefix { $0.isASCII && $0.isNumber }
            )
            if !digits.isEmpty, !others.isEmpty {
                let (number, another) = (digits.drop { $0 == "0" }, others.drop { $0 == "0" })
                if number.count != another.count { return number.count < another.count }
                if number != another { return number < another }
                one = one.dropFirst(digits.count)
                other = other.dropFirst(others.count)
                continue
            }
            if first != second { return first < second }
            one = one.dropFirst()
            other = other.dropFirst()
        }
        return one.isEmpty && !other.isEmpty
    }
}

extension Presenter {
    /// A list as a table.
    func list<Row>(_ rows: [Row], _ columns: [Column<Row>], _ view: TableView) -> String {
        let rows = view.sorted(rows, by: columns)
        let shown: [Column<Row>]
        if let names = view.columns {
            shown = names.compactMap { name in columns.first { $0.name == name } }
        } else {
            shown = columns.filter { view.isWide || $0.isShown(rows) }
        }
        var table = Table(heading: shown.map(\.heading))
        table.rows = rows.map { row in shown.map { $0.cell(row) } }
        var hidden: [String] = []
        if let width, !view.isWide { hidden = table.fit(width, shown.map(\.give)) }
        if !view.hasHeading { table.heading = [] }
        var text = table.rendered(colour: colour)
        if !hidden.isEmpty {
            let note = Cell("not shown: \(hidden.joined(separator: ", ")); see --wide and --columns", .faint)
            text += "\n" + note.rendered(colour: colour)
        }
        return text
    }
}
