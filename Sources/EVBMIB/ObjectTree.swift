// Tables of SNMP objects, and how one is found in them. Columns are few and rows are many: a look-up goes through the columns and
// halves the rows.

package import AgentX

/// Objects in tables. Where there is nothing, every search ends.
package struct ObjectTree: ObjectSource {
    /// A table, or scalars, which are the row of index 0 in one.
    struct Table: Sendable {
        /// A row: what continues the names of its columns, and the column's values; nil where it has no such object.
        struct Row: Sendable {
            var index: [UInt32]
            var cells: [SNMPValue?]
        }

        /// What the names of the columns begin with.
        let entry: ObjectID
        /// The last number of each column's name, ascending.
        let columns: [UInt32]
        private(set) var rows: [Row] = []

        init(_ entry: ObjectID, columns: [UInt32]) {
            self.entry = entry
            self.columns = columns
        }

        mutating func add(_ index: [UInt32], _ cells: [SNMPValue?]) {
            precondition(cells.count == columns.count)
            rows.append(Row(index: index, cells: cells))
        }

        /// Puts the rows in order. Of rows with the same index one stays.
        mutating func sort() {
            rows.sort { $0.index.lexicographicallyPrecedes($1.index) }
            var kept: [Row] = []
            kept.reserveCapacity(rows.count)
            for row in rows where row.index != kept.last?.index { kept.append(row) }
            rows = kept
        }

        /// The place of the first row whose index is not before `index`.
        func place(notBefore index: ArraySlice<UInt32>) -> Int {
            var (low, high) = (0, rows.count)
            while low < high {
                let middle = low + (high - low) / 2
                if rows[middle].index.lexicographicallyPrecedes(index) { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    private struct Column: Sendable {
        let name: ObjectID
        let table: Int
        let cell: Int
    }

    private let tables: [Table]
    /// In the order of their names. No name is the beginning of another.
    private let columns: [Column]

    /// A tree without objects.
    package init() { self.init([]) }

    init(_ tables: [Table]) {
        self.tables = tables.map { table in
            var table = table
            table.sort()
            return table
        }
        columns = tables.enumerated().flatMap { number, table in
            table.columns.enumerated().map { cell, column in
                Column(name: table.entry.appending([column]), table: number, cell: cell)
            }
        }.sorted { $0.name < $1.name }
    }

    /// How many objects there are.
    package var count: Int {
        tables.reduce(0) { $0 + $1.rows.reduce(0) { $0 + $1.cells.count { $0 != nil } } }
    }

    package func value(of name: ObjectID) -> SNMPValue {
        guard let column = columns.first(where: { name.hasPrefix($0.name) }) else { return .noSuchObject }
        let table = tables[column.table]
        let index = name.parts.dropFirst(column.name.parts.count)
        let place = table.place(notBefore: index)
        guard place < table.rows.count, table.rows[place].index.elementsEqual(index) else { return .noSuchInstance }
        return table.rows[place].cells[column.cell] ?? .noSuchInstance
    }

    package func first(in range: SearchRange) -> VarBind? {
        for column in columns {
            let rows = tables[column.table].rows
            var place = 0
            if range.start.hasPrefix(column.name) {
                let index = range.start.parts.dropFirst(column.name.parts.count)
                place = tables[column.table].place(notBefore: index)
                if !range.includesStart, place < rows.count, rows[place].index.elementsEqual(index) { place += 1 }
            } else if column.name < range.start {
                continue
            }
            while place < rows.count {
                if let value = rows[place].cells[column.cell] {
                    let name = column.name.appending(rows[place].index)
                    if let end = range.end, name >= end { return nil }
                    return VarBind(name, value)
                }
                place += 1
            }
        }
        return nil
    }
}
