public import EVBModel
public import JSON

/// The parameters of ListVSIs: nil lists all.
public struct ListVSIsRequest: Codable, Sendable, Equatable {
    /// Only those on a port.
    @Nullable public var port: String?
    /// Only those in a state.
    @Nullable public var state: VSIState?
    /// Only those that a text names, as ``VSISelector`` reads it.
    public var match: String?
    /// Only those of a type, 0 to 16777215.
    public var typeID: Int?
    /// Only those of a manager.
    public var managerID: String?
    /// Only those with a link, or in want of one, of a name; `*` and `?` stand for other characters.
    public var link: String?
    /// Only those with a MAC address in their filter.
    public var mac: String?
    /// Only those with a label; `*` and `?` stand for other characters.
    public var label: String?
    /// Only those with a reason.
    public var reason: VSIReason?

    /// Makes a request.
    public init(port: String? = nil, state: VSIState? = nil, match: String? = nil) {
        self._port = Nullable(wrappedValue: port)
        self._state = Nullable(wrappedValue: state)
        self.match = match
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case port, state, match, typeID, managerID, link, mac, label, reason
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        _port = try container.interfaceOrNull(.port)
        _state = try container.decode(Nullable<VSIState>.self, forKey: .state)
        match = try container.nameOrNull(.match, longest: VSISelector.longestOctets)
        typeID = try container.integer(.typeID, in: 0...0xFF_FFFF)
        managerID = try container.nameOrNull(.managerID, longest: 64)
        link = try container.nameOrNull(.link, longest: 64)
        mac = try container.decodeIfPresent(String.self, forKey: .mac)
        try container.require(mac.map(VSIFilter.isMAC) ?? true, .mac)
        label = try container.nameOrNull(.label, longest: VSILabel.longestOctets)
        reason = try container.decodeIfPresent(VSIReason.self, forKey: .reason)
    }
}
