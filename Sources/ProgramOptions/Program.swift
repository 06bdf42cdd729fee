// A daemon's command line: a few long options, read by the C library. (evbctl has commands, and swift-argument-parser reads them. That
// brings FoundationEssentials along, a quarter of a program's size, which a process that stays keeps in memory.)

internal import CLinux
internal import Glibc
internal import TerminalText

/// A program without commands: what it is, and the options it takes.
package struct Program: Sendable {
    package let name: String
    /// A sentence.
    package let abstract: String
    /// Paragraphs, with an empty line between two.
    package let discussion: String
    /// What `--version` prints.
    package let version: String
    package let options: [ProgramOption]

    /// What each program has.
    static let common = [
        ProgramOption(flag: "version", help: "Show the version."),
        ProgramOption(flag: "help", help: "Show help information."),
    ]
    /// For Packaging only, and in no help.
    private static let hidden = [
        ProgramOption(
            "generate-completion-script", takes: "shell", help: "Print what a shell reads to complete words."),
        ProgramOption(flag: "experimental-dump-help", help: "Print the options as JSON."),
    ]

    /// The status of a program that does not take its words (sysexits(3): EX_USAGE).
    package static let usageStatus: Int32 = 64

    /// Describes a program.
    package init(name: String, abstract: String, discussion: String, version: String, options: [ProgramOption]) {
        self.name = name
        self.abstract = abstract
        self.discussion = discussion
        self.version = version
        self.options = options
    }

    /// What reading the words came to.
    enum Reading: Equatable {
        case options(GivenOptions)
        /// Something to print, and nothing else to do.
        case text(String)
    }

    /// Reads the words that this process was started with. Ends it where they ask for help or the version, or are none that it takes.
    ///
    /// - Parameter check: Looks at the values; what it throws is told like a word that is not taken.
    /// - Returns: What `check` returns.
    package func read<Value>(_ check: (GivenOptions) throws(UsageError) -> Value) -> Value {
        do throws(UsageError) {
            switch try reading(of: Array(CommandLine.arguments.dropFirst())) {
            case .options(let given): return try check(given)
            case .text(let text): finish(text, on: STDOUT_FILENO, EXIT_SUCCESS)
            }
        } catch {
            finish(words(for: error), on: STDERR_FILENO, Self.usageStatus)
        }
    }

    /// Reads words.
    func reading(of words: [String]) throws(UsageError) -> Reading {
        let known = options + Self.common + Self.hidden
        var given = GivenOptions()
        for (word, value) in try Self.options(in: words, known) {
            let option = known[word]
            switch option.name {
            case "help": return .text(help)
            case "version": return .text(version)
            case "experimental-dump-help": return .text(description)
            case "generate-completion-script": return .text(try completionScript(for: value, option))
            default: given.take(option, value)
            }
        }
        return .options(given)
    }

    /// The options among some words, as getopt_long(3) finds them: the number of each in `known`, and its value.
    private static func options(
        in words: [String], _ known: [ProgramOption]
    ) throws(UsageError) -> [(number: Int, value: String)] {
        var arguments: [UnsafeMutablePointer<CChar>?] = (["program"] + words).map { strdup($0) } + [nil]
        let names = known.map { clinux_option(name: UnsafePointer(strdup($0.name)), takes_value: $0.valueName != nil) }
        defer {
            for argument in arguments { free(argument) }
            for name in names { free(UnsafeMutablePointer(mutating: name.name)) }
        }
        var found: [(Int, String)] = []
        clinux_begin_options()
        while true {
            var number: Int32 = 0
            var text: UnsafePointer<CChar>?
            let kind = clinux_next_option(
                Int32(arguments.count - 1), &arguments, names, names.count, &number, &text)
            let word = text.map { String(cString: $0) } ?? ""
            switch kind {
            case CLINUX_OPTION_END: return found
            case CLINUX_OPTION_GIVEN: found.append((Int(number), word))
            case CLINUX_OPTION_WITHOUT_VALUE:
                let option = known[Int(number)]
                throw UsageError("Missing value for '--\(option.name) <\(option.valueName ?? "")>'", about: option)
            case CLINUX_OPTION_TAKES_NO_VALUE:
                throw UsageError("'--\(known[Int(number)].name)' takes no value", about: known[Int(number)])
            case CLINUX_OPTION_ARGUMENT: throw UsageError("Unexpected argument '\(word)'")
            default: throw UsageError("Unknown option '\(word)'")
            }
        }
    }

    /// What is told about words that are not taken.
    func words(for error: UsageError) -> String {
        var lines = ["Error: \(error.description)"]
        if let option = error.option {
            lines.append("Help:  --\(option.name)\(option.valueName.map { " <\($0)>" } ?? "")  \(option.help)")
        }
        return (lines + ["Usage: \(usage)", "  See '\(name) --help' for more information."]).joined(separator: "\n")
    }

    /// What stands in words is safe on a terminal.
    private func finish(_ text: String, on descriptor: Int32, _ status: Int32) -> Never {
        let octets = Array((printableLines(text) + "\n").utf8)
        var rest = octets[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { break }
        }
        Glibc.exit(status)
    }
}
