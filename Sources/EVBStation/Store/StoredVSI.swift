internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBWire
internal import EdgeRelays
internal import JSON
internal import Netlink

/// A VSI as it is kept for the next run of evbd: what its manager wants, not how far that has got.
package struct StoredVSI: Equatable {
    /// The version of what is written. A file of a later one is left to the evbd that wrote it.
    static let version = 1

    var port: String
    var request: EVBProtocol.VSIRequest
    @Boxed var link: EdgeRelay.Demand? = nil
    var owner: RequestOwner
    /// The bridge has granted it.
    var isGranted = false
    /// Its manager wants it no more; what is left of it is to go.
    var isWithdrawn = false
    /// Its link is in another network namespace.
    var isLinkElsewhere = false
    /// The link of another process that it has, whatever address that has by now.
    @Boxed var adopted: AdoptedLink? = nil
    /// The text by which people know it. An evbd that does not know labels reads over it.
    var label: String?

    /// Why a file is not taken.
    enum Mistake: Error, Equatable, CustomStringConvertible {
        case notJSON
        case version(Int)
        case value(String)

        package var description: String {
            switch self {
            case .notJSON: "it is incomplete, or not a file of evbd"
            case .version(let version): "it has version \(version), and this evbd reads version \(StoredVSI.version)"
            case .value(let key): "its value of \(key) is not valid"
            }
        }
    }
}

// MARK: - As JSON

extension StoredVSI {
    /// What is stored, in types that every version of JSON can say.
    struct Document {
        var port = ""
        var vsiID = ""
        var target = ""
        var hint = ""
        var persistence = ""
        var managerID: [Int] = []
        var typeID = -1
        var typeVersion = -1
        var filters: [VSIFilter] = []
        var organizational: [Organizational] = []
        var owner = ""
        var eventPort = -1
        var isGranted = false
        var isWithdrawn = false
        var isLinkElsewhere = false
        var adopted: AdoptedLink?
        var link: Link?
        /// Left out where there is none, and where an older evbd has written.
        var label: String?
    }

    struct Organizational {
        var oui = -1
        var octets: [Int] = []
    }

    /// A link that evbd makes has a kind, a virtual function its number; any other is found by its name or its addresses.
    struct Link {
        var name: String?
        var kind: String?
        /// As the kernel numbers them.
        var mode: Int?
        var mtu: Int?
        var function: Int?
        var priority: Int?
        var addresses: [String] = []
        var sources: [String] = []
        /// Left out where it is not so.
        var allmulticast = false
    }

    static let targets: [(String, EVBProtocol.VSIRequest.Target)] = [
        ("preassociated", .preAssociated), ("preassociated-rr", .preAssociatedWithReservation),
        ("associated", .associated),
    ]
    static let hints: [(String, EVBProtocol.VSIRequest.Hint)] = [
        ("none", .none), ("migrating", .migrating), ("suspended", .suspended),
    ]
    static let persistences: [(String, EVBProtocol.VSIRequest.Persistence)] = [
        ("until-withdrawn", .untilWithdrawn), ("once", .once),
    ]

    private static func word<Value: Equatable>(_ value: Value, in words: [(String, Value)]) -> String {
        words.first { $0.1 == value }?.0 ?? ""
    }

    static func value<Value>(
        _ word: String, in words: [(String, Value)], of key: String
    ) throws(Mistake) -> Value {
        guard let found = words.first(where: { $0.0 == word }) else { throw .value(key) }
        return found.1
    }

    /// The VSI as JSON, on one line.
    var encoded: [UInt8] {
        var writer = JSONWriter()
        writer.object { write(to: &$0) }
        return writer.octets
    }

