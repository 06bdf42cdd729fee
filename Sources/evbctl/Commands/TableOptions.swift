internal import ArgumentParser

/// The names of a list's columns.
protocol ColumnNames: Sendable {
    static var all: [String] { get }
}

/// How a list is shown: what the commands with a table of things take.
struct TableOptions<Names: ColumnNames>: ParsableArguments {
    @Option(
        help: ArgumentHelp("These columns, in this order, with commas between.", valueName: "names"),
        completion: .list(Names.all), transform: Self.names)
    var columns: [String]?

    @Option(
        help: ArgumentHelp("Sort by these columns, with commas between; numbers by their values.", valueName: "names"),
        completion: .list(Names.all), transform: Self.names)
    var sort: [String]?

    @Flag(help: "The other way round.")
    var reverse = false

    @Flag(name: .customLong("no-headers"), help: "No line with the names of the columns.")
    var noHeaders = false

    @Flag(help: "All columns, and none cut to fit the terminal. What goes elsewhere is never cut.")
    var wide = false

    var view: TableView {
        TableView(columns: columns, sort: sort ?? [], isReversed: reverse, hasHeading: !noHeaders, isWide: wide)
    }

    /// Whether rows are put into another order than they come in.
    var orders: Bool { sort?.isEmpty == false || reverse }

    /// Refuses what JSON would not show.
    func validate(json: Bool) throws {
        guard json, columns != nil || noHeaders || wide else { return }
        throw ValidationError("--columns, --no-headers and --wide are for tables; --json has everything")
    }

    func validate() throws {
        guard !wide || columns == nil else { throw ValidationError("give --wide (all columns) or --columns, not both") }
    }

    private static func names(_ text: String) throws -> [String] {
        let names = text.lowercased().split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        if let stranger = names.first(where: { !Names.all.contains($0) }) {
            throw ValidationError("\"\(stranger)\" is no column; known are \(Names.all.joined(separator: ", "))")
        }
        return names
    }
}
