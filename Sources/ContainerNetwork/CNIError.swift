package import JSON

/// Why a call of the Container Network Interface came to nothing, as the specification has it: a code, what failed, and details.
///
/// The codes up to 99 are those of the specification (section 5, "Error"); those from 100 on are this plugin's.
package struct CNIError: Error, Equatable {
    package enum Code: Int {
        /// The version of the network configuration is none that the plugin knows.
        case incompatibleVersion = 1
        /// A field of the network configuration has a value that the plugin does not take.
        case unsupportedField = 2
        case unknownContainer = 3
        case invalidEnvironment = 4
        /// Something could not be read or run.
        case inputOutput = 5
        /// What came is no JSON, or has another shape.
        case undecodable = 6
        case invalidConfiguration = 7
        /// What is missing now may be there soon.
        case tryAgainLater = 11
        /// STATUS: ADD cannot be served.
        case unavailable = 50
        /// STATUS: ADD may be served, and the switch is not there.
        case limited = 51
        /// The switch, or evbd, refuses the VSI.
        case refused = 100
        /// CHECK: the VSI is not as ADD has left it.
        case notAssociated = 101
    }

    package let code: Int
    package let message: String
    /// Why, and what to do about it; may be empty.
    package let details: String

    package init(_ code: Code, _ message: String, details: String = "") {
        (self.code, self.message, self.details) = (code.rawValue, message, details)
    }

    /// An error of a plugin that this one has run, as it came; nil where that is no error.
    ///
    /// - Parameters:
    ///   - value: what the plugin has printed.
    ///   - plugin: its name.
    package init?(of value: JSONValue, from plugin: String) {
        guard case .number(let literal)? = value["code"], let code = Int(literal),
            case .string(let message)? = value["msg"]
        else { return nil }
        self.code = code
        self.message = "\(plugin): \(message)"
        if case .string(let details)? = value["details"] { self.details = details } else { details = "" }
    }

    /// What is printed on standard output.
    package func json(version: String) -> JSONValue {
        .object([
            .init("cniVersion", .string(version)), .init("code", .number("\(code)")), .init("msg", .string(message)),
            .init("details", .string(details)),
        ])
    }
}
