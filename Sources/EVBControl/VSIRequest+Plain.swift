internal import EVBModel
package import JSON

// Ten thousand machines of a host that starts ask at once, and nearly all ask plainly.

extension VSIRequest {
    /// Reads a request that is as nearly all are, in one pass over its members: the identity, the type, a filter, and how long to
    /// wait.
    ///
    /// - Returns: nil for any other. ``init(from:)`` then reads it, or says what is wrong with it.
    package init?(plain parameters: JSONValue) {
        guard case .object(let members) = parameters else { return nil }
        var (vsiID, port, type): (String?, String?, Int?)
        var (managerID, version, wait, filters): (String?, Int, Int, [VSIFilter]) = (nil, 0, 0, [])
        for member in members {
            switch (member.key, member.value) {
            case ("vsiID", .string(let text)) where (1...64).contains(text.utf8.count): vsiID = text
            case ("port", .string(let name)) where InterfaceName.problem(withPort: name) == nil: port = name
            case ("managerID", .string(let text)) where (1...64).contains(text.utf8.count): managerID = text
            case ("typeID", let value):
                guard let number = Self.number(value, in: 0...0xFF_FFFF) else { return nil }
                type = number
            case ("typeVersion", let value):
                guard let number = Self.number(value, in: 0...255) else { return nil }
                version = number
            case ("wait", let value):
                guard let number = Self.number(value, in: 0...3_600_000) else { return nil }
                wait = number
            case ("filters", .array(let items)) where items.count <= Self.maximumFilters:
                for item in items {
                    guard let filter = VSIFilter(plain: item) else { return nil }
                    filters.append(filter)
                }
            case ("managerID", .null), ("link", .null), ("migrating", .bool(false)), ("suspended", .bool(false)): break
            default: return nil
            }
        }
        guard let vsiID, let port, let type else { return nil }
        self.init(
            vsiID: vsiID, port: port, managerID: managerID, typeID: type, typeVersion: version, filters: filters,
            waitMilliseconds: wait)
    }

    fileprivate static func number(_ value: JSONValue, in range: ClosedRange<Int>) -> Int? {
        guard case .number(let literal) = value, let number = Int(literal), range.contains(number) else { return nil }
        return number
    }
}

extension VSIFilter {
    /// Reads an entry of a MAC address in small letters, a VLAN, or both.
    fileprivate init?(plain item: JSONValue) {
        guard case .object(let members) = item else { return nil }
        var (mac, vlan): (String?, Int?)
        for member in members {
            switch (member.key, member.value) {
            case ("mac", .string(let text)) where Self.isPlainMAC(text): mac = text
            case ("vlan", let value):
                guard let number = VSIRequest.number(value, in: 0...4094) else { return nil }
                vlan = number
            case ("mac", .null), ("pcp", .null), ("group", .null): break
            default: return nil
            }
        }
        self.init(mac: mac, vlan: vlan)
    }

    private static func isPlainMAC(_ text: String) -> Bool {
        guard text.utf8.count == 17 else { return false }
        return text.utf8.enumerated().allSatisfy { place, octet in
            switch octet {
            case UInt8(ascii: ":"): place % 3 == 2
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): place % 3 != 2
            default: false
            }
        }
    }
}
