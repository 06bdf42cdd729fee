internal import JSON

/// The parameters of GetConfiguration.
public struct GetConfigurationRequest: Codable, Sendable, Equatable {
    /// Also what has the value that it would have if it were left out.
    public var defaults: Bool

    /// Makes a request.
    public init(defaults: Bool = false) {
        self.defaults = defaults
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case defaults
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        defaults = try container.decodeIfPresent(Bool.self, forKey: .defaults) ?? false
    }
}
