// The parameters of the methods, checked while they are read: what does not fit names its key.

public import EVBModel
public import JSON
internal import TerminalText

/// What a VSI is asked to become: the parameters of Associate and PreAssociate.
public struct VSIRequest: Codable, Sendable, Equatable {
    /// The most filter entries in a request: what one TLV takes in its shortest format.
    public static let maximumFilters = 243
    /// The most filter entries of the shape of some, and the shape in words.
    package static func maximumFilters(like filters: [VSIFilter]) -> (limit: Int, shape: String) {
        switch (filters.contains { $0.mac != nil }, filters.contains { $0.group != nil }) {
        case (false, false): (maximumFilters, "with a VLAN alone")
        case (true, false): (60, "with a MAC address")
        case (false, true): (81, "with a group")
        case (true, true): (40, "with a MAC address and a group")
        }
    }

    /// The most organizationally specific TLVs in a request.
    public static let maximumOrganizational = 16
    /// The greatest number of addresses in ``linkSources``.
    public static let maximumSources = 64
    /// The MTUs that the kernel takes for an Ethernet link.
    public static let linkMTURange = 68...65_535

    /// The VSIID, a UUID or a text after `ipv4:`, `ipv6:`, `mac:` or `local:`.
    ///
    /// The service reads it.
    public var vsiID: String
    /// The port.
    public var port: String
    /// The manager ID; nil leaves the choice to the bridge.
    ///
    /// The service reads it.
    public var managerID: String?
    /// The VSI type (VTID), 0 to 16777215.
    public var typeID: Int
    /// The version of the type, 0 to 255.
    public var typeVersion: Int
    /// The filter; at most ``maximumFilters`` entries.
    public var filters: [VSIFilter]
    /// The M bit: the user of the VSI is migrating to here.
    ///
    /// Not together with `suspended`.
    public var migrating: Bool
    /// The S bit: the user of the VSI is suspended here.
    public var suspended: Bool
    /// Organizationally specific TLVs to send with the request; at most ``maximumOrganizational``.
    public var organizational: [VSIOrganizationalTLV]
    /// The link to create; nil for none.
    public var link: VSILink?
    /// The MTU of the link in octets, 68 to 65535; nil takes that of the port.
    public var linkMTU: Int?
    /// Whose frames a macvlan in mode source lets in: MAC addresses, at most ``maximumSources``.
    public var linkSources: [String]
    /// Whether the link takes frames to all multicast groups; nil leaves that to the port's settings.
    public var linkAllmulticast: Bool?
    /// The text by which people know the VSI; nil keeps the one it has, an empty text removes it.
    public var label: String?
    /// Pre-Associate with resource reservation; PreAssociate only.
    public var reserve: Bool
    /// How long to wait for the bridge, in milliseconds, 0 to 3600000; 0 answers at once.
    public var waitMilliseconds: Int

    /// Makes a request.
    public init(
        vsiID: String, port: String, managerID: String? = nil, typeID: Int, typeVersion: Int = 0,
        filters: [VSIFilter] = [], migrating: Bool = false, suspended: Bool = false,
        organizational: [VSIOrganizationalTLV] = [], link: VSILink? = nil, linkMTU: Int? = nil,
        linkSources: [String] = [], linkAllmulticast: Bool? = nil, label: String? = nil, reserve: Bool = false,
        waitMilliseconds: Int = 0
    ) {
        self.vsiID = vsiID
        self.port = port
        self.managerID = managerID
        self.typeID = typeID
        self.typeVersion = typeVersion
        self.filters = filters
        self.migrating = migrating
        self.suspended = suspended
        self.organizational = organizational
        self.link = link
        self.linkMTU = linkMTU
        self.linkSources = linkSources
        self.linkAllmulticast = linkAllmulticast
        self.label = label
        self.reserve = reserve
        self.waitMilliseconds = waitMilliseconds
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case vsiID, port, managerID, typeID, typeVersion, filters, migrating, suspended
        case organizational, link, linkMTU, linkSources, linkAllmulticast, label, reserve
        case waitMilliseconds = "wait"
    }

