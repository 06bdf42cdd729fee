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
    var link: EdgeRelay.Demand?
    var owner: RequestOwner
    /// The bridge has granted it.
    var isGranted = false
    /// Its manager wants it no more; what is left of it is to go.
    var isWithdrawn = false
    /// Its link is in another network namespace.
    var isLinkElsewhere = false
    /// The link of another process that it has, whatever address that has by now.
    var adopted: AdoptedLink?
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
    /// What a file has, in types that every version of JSON can say.
    private struct Document: Codable {
        var version: Int
        var port: String
        var vsiID: String
        var target: String
        var hint: String
        var persistence: String
        var managerID: [UInt8]
        var typeID: Int
        var typeVersion: Int
        var filters: [VSIFilter]
        var organizational: [Organizational]
        var owner: String
        var eventPort: Int
        var isGranted: Bool
        var isWithdrawn: Bool
        var isLinkElsewhere: Bool
        var adopted: AdoptedLink?
        var link: Link?
        /// Left out where there is none, and where an older evbd has written.
        var label: String?
    }

    private struct Organizational: Codable {
        var oui: Int
        var octets: [UInt8]
    }

    /// A link that evbd makes has a kind, a virtual function its number; any other is found by its name or its addresses.
    private struct Link: Codable {
        var name: String?
        var kind: String?
        /// As the kernel numbers them.
        var mode: Int?
        var mtu: Int?
        var function: Int?
        var priority: Int?
        var addresses: [String]
        var sources: [String]
        /// Left out where it is not so.
        var allmulticast: Bool?

        init(_ demand: EdgeRelay.Demand) {
            name = demand.name
            switch demand {
            case .make(let specification):
                kind = specification.kind.rawValue
                mode = (specification.mode?.rawValue).map { Int($0) }
                mtu = specification.mtu.map { Int($0) }
                addresses = [specification.address.description]
                sources = specification.sources.map(\.description)
                allmulticast = specification.allmulticast ? true : nil
            case .find(_, let found):
                addresses = found.map(\.description)
                sources = []
            case .function(let demand):
                function = Int(demand.number)
                priority = demand.priority.map { Int($0) }
                addresses = [demand.address.description]
                sources = []
            }
        }
    }

    /// Only the version, which has to be known before the rest is looked at.
    private struct Header: Codable {
        var version: Int
    }

    private static let targets: [(String, EVBProtocol.VSIRequest.Target)] = [
        ("preassociated", .preAssociated), ("preassociated-rr", .preAssociatedWithReservation),
        ("associated", .associated),
    ]
    private static let hints: [(String, EVBProtocol.VSIRequest.Hint)] = [
        ("none", .none), ("migrating", .migrating), ("suspended", .suspended),
    ]
    private static let persistences: [(String, EVBProtocol.VSIRequest.Persistence)] = [
        ("until-withdrawn", .untilWithdrawn), ("once", .once),
    ]

    private static func word<Value: Equatable>(_ value: Value, in words: [(String, Value)]) -> String {
        words.first { $0.1 == value }?.0 ?? ""
    }

    private static func value<Value>(
        _ word: String, in words: [(String, Value)], of key: String
    ) throws(Mistake) -> Value {
        guard let found = words.first(where: { $0.0 == word }) else { throw .value(key) }
        return found.1
    }

    /// The file's content.
    var encoded: [UInt8] {
        let document = Document(
            version: Self.version, port: port, vsiID: request.vsiID.description,
            target: Self.word(request.target, in: Self.targets), hint: Self.word(request.hint, in: Self.hints),
            persistence: Self.word(request.persistence, in: Self.persistences), managerID: request.managerID.octets,
            typeID: Int(request.typeID), typeVersion: Int(request.typeVersion),
            filters: request.filter.entries.map { VSIFilter($0) },
            organizational: request.organizational.map { Organizational(oui: Int($0.oui), octets: $0.octets) },
            owner: owner.stored.word, eventPort: Int(owner.stored.eventPort), isGranted: isGranted,
            isWithdrawn: isWithdrawn, isLinkElsewhere: isLinkElsewhere, adopted: adopted,
            link: link.map { Link($0) }, label: label)
        return JSONCoding.encode(document)
    }

    /// Reads a file's content. Every value is checked as if a stranger had written it.
    init(decoding octets: [UInt8]) throws(Mistake) {
        guard let json = try? JSONValue(parsing: octets), let header = try? JSONCoding.decode(Header.self, from: json)
        else { throw .notJSON }
        guard header.version == Self.version else { throw .version(header.version) }
        guard let document = try? JSONCoding.decode(Document.self, from: json) else { throw .notJSON }
        try self.init(document)
    }

    private init(_ document: Document) throws(Mistake) {
        guard let vsiID = VSIID(document.vsiID) else { throw .value("vsiID") }
        guard let manager = VSIManagerID(octets: document.managerID) else { throw .value("managerID") }
        guard (0...0xFF_FFFF).contains(document.typeID) else { throw .value("typeID") }
        guard let typeVersion = UInt8(exactly: document.typeVersion) else { throw .value("typeVersion") }
        guard let eventPort = UInt32(exactly: document.eventPort) else { throw .value("eventPort") }
        guard let filter = Self.filter(document.filters) else { throw .value("filters") }
        var organizational: [OrganizationalInformation] = []
        for tlv in document.organizational {
            guard (0...0xFF_FFFF).contains(tlv.oui), tlv.octets.count <= VSIOrganizationalTLV.maximumOctets else {
                throw .value("organizational")
            }
            organizational.append(OrganizationalInformation(oui: UInt32(tlv.oui), octets: tlv.octets))
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
        // Nothing hangs on it: a label that may not be is left out, and the VSI goes on.
        label = document.label.flatMap { VSILabel.problem(with: $0) == nil ? $0 : nil }
    }

    private static func filter(_ filters: [VSIFilter]) -> FilterInfo? {
        let areWhole = filters.allSatisfy { filter in
            (0...0xFFE).contains(filter.vlan ?? 0) && (0...7).contains(filter.pcp ?? 0)
                && (0...Int(UInt32.max)).contains(filter.group ?? 0)
                && (filter.mac.map { MACAddress($0) != nil } ?? true)
        }
        return areWhole ? try? FilterInfo(checking: filters.map { FilterEntry($0) }) : nil
    }

    private static func link(_ link: Link?) throws(Mistake) -> EdgeRelay.Demand? {
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
                allmulticast: link.allmulticast ?? false))
    }

    /// As the kernel names interfaces.
    private static func isInterfaceName(_ name: String) -> Bool {
        (1...15).contains(name.utf8.count) && !name.utf8.contains { $0 <= 32 || $0 == UInt8(ascii: "/") }
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

    fileprivate init?(stored word: String, eventPort: UInt32) {
        switch word {
        case "control": self = .control
        case "libvirt": self = .libvirt(eventPort: eventPort)
        default:
            guard let source = TapSource(word) else { return nil }
            self = .tap(source)
        }
    }
}