    private func write(to writer: inout JSONWriter) {
        writer.member("version", Self.version)
        writer.member("port", port)
        writer.member("vsiID", request.vsiID.description)
        writer.member("target", Self.word(request.target, in: Self.targets))
        writer.member("hint", Self.word(request.hint, in: Self.hints))
        writer.member("persistence", Self.word(request.persistence, in: Self.persistences))
        writer.key("managerID")
        let manager = request.managerID
        writer.list(count: 16) { $0.value(Int(manager.octet(at: $1))) }
        writer.member("typeID", Int(request.typeID))
        writer.member("typeVersion", Int(request.typeVersion))
        writer.key("filters")
        let entries = request.filter.entries
        writer.list(count: entries.count) { Self.write(to: &$0, entries[$1]) }
        writer.key("organizational")
        writer.list(count: request.organizational.count) { writer, place in
            let tlv = request.organizational[place]
            writer.object {
                $0.member("oui", Int(tlv.oui))
                $0.key("octets")
                $0.list(count: tlv.octets.count) { $0.value(Int(tlv.octets[$1])) }
            }
        }
        let owner = owner.stored
        writer.member("owner", owner.word)
        writer.member("eventPort", Int(owner.eventPort))
        writer.member("isGranted", isGranted)
        writer.member("isWithdrawn", isWithdrawn)
        writer.member("isLinkElsewhere", isLinkElsewhere)
        if let adopted {
            writer.key("adopted")
            writer.object {
                $0.member("name", adopted.name)
                $0.member("index", Int(adopted.index))
            }
        }
        if let link {
            writer.key("link")
            writer.object { Self.write(link, to: &$0) }
        }
        if let label { writer.member("label", label) }
    }

    private static func write(to writer: inout JSONWriter, _ entry: FilterEntry) {
        writer.object {
            $0.member("mac", orNull: entry.macAddress?.description)
            $0.member("vlan", Int(entry.vid))
            $0.member("pcp", orNull: entry.pcp.map { Int($0) })
            $0.member("group", orNull: entry.groupID.map { Int($0) })
        }
    }

    private static func write(_ demand: EdgeRelay.Demand, to writer: inout JSONWriter) {
        if let name = demand.name { writer.member("name", name) }
        var sources: [MACAddress] = []
        let addresses: [MACAddress]
        switch demand {
        case .make(let specification):
            writer.member("kind", specification.kind.rawValue)
            if let mode = specification.mode { writer.member("mode", Int(mode.rawValue)) }
            if let mtu = specification.mtu { writer.member("mtu", Int(mtu)) }
            if specification.allmulticast { writer.member("allmulticast", true) }
            (addresses, sources) = ([specification.address], specification.sources)
        case .find(_, let found): addresses = found
        case .function(let demand):
            writer.member("function", Int(demand.number))
            if let priority = demand.priority { writer.member("priority", Int(priority)) }
            addresses = [demand.address]
        }
        writer.key("addresses")
        writer.list(count: addresses.count) { $0.value(addresses[$1].description) }
        writer.key("sources")
        writer.list(count: sources.count) { $0.value(sources[$1].description) }
    }

    /// Reads what ``encoded`` or an earlier evbd has written. Every value is checked as if a stranger had written it.
    init(decoding octets: ArraySlice<UInt8>) throws(Mistake) {
        // As nearly all are written.
        if let scanned = octets.withUnsafeBufferPointer({ Self(scanning: $0) }) {
            self = scanned
            return
        }
        try self.init(parsing: octets)
    }

    /// Reads what has its members in any order, and members that this evbd does not know.
    init(parsing octets: ArraySlice<UInt8>) throws(Mistake) {
        var document = Document()
        // Of a later version nothing else has to be as it is here.
        var version: Int?
        do throws(JSONError) {
            var reader = JSONReader(octets)
            try reader.object { (key, value) throws(JSONError) in
                if key == "version" { version = try value.integer() } else { try document.read(key, &value) }
            }
            try reader.end()
        } catch {
            if let version = version ?? Self.version(of: octets), version != Self.version { throw .version(version) }
            throw .notJSON
        }
        guard let version else { throw .notJSON }
        guard version == Self.version else { throw .version(version) }
        try self.init(document)
    }

    init(decoding octets: [UInt8]) throws(Mistake) { try self.init(decoding: octets[...]) }

    /// The version of what cannot be read otherwise.
    private static func version(of octets: ArraySlice<UInt8>) -> Int? {
        guard let json = try? JSONValue(parsing: Array(octets)), case .number(let text)? = json["version"] else {
            return nil
        }
        return Int(text)
    }

