internal import JSON

// Values of columns as RFC 7047 writes them: an atom, `["uuid", X]`, `["set", [...]]` and `["map", [[KEY, VALUE]...]]`.

/// One element of a column.
enum OVSDBAtom: Hashable {
    case text(String)
    case number(Int)
    case truth(Bool)
    case uuid(String)

    init?(_ json: JSONValue) {
        switch json {
        case .string(let text): self = .text(text)
        // A real number is in none of the columns that are asked for.
        case .number(let literal):
            guard let number = Int(literal) else { return nil }
            self = .number(number)
        case .bool(let value): self = .truth(value)
        case .array(let items):
            guard items.count == 2, items[0] == .string("uuid"), case .string(let uuid) = items[1] else { return nil }
            self = .uuid(uuid)
        case .null, .object: return nil
        }
    }

    var text: String? { if case .text(let text) = self { text } else { nil } }
    var number: Int? { if case .number(let number) = self { number } else { nil } }
    var uuid: String? { if case .uuid(let uuid) = self { uuid } else { nil } }
}

extension JSONValue {
    /// The elements of a column that holds several, or one, or none; nil for something else.
    var ovsdbElements: [OVSDBAtom]? {
        guard case .array(let items) = self, items.count == 2, items[0] == .string("set"),
            case .array(let elements) = items[1]
        else { return OVSDBAtom(self).map { [$0] } }
        let atoms = elements.compactMap { OVSDBAtom($0) }
        return atoms.count == elements.count ? atoms : nil
    }

    /// The pairs of texts of a column that is a map, as far as their keys are wanted; nil for something else.
    func ovsdbPairs(of wanted: Set<String>) -> [(key: String, value: String)]? {
        guard case .array(let items) = self, items.count == 2, items[0] == .string("map"),
            case .array(let pairs) = items[1]
        else { return nil }
        var found: [(String, String)] = []
        for pair in pairs {
            guard case .array(let pair) = pair, pair.count == 2, case .string(let key) = pair[0] else { return nil }
            guard wanted.contains(key) else { continue }
            guard case .string(let value) = pair[1] else { return nil }
            found.append((key, value))
        }
        return found
    }
}

/// What an update does to one row.
enum OVSDBRowChange {
    /// The row is new, or told for the first time; columns with their default are left out.
    case whole([JSONValue.Member])
    /// What has changed: a scalar as it is now, the difference of a set or a map.
    case difference([JSONValue.Member])
    case gone

    /// Reads a `<row-update2>`; nil where it is none.
    init?(_ json: JSONValue) {
        guard case .object(let members) = json, members.count == 1, let member = members.first else { return nil }
        switch (member.key, member.value) {
        case ("initial", .object(let row)), ("insert", .object(let row)): self = .whole(row)
        case ("modify", .object(let row)): self = .difference(row)
        case ("delete", _): self = .gone
        default: return nil
        }
    }
}