    /// Reads a request and checks every range.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        vsiID = try container.name(.vsiID, longest: 64)
        port = try container.interface(.port)
        managerID = nil
        if try container.contains(.managerID) && !container.decodeNil(forKey: .managerID) {
            managerID = try container.name(.managerID, longest: 64)
        }
        guard let type = try container.integer(.typeID, in: 0...0xFF_FFFF) else {
            throw DecodingError.keyNotFound(
                CodingKeys.typeID, .init(codingPath: decoder.codingPath, debugDescription: "a VSI needs a type"))
        }
        typeID = type
        typeVersion = try container.integer(.typeVersion, in: 0...255) ?? 0
        filters = try container.decodeIfPresent([CheckedFilter].self, forKey: .filters)?.map(\.filter) ?? []
        try container.require(filters.count <= Self.maximumFilters, .filters)
        migrating = try container.decodeIfPresent(Bool.self, forKey: .migrating) ?? false
        suspended = try container.decodeIfPresent(Bool.self, forKey: .suspended) ?? false
        try container.require(!(migrating && suspended), .suspended)
        organizational =
            try container.decodeIfPresent([CheckedOrganizational].self, forKey: .organizational)?.map(\.tlv) ?? []
        try container.require(organizational.count <= Self.maximumOrganizational, .organizational)
        link = try container.decodeIfPresent(CheckedLink.self, forKey: .link)?.link
        linkMTU = try container.integer(.linkMTU, in: Self.linkMTURange)
        linkSources = try container.decodeIfPresent([String].self, forKey: .linkSources) ?? []
        try container.require(
            linkSources.count <= Self.maximumSources && linkSources.allSatisfy(VSIFilter.isMAC), .linkSources)
        linkAllmulticast = try container.decodeIfPresent(Bool.self, forKey: .linkAllmulticast)
        label = try container.label(.label)
        reserve = try container.decodeIfPresent(Bool.self, forKey: .reserve) ?? false
        waitMilliseconds = try container.wait(.waitMilliseconds)
    }

    /// Writes a request; `reserve` only where it is so, since Associate does not know it.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(vsiID, forKey: .vsiID)
        try container.encode(port, forKey: .port)
        try container.encode(Nullable(wrappedValue: managerID), forKey: .managerID)
        try container.encode(typeID, forKey: .typeID)
        try container.encode(typeVersion, forKey: .typeVersion)
        try container.encode(filters, forKey: .filters)
        try container.encode(migrating, forKey: .migrating)
        try container.encode(suspended, forKey: .suspended)
        if !organizational.isEmpty { try container.encode(organizational, forKey: .organizational) }
        try container.encode(Nullable(wrappedValue: link), forKey: .link)
        if let linkMTU { try container.encode(linkMTU, forKey: .linkMTU) }
        if !linkSources.isEmpty { try container.encode(linkSources, forKey: .linkSources) }
        if let linkAllmulticast { try container.encode(linkAllmulticast, forKey: .linkAllmulticast) }
        if let label { try container.encode(label, forKey: .label) }
        if reserve { try container.encode(reserve, forKey: .reserve) }
        try container.encode(waitMilliseconds, forKey: .waitMilliseconds)
    }
}

/// The parameters of GetPort.
public struct GetPortRequest: Codable, Sendable, Equatable {
    /// The port.
    public var interface: String

    /// Makes a request.
    public init(interface: String) {
        self.interface = interface
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case interface
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        interface = try decoder.container(keyedBy: CodingKeys.self).interface(.interface)
    }
}

/// The parameters of GetVSI.
public struct GetVSIRequest: Codable, Sendable, Equatable {
    /// The VSIID, as in ``VSIRequest``.
    public var vsiID: String
    /// The port; nil for wherever the VSI is.
    public var port: String?

