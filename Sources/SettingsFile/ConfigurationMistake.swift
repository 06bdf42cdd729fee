// What is wrong with a configuration file, told so that its author can put it right without reading any code.

internal import TerminalText

/// One mistake in a configuration file: where it is, what is wrong, and what would be right.
package struct ConfigurationMistake: Sendable, Equatable, CustomStringConvertible {
    /// The file as the user named it.
    package let file: String
    /// The line, counted from 1; nil where the file as a whole is meant (it cannot be read, say).
    package let line: Int?
    /// The place in the tree, such as `ports[0].ecp.retries`; empty where no key is concerned.
    package let key: String
    /// What is wrong, as the rest of a sentence that begins with the key.
    package let problem: String
    /// What would be right, as an imperative or a question; empty only where nothing can be advised.
    package let remedy: String

    /// Makes a mistake from its parts.
    package init(file: String, line: Int?, key: String, problem: String, remedy: String) {
        self.file = file
        self.line = line
        self.key = key
        self.problem = problem
        self.remedy = remedy
    }

    /// The line that a user sees: `FILE:LINE: KEY: PROBLEM; REMEDY`.
    package var description: String {
        var text = file
        if let line { text += ":\(line)" }
        if !key.isEmpty { text += ": \(key)" }
        text += ": \(problem)"
        if !remedy.isEmpty { text += "; \(remedy)" }
        return printable(text)
    }
}

/// Every mistake that was found in a configuration, file by file, in the order of the lines; never empty.
package struct ConfigurationMistakes: Error, Sendable, Equatable, CustomStringConvertible {
    /// The mistakes, ordered by line within each file.
    package let mistakes: [ConfigurationMistake]

    /// Takes the mistakes in any order and keeps them by line, the file that is met first before the others.
    ///
    /// - Parameter mistakes: what was found; at least one.
    package init(_ mistakes: [ConfigurationMistake]) {
        precondition(!mistakes.isEmpty, "a refusal needs a mistake")
        var files: [String: Int] = [:]
        for mistake in mistakes where files[mistake.file] == nil { files[mistake.file] = files.count }
        self.mistakes = mistakes.enumerated().sorted {
            (files[$0.element.file] ?? 0, $0.element.line ?? 0, $0.offset)
                < (files[$1.element.file] ?? 0, $1.element.line ?? 0, $1.offset)
        }.map(\.element)
    }

    /// One line per mistake, without a line end after the last.
    package var description: String { mistakes.map(\.description).joined(separator: "\n") }
}
