public import JSON

/// The configuration that evbd runs with, as GetConfiguration tells it.
public struct ConfigurationReport: Sendable, Equatable {
    /// The file that it was read from.
    public var file: String
    /// Why it is not what the file says; nil where evbd knows of no difference.
    public var problem: String?
    /// By the keys of the file.
    public var configuration: JSONValue
    /// Where the file as it is now says something else.
    public var differences: [ConfigurationDifference]
    /// The mistakes for which the file as it is now would not be taken; nil where it has none.
    public var mistakes: String?

    /// Makes a report.
    public init(
        file: String, problem: String?, configuration: JSONValue, differences: [ConfigurationDifference] = [],
        mistakes: String? = nil
    ) {
        self.differences = differences
        self.mistakes = mistakes
        self.file = file
        self.problem = problem
        self.configuration = configuration
    }

    /// The report on the wire, an object.
    package var json: JSONValue {
        .object([
            JSONValue.Member("configuration", configuration),
            JSONValue.Member("differences", .array(differences.map(\.json))), JSONValue.Member("file", .string(file)),
            JSONValue.Member("mistakes", mistakes.map(JSONValue.string) ?? .null),
            JSONValue.Member("problem", problem.map(JSONValue.string) ?? .null),
        ])
    }
}
