// What a file of libconfig says: groups of settings, arrays, lists and scalars.

/// A value, with the line on which it begins.
package struct LibconfigValue: Sendable, Equatable {
    /// The kinds of values that the language has.
    package enum Content: Sendable, Equatable {
        case boolean(Bool)
        case integer(Int64)
        case float(Double)
        case string(String)
        /// `[ ]` of scalars, or `( )` of anything.
        case list([LibconfigValue])
        case group(LibconfigGroup)
    }

    package var content: Content
    /// Counts from 1.
    package var line: Int
}

/// Settings in the order of the file; each name at most once.
package struct LibconfigGroup: Sendable, Equatable {
    package struct Setting: Sendable, Equatable {
        package var name: String
        package var value: LibconfigValue
    }

    package private(set) var settings: [Setting] = []
    private var indexOfName: [String: Int] = [:]

    package init() {}

    package subscript(name: String) -> LibconfigValue? { indexOfName[name].map { settings[$0].value } }

    /// The group that a setting has as its value.
    package func group(_ name: String) -> LibconfigGroup? {
        guard case .group(let group)? = self[name]?.content else { return nil }
        return group
    }

    /// Appends a setting.
    ///
    /// - Returns: whether the name is new; the group is as it was if it is not.
    mutating func append(_ setting: Setting) -> Bool {
        guard indexOfName[setting.name] == nil else { return false }
        indexOfName[setting.name] = settings.count
        settings.append(setting)
        return true
    }
}

/// Why a text is not in libconfig's format.
package struct LibconfigError: Error, Equatable, CustomStringConvertible {
    /// Counts from 1.
    package let line: Int
    package let problem: String

    package var description: String { "line \(line): \(problem)" }
}