    /// Makes a request.
    public init(vsiID: String, port: String? = nil) {
        self.vsiID = vsiID
        self.port = port
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case vsiID, port
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        vsiID = try container.name(.vsiID, longest: 64)
        port = try container.interfaceOrNull(.port).wrappedValue
    }
}

/// The parameters of GetStatistics: nil tells all.
public struct GetStatisticsRequest: Codable, Sendable, Equatable {
    /// Only those of a port.
    @Nullable public var interface: String?

    /// Makes a request.
    public init(interface: String? = nil) {
        self._interface = Nullable(wrappedValue: interface)
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case interface
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        _interface = try decoder.container(keyedBy: CodingKeys.self).interfaceOrNull(.interface)
    }
}

/// The parameters of GetMetrics.
public struct GetMetricsRequest: Codable, Sendable, Equatable {
    /// Whether each VSI has numbers of its own.
    public var vsis: Bool

    /// Makes a request.
    public init(vsis: Bool = false) {
        self.vsis = vsis
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case vsis
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        vsis = try decoder.container(keyedBy: CodingKeys.self).decodeIfPresent(Bool.self, forKey: .vsis) ?? false
    }
}

/// The parameters of a method that has none.
public struct NoParameters: Codable, Sendable, Equatable {
    enum CodingKeys: CodingKey, CaseIterable {}

    /// Makes no parameters.
    public init() {}

    /// Reads no parameters, and refuses any.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
    }

    /// Writes an empty object.
    public func encode(to encoder: any Encoder) throws {
        _ = encoder.container(keyedBy: CodingKeys.self)
    }
}

// MARK: - Checks

extension VSIRequest {
    /// The error for a key that a method does not know, though another method with the same parameters does.
    package static func unknownKey(_ key: String) -> any Error {
        let path = CodingKeys(stringValue: key).map { [$0] } ?? []
        return DecodingError.dataCorrupted(.init(codingPath: path, debugDescription: "unknown key"))
    }
}

/// A filter entry that a client sent.
private struct CheckedFilter: Decodable {
    let filter: VSIFilter

    init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: VSIFilter.CodingKeys.self)
        let container = try decoder.container(keyedBy: VSIFilter.CodingKeys.self)
        let mac = try container.decodeIfPresent(String.self, forKey: .mac)
        try container.require(mac.map(VSIFilter.isMAC) ?? true, .mac)
        filter = VSIFilter(
            mac: mac?.lowercased(), vlan: try container.integer(.vlan, in: 0...4094),
            pcp: try container.integer(.pcp, in: 0...7), group: try container.integer(.group, in: 0...0xFFFF_FFFF))
    }
}

/// An organizationally specific TLV that a client sent.
private struct CheckedOrganizational: Decodable {
    let tlv: VSIOrganizationalTLV

    init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: VSIOrganizationalTLV.CodingKeys.self)
        let container = try decoder.container(keyedBy: VSIOrganizationalTLV.CodingKeys.self)
        tlv = VSIOrganizationalTLV(
            oui: try container.decode(String.self, forKey: .oui), data: try container.decode(String.self, forKey: .data)
        )
        try container.require(tlv.ouiOctets?.count == 3, .oui)
        try container.require((tlv.dataOctets?.count).map { $0 <= VSIOrganizationalTLV.maximumOctets } ?? false, .data)
    }
}

/// A link that a client asked for.
private struct CheckedLink: Decodable {
    let link: VSILink

    init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: VSILink.CodingKeys.self)
        let container = try decoder.container(keyedBy: VSILink.CodingKeys.self)
        let kind = try container.decode(Nullable<LinkKind>.self, forKey: .kind).wrappedValue
        let mode = try container.decode(Nullable<LinkMode>.self, forKey: .mode).wrappedValue
        let name = try container.decode(String.self, forKey: .name)
        try InterfaceName.check(name, "link.name", isLink: true)
        link = VSILink(name: name, kind: kind, mode: mode)
        // A macvtap in this mode would let nothing in: the kernel has the list for macvlans only.
        try container.require(mode != .source || kind == .macvlan, .mode)
    }
}

