internal import EVBModel
public import JSON

/// The parameters of SetLogLevel.
public struct SetLogLevelRequest: Codable, Sendable, Equatable {
    /// One of ``LogLevelReport/levels``; nil for the configured one.
    @Nullable public var level: String?

    /// Makes a request.
    public init(level: String?) {
        self._level = Nullable(wrappedValue: level)
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case level
    }

    /// Reads a request and checks the level.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let level = try container.decodeIfPresent(String.self, forKey: .level)
        guard level.map(LogLevelReport.levels.contains) ?? true else {
            throw DecodingError.dataCorruptedError(forKey: .level, in: container, debugDescription: "no log level")
        }
        self.init(level: level)
    }
}
