/// An option of a program, as its help, its manual page, its completion and getopt_long(3) know it.
package struct ProgramOption: Sendable, Equatable {
    /// What completes the value of an option in a shell.
    package enum Completion: Sendable, Equatable {
        /// Nothing.
        case none
        /// A file; with an ending only those that have it.
        case file(ending: String?)
        /// A folder.
        case folder
        /// One of some words.
        case words([String])
    }

    /// What follows the two dashes.
    package let name: String
    /// What its help calls the value; nil for a flag, which takes none.
    package let valueName: String?
    /// The value where the option is left out; nil where there is none then.
    package let fallback: String?
    package let help: String
    package let completion: Completion

    /// An option that takes a value.
    ///
    /// - Parameters:
    ///   - name: What follows the two dashes.
    ///   - valueName: What the help calls its value.
    ///   - fallback: The value where the option is left out.
    ///   - help: One or two sentences.
    ///   - completion: What a shell offers for the value.
    package init(
        _ name: String, takes valueName: String, otherwise fallback: String? = nil, help: String,
        completion: Completion = .none
    ) {
        self.name = name
        self.valueName = valueName
        self.fallback = fallback
        self.help = help
        self.completion = completion
    }

    /// A flag.
    ///
    /// - Parameters:
    ///   - name: What follows the two dashes.
    ///   - help: One or two sentences.
    package init(flag name: String, help: String) {
        self.name = name
        valueName = nil
        fallback = nil
        self.help = help
        completion = .none
    }

    /// As a synopsis shows it.
    var usage: String { valueName.map { "[--\(name) <\($0)>]" } ?? "[--\(name)]" }
}

/// The options that a program was started with.
package struct GivenOptions: Sendable, Equatable {
    /// By name the value that was given last; an empty one for a flag.
    private var values: [String: String] = [:]

    init() {}

    mutating func take(_ option: ProgramOption, _ value: String) { values[option.name] = value }

    /// Whether an option was given.
    package func has(_ option: ProgramOption) -> Bool { values[option.name] != nil }

    /// The value that was given, or else the one that the option has then; nil where it has none.
    package subscript(_ option: ProgramOption) -> String? { values[option.name] ?? option.fallback }

    /// The value of an option that has one always, as a number.
    ///
    /// - Parameters:
    ///   - option: The option.
    ///   - range: What it may be.
    ///   - words: The same in words.
    /// - Returns: The number.
    /// - Throws: `UsageError` where it is no number, or another.
    package func number(
        _ option: ProgramOption, in range: ClosedRange<Int>, _ words: String? = nil
    ) throws(UsageError) -> Int {
        let text = self[option] ?? ""
        guard let number = Int(text), range.contains(number) else {
            let words = words ?? "\(range.lowerBound) to \(range.upperBound)"
            throw UsageError("--\(option.name) is \(text); give \(words)", about: option)
        }
        return number
    }
}

/// Words that a program was started with and does not take.
package struct UsageError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong, without the usage.
    package let description: String
    /// The option that it is about, whose help is shown with it.
    package let option: ProgramOption?

    package init(_ description: String, about option: ProgramOption? = nil) {
        self.description = description
        self.option = option
    }
}