    private init(_ document: Document) throws(Mistake) {
        guard let vsiID = VSIID(document.vsiID) else { throw .value("vsiID") }
        guard let octets = Self.octets(document.managerID), let manager = VSIManagerID(octets: octets) else {
            throw .value("managerID")
        }
        guard (0...0xFF_FFFF).contains(document.typeID) else { throw .value("typeID") }
        guard let typeVersion = UInt8(exactly: document.typeVersion) else { throw .value("typeVersion") }
        guard let eventPort = UInt32(exactly: document.eventPort) else { throw .value("eventPort") }
        guard let filter = Self.filter(document.filters) else { throw .value("filters") }
        var organizational: [OrganizationalInformation] = []
        for tlv in document.organizational {
            guard (0...0xFF_FFFF).contains(tlv.oui), let octets = Self.octets(tlv.octets),
                octets.count <= VSIOrganizationalTLV.maximumOctets
            else { throw .value("organizational") }
            organizational.append(OrganizationalInformation(oui: UInt32(tlv.oui), octets: octets))
        }
        port = document.port
        request = EVBProtocol.VSIRequest(
            vsiID: vsiID, target: try Self.value(document.target, in: Self.targets, of: "target"),
            managerID: manager, typeID: UInt32(document.typeID), typeVersion: typeVersion, filter: filter,
            hint: try Self.value(document.hint, in: Self.hints, of: "hint"), organizational: organizational,
            persistence: try Self.value(document.persistence, in: Self.persistences, of: "persistence"))
        guard let owner = RequestOwner(stored: document.owner, eventPort: eventPort) else { throw .value("owner") }
        self.owner = owner
        isGranted = document.isGranted
        isWithdrawn = document.isWithdrawn
        isLinkElsewhere = document.isLinkElsewhere
        adopted = document.adopted
        link = try Self.link(document.link)
        label = Self.label(document.label)
    }

    /// Nothing hangs on it: a label that may not be is left out, and the VSI goes on.
    static func label(_ text: String?) -> String? { text.flatMap { VSILabel.problem(with: $0) == nil ? $0 : nil } }

    private static func octets(_ numbers: [Int]) -> [UInt8]? {
        let octets = numbers.compactMap { UInt8(exactly: $0) }
        return octets.count == numbers.count ? octets : nil
    }

    private static func filter(_ filters: [VSIFilter]) -> FilterInfo? {
        let areWhole = filters.allSatisfy { filter in
            (0...0xFFE).contains(filter.vlan ?? 0) && (0...7).contains(filter.pcp ?? 0)
                && (0...Int(UInt32.max)).contains(filter.group ?? 0)
                && (filter.mac.map { MACAddress($0) != nil } ?? true)
        }
        return areWhole ? try? FilterInfo(checking: filters.map { FilterEntry($0) }) : nil
    }

    static func link(_ link: Link?) throws(Mistake) -> EdgeRelay.Demand? {
        guard let link else { return nil }
        let (addresses, sources) = (
            link.addresses.compactMap { MACAddress($0) }, link.sources.compactMap { MACAddress($0) }
        )
        guard link.name.map(isInterfaceName) ?? true, addresses.count == link.addresses.count,
            sources.count == link.sources.count
        else { throw .value("link") }
        if let number = link.function {
            guard let number = UInt32(exactly: number), addresses.count == 1, (0...7).contains(link.priority ?? 0)
            else {
                throw .value("link.function")
            }
            return .function(
                VirtualFunctions.Demand(
                    number: number, address: addresses[0], priority: link.priority.map { UInt8($0) }))
        }
        guard let kindName = link.kind else { return .find(name: link.name, addresses: addresses) }
        guard let kind = MacvlanSpec.Kind(rawValue: kindName), let name = link.name, addresses.count == 1 else {
            throw .value("link.kind")
        }
        let mode = link.mode.flatMap { UInt32(exactly: $0) }.flatMap { MacvlanMode(rawValue: $0) }
        let mtu = link.mtu.flatMap { UInt32(exactly: $0) }
        guard (mode == nil) == (link.mode == nil), (mtu == nil) == (link.mtu == nil) else { throw .value("link.mode") }
        return .make(
            EdgeRelay.Specification(
                name: name, kind: kind, mode: mode, address: addresses[0], mtu: mtu, sources: sources,
                allmulticast: link.allmulticast))
    }

    /// As the kernel names interfaces.
    private static func isInterfaceName(_ name: String) -> Bool {
        (1...15).contains(name.utf8.count) && !name.utf8.contains { $0 <= 32 || $0 == UInt8(ascii: "/") }
    }
}

// MARK: - Members