extension VSIFilter {
    /// Whether a text is a MAC address: six times two hexadecimal digits, with colons between them.
    public static func isMAC(_ text: String) -> Bool {
        let octets = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        return octets.count == 6
            && octets.allSatisfy { $0.count == 2 && $0.allSatisfy { Character(Unicode.Scalar($0)).isHexDigit } }
    }
}

extension KeyedDecodingContainer {
    func require(_ condition: Bool, _ key: Key) throws {
        guard condition else {
            throw DecodingError.dataCorruptedError(forKey: key, in: self, debugDescription: "out of range")
        }
    }

    func integer(_ key: Key, in range: ClosedRange<Int>) throws -> Int? {
        do {
            guard let value = try decodeIfPresent(Int.self, forKey: key) else { return nil }
            try require(range.contains(value), key)
            return value
        } catch {
            // For a number with a fraction the decoder tells no place by itself.
            throw DecodingError.dataCorruptedError(
                forKey: key, in: self,
                debugDescription: "not a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
    }

    func name(_ key: Key, longest: Int) throws -> String {
        let value = try decode(String.self, forKey: key)
        try require((1...longest).contains(value.utf8.count), key)
        return value
    }

    /// The name of an interface.
    func interface(_ key: Key) throws -> String {
        let name = try decode(String.self, forKey: key)
        try InterfaceName.check(name, key.stringValue)
        return name
    }

    func nameOrNull(_ key: Key, longest: Int) throws -> String? {
        try contains(key) && !decodeNil(forKey: key) ? try name(key, longest: longest) : nil
    }

    /// A label, an empty text to remove it, or none.
    func label(_ key: Key) throws -> String? {
        guard let label = try decodeIfPresent(String.self, forKey: key), !label.isEmpty else {
            return try decodeIfPresent(String.self, forKey: key)
        }
        if let problem = VSILabel.problem(with: label) {
            throw ControlError(
                .invalidArgument(argument: key.stringValue),
                message: "\"\(printable(label, longest: 32))\" is no label of a VSI: it \(problem)", hint: VSILabel.rule
            )
        }
        return label
    }

    /// The name of an interface, or none.
    func interfaceOrNull(_ key: Key) throws -> Nullable<String> {
        let name = try decode(Nullable<String>.self, forKey: key)
        if let name = name.wrappedValue { try InterfaceName.check(name, key.stringValue) }
        return name
    }

    func wait(_ key: Key) throws -> Int {
        try integer(key, in: 0...3_600_000) ?? 0
    }
}

/// The parameters of Misbehave.
public struct MisbehaveRequest: Codable, Sendable, Equatable {
    /// The port, one in the role bridge.
    public var interface: String
    /// What it is to do wrong from now on, in place of what it did; nil has it behave.
    @Nullable public var misbehaviour: Misbehaviour?

    /// Makes a request.
    public init(interface: String, misbehaviour: Misbehaviour?) {
        self.interface = interface
        self._misbehaviour = Nullable(wrappedValue: misbehaviour)
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case interface, misbehaviour
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            interface: try container.interface(.interface),
            misbehaviour: try container.decodeIfPresent(Misbehaviour.self, forKey: .misbehaviour))
    }
}

/// The parameters of Reload.
public struct ReloadRequest: Codable, Sendable, Equatable {
    /// Say what would change, and change nothing.
    public var dryRun: Bool
    /// Go on where VSIs end by it.
    public var endVSIs: Bool

    /// Makes a request.
    public init(dryRun: Bool = false, endVSIs: Bool = false) {
        self.dryRun = dryRun
        self.endVSIs = endVSIs
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case dryRun, endVSIs
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            dryRun: try container.decodeIfPresent(Bool.self, forKey: .dryRun) ?? false,
            endVSIs: try container.decodeIfPresent(Bool.self, forKey: .endVSIs) ?? false)
    }
}
