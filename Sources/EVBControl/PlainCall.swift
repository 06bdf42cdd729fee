internal import EVBModel
internal import JSON

// Ten thousand machines of a host that starts ask at once, and nearly all ask plainly.

/// A call of Associate, of Deassociate or of GetStatus that is as nearly all are, read in one pass over its octets.
package enum PlainCall: Equatable, Sendable {
    case getStatus
    case associate(VSIRequest)
    case deassociate(DeassociateRequest)

    /// Reads a call; nil for any other, which ``VarlinkCall`` then reads, or says what is wrong with it.
    ///
    /// - Parameter message: the octets without the NUL.
    package init?(message: [UInt8]) {
        var (method, members) = (String?.none, Members?.none)
        do throws(JSONError) {
            var reader = JSONReader(message[...])
            try reader.object { (key, value) throws(JSONError) in
                switch key {
                // What is given twice is for others to refuse.
                case "method" where method == nil: method = try value.string()
                case "parameters" where members == nil: members = try Members(&value)
                default: throw Members.other
                }
            }
            try reader.end()
        } catch {
            return nil
        }
        if method == "io.evbd.GetStatus", members?.isEmpty ?? true {
            self = .getStatus
            return
        }
        guard let members else { return nil }
        switch method {
        case "io.evbd.Associate":
            guard let request = members.association else { return nil }
            self = .associate(request)
        case "io.evbd.Deassociate":
            guard let request = members.deassociation else { return nil }
            self = .deassociate(request)
        default: return nil
        }
    }

    /// Which keys of an object have come; one that comes twice is refused by others.
    private struct Keys {
        private var seen: UInt16 = 0

        var isEmpty: Bool { seen == 0 }

        mutating func note(_ number: UInt16) throws(JSONError) {
            guard seen & 1 << number == 0 else { throw Members.other }
            seen |= 1 << number
        }
    }

    /// The parameters of both.
    private struct Members {
        /// Said of what is not plain.
        static let other = JSONError.malformed(offset: 0)

        private var vsiID: String?
        private var port: String?
        private var managerID: String?
        private var typeID: Int?
        private var typeVersion = 0
        private var wait = 0
        private var filters: [VSIFilter] = []
        private var link: VSILink?
        private var label: String?
        /// Whether there are keys that Deassociate has not.
        private var isOfAssociate = false
        private var keys = Keys()

        init(_ value: inout JSONReader) throws(JSONError) {
            var keys = Keys()
            defer { self.keys = keys }
            try value.object { (key, value) throws(JSONError) in
                switch key {
                case "vsiID":
                    try keys.note(0)
                    vsiID = try Self.name(&value)
                case "port":
                    try keys.note(1)
                    port = try value.nullable { (value) throws(JSONError) in try value.string() }
                    if let port, InterfaceName.problem(withPort: port) != nil { throw Self.other }
                case "wait":
                    try keys.note(2)
                    wait = try Self.number(&value, in: 0...3_600_000)
                default:
                    isOfAssociate = true
                    try readAssociate(key, &value, &keys)
                }
            }
        }

        private mutating func readAssociate(
            _ key: String, _ value: inout JSONReader, _ keys: inout Keys
        ) throws(JSONError) {
            switch key {
            case "managerID":
                try keys.note(3)
                managerID = try value.nullable { (value) throws(JSONError) in try Self.name(&value) }
            case "typeID":
                try keys.note(4)
                typeID = try Self.number(&value, in: 0...0xFF_FFFF)
            case "typeVersion":
                try keys.note(5)
                typeVersion = try Self.number(&value, in: 0...255)
            case "filters":
                try keys.note(6)
                filters = try value.list { (item) throws(JSONError) in try Self.filter(&item) }
                guard filters.count <= VSIRequest.maximumFilters else { throw Self.other }
            case "link":
                try keys.note(7)
                link = try value.nullable { (value) throws(JSONError) in try Self.link(&value) }
            case "migrating":
                try keys.note(8)
                guard try !value.bool() else { throw Self.other }
            case "suspended":
                try keys.note(9)
                guard try !value.bool() else { throw Self.other }
            case "label":
                try keys.note(10)
                label = try value.nullable { (value) throws(JSONError) in try value.string() }
                // An empty text removes the label.
                if let label, !label.isEmpty, VSILabel.problem(with: label) != nil { throw Self.other }
            default: throw Self.other
            }
        }

        private static func name(_ value: inout JSONReader) throws(JSONError) -> String {
            let name = try value.string()
            guard (1...64).contains(name.utf8.count) else { throw other }
            return name
        }

        private static func number(_ value: inout JSONReader, in range: ClosedRange<Int>) throws(JSONError) -> Int {
            let number = try value.integer()
            guard range.contains(number) else { throw other }
            return number
        }

        private static func readNothing(_ value: inout JSONReader) throws(JSONError) {
            let isNothing = try value.nullable { (_) throws(JSONError) in } == nil
            guard isNothing else { throw other }
        }

        /// Reads an entry of a MAC address in small letters, a VLAN, or both.
        private static func filter(_ item: inout JSONReader) throws(JSONError) -> VSIFilter {
            var (mac, vlan, keys) = (String?.none, Int?.none, Keys())
            try item.object { (key, value) throws(JSONError) in
                switch key {
                case "mac":
                    try keys.note(0)
                    mac = try value.nullable { (value) throws(JSONError) in try value.string() }
                    if let mac, !isPlainMAC(mac) { throw other }
                case "vlan":
                    try keys.note(1)
                    vlan = try number(&value, in: 0...4094)
                case "pcp":
                    try keys.note(2)
                    try readNothing(&value)
                case "group":
                    try keys.note(3)
                    try readNothing(&value)
                default: throw other
                }
            }
            return VSIFilter(mac: mac, vlan: vlan)
        }

        /// Reads the link that is to be made.
        private static func link(_ item: inout JSONReader) throws(JSONError) -> VSILink {
            var (name, kind, mode, keys) = (String?.none, LinkKind?.none, LinkMode?.none, Keys())
            try item.object { (key, value) throws(JSONError) in
                switch key {
                case "name":
                    try keys.note(0)
                    name = try value.string()
                case "kind":
                    try keys.note(1)
                    kind = try word(&value)
                case "mode":
                    try keys.note(2)
                    mode = try word(&value)
                default: throw other
                }
            }
            guard let name, InterfaceName.problem(withLink: name) == nil, mode != .source || kind == .macvlan else {
                throw other
            }
            return VSILink(name: name, kind: kind, mode: mode)
        }

        /// Reads one of the words of a type, or null.
        private static func word<Word: RawRepresentable<String>>(_ value: inout JSONReader) throws(JSONError) -> Word? {
            try value.nullable { (value) throws(JSONError) in
                guard let word = Word(rawValue: try value.string()) else { throw other }
                return word
            }
        }

        private static func isPlainMAC(_ text: String) -> Bool {
            guard text.utf8.count == 17 else { return false }
            var place = 0
            for octet in text.utf8 {
                let isRight =
                    switch octet {
                    case UInt8(ascii: ":"): place == 2
                    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): place != 2
                    default: false
                    }
                guard isRight else { return false }
                place = place == 2 ? 0 : place + 1
            }
            return true
        }

        var isEmpty: Bool { keys.isEmpty && !isOfAssociate }

        var association: VSIRequest? {
            guard let vsiID, let port, let typeID else { return nil }
            return VSIRequest(
                vsiID: vsiID, port: port, managerID: managerID, typeID: typeID, typeVersion: typeVersion,
                filters: filters, link: link, label: label, waitMilliseconds: wait)
        }

        var deassociation: DeassociateRequest? {
            guard let vsiID, !isOfAssociate else { return nil }
            return DeassociateRequest(vsiID: vsiID, port: port, waitMilliseconds: wait)
        }
    }
}