extension StoredVSI.Document {
    /// Reads the value of a member; one that is not known is passed over.
    mutating func read(_ key: String, _ value: inout JSONReader) throws(JSONError) {
        switch key {
        case "port": port = try value.string()
        case "vsiID": vsiID = try value.string()
        case "target": target = try value.string()
        case "hint": hint = try value.string()
        case "persistence": persistence = try value.string()
        case "managerID": managerID = try value.list { (item) throws(JSONError) in try item.integer() }
        case "typeID": typeID = try value.integer()
        case "typeVersion": typeVersion = try value.integer()
        case "filters": filters = try value.list { (item) throws(JSONError) in try Self.filter(&item) }
        case "organizational": organizational = try value.list { (item) throws(JSONError) in try Self.tlv(&item) }
        case "owner": owner = try value.string()
        case "eventPort": eventPort = try value.integer()
        case "isGranted": isGranted = try value.bool()
        case "isWithdrawn": isWithdrawn = try value.bool()
        case "isLinkElsewhere": isLinkElsewhere = try value.bool()
        case "adopted": adopted = try value.nullable { (value) throws(JSONError) in try Self.adopted(&value) } ?? nil
        case "link": link = try value.nullable { (value) throws(JSONError) in try Self.link(&value) }
        case "label": label = try value.nullable { (value) throws(JSONError) in try value.string() }
        default: try value.skip()
        }
    }

    private static func filter(_ item: inout JSONReader) throws(JSONError) -> VSIFilter {
        var (mac, vlan, pcp, group) = (String?.none, Int?.none, Int?.none, Int?.none)
        try item.object { (key, value) throws(JSONError) in
            switch key {
            case "mac": mac = try value.nullable { (value) throws(JSONError) in try value.string() }
            case "vlan": vlan = try value.optionalInteger()
            case "pcp": pcp = try value.optionalInteger()
            case "group": group = try value.optionalInteger()
            default: try value.skip()
            }
        }
        return VSIFilter(mac: mac, vlan: vlan, pcp: pcp, group: group)
    }

    private static func tlv(_ item: inout JSONReader) throws(JSONError) -> StoredVSI.Organizational {
        var tlv = StoredVSI.Organizational()
        try item.object { (key, value) throws(JSONError) in
            switch key {
            case "oui": tlv.oui = try value.integer()
            case "octets": tlv.octets = try value.list { (item) throws(JSONError) in try item.integer() }
            default: try value.skip()
            }
        }
        return tlv
    }

    /// A link that was adopted; nil where its index is none.
    private static func adopted(_ value: inout JSONReader) throws(JSONError) -> AdoptedLink? {
        var (name, index) = (String?.none, 0)
        try value.object { (key, value) throws(JSONError) in
            switch key {
            case "name": name = try value.string()
            case "index": index = try value.integer()
            default: try value.skip()
            }
        }
        guard let name, let index = Int32(exactly: index) else { return nil }
        return AdoptedLink(name: name, index: index)
    }

    private static func link(_ value: inout JSONReader) throws(JSONError) -> StoredVSI.Link {
        var link = StoredVSI.Link()
        try value.object { (key, value) throws(JSONError) in
            switch key {
            case "name": link.name = try value.nullable { (value) throws(JSONError) in try value.string() }
            case "kind": link.kind = try value.nullable { (value) throws(JSONError) in try value.string() }
            case "mode": link.mode = try value.optionalInteger()
            case "mtu": link.mtu = try value.optionalInteger()
            case "function": link.function = try value.optionalInteger()
            case "priority": link.priority = try value.optionalInteger()
            case "addresses": link.addresses = try value.list { (item) throws(JSONError) in try item.string() }
            case "sources": link.sources = try value.list { (item) throws(JSONError) in try item.string() }
            case "allmulticast": link.allmulticast = try value.optionalBool() ?? false
            default: try value.skip()
            }
        }
        return link
    }
}

extension JSONReader {
    fileprivate mutating func optionalInteger() throws(JSONError) -> Int? {
        try nullable { (value) throws(JSONError) in try value.integer() }
    }

    fileprivate mutating func optionalBool() throws(JSONError) -> Bool? {
        try nullable { (value) throws(JSONError) in try value.bool() }
    }
}

extension RequestOwner {
    /// As a file has it; the port is 0 for other owners than libvirt.
    fileprivate var stored: (word: String, eventPort: UInt32) {
        switch self {
        case .control: ("control", 0)
        case .libvirt(let eventPort): ("libvirt", eventPort)
        // It is not stored.
        case .probe: ("probe", 0)
        case .tap(let source): ("\(source)", 0)
        }
    }

    init?(stored word: String, eventPort: UInt32) {
        switch word {
        case "control": self = .control
        case "libvirt": self = .libvirt(eventPort: eventPort)
        default:
            guard let source = TapSource(word) else { return nil }
            self = .tap(source)
        }
    }
}
