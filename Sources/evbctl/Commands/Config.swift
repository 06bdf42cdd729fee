internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import JSON
internal import TerminalText

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Look at the configuration.",
        discussion: """
            EXAMPLE
              evbctl config show
            """,
        subcommands: [ConfigShow.self])
}

struct ConfigShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the configuration that evbd runs with, which need not be what the file says by now.",
        discussion: """
            It is printed as the file is written, so that evbd --check-config takes it, and has no secrets. Without --defaults \
            it has only what differs from the defaults. evbd reads the file for that: comments at the head name each key that \
            has another value there by now, or the mistakes for which evbd would not take it. evbctl reload takes the file, \
            and evbctl reload --dry-run says what becomes of ports and VSIs. With --json, the keys are those of the file.

            EXAMPLES
              evbctl config show
              evbctl config show --defaults > evbd.yaml
            """)

    @Flag(help: "Also what has the value that it would have if it were left out.")
    var defaults = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.withClient { client throws(ControlClientError) in
            let answer = try client.call(
                .getConfiguration, GetConfigurationRequest(defaults: defaults),
                timeoutMilliseconds: GlobalOptions.answerMilliseconds)
            let configuration = answer.parameters["configuration"] ?? .null
            guard !global.json else {
                print(configuration.pretty)
                return
            }
            print("# What evbd runs with, from \(printable(try answer.value("file", as: String.self)))")
            for line in try comments(answer) { print("# \(line)") }
            print(configuration.yaml)
        }
    }

    /// Where the file says something else.
    private func comments(_ answer: ControlAnswer) throws(ControlClientError) -> [String] {
        var lines: [String] = []
        if case .string(let problem)? = answer.parameters["problem"] {
            lines.append("The file says something else by now: \(printable(problem))")
        }
        if case .string(let mistakes)? = answer.parameters["mistakes"] {
            lines.append("The file has mistakes by now, for which evbd would not take it:")
            lines += mistakes.split(separator: "\n").map { "  \(printable(String($0)))" }
        }
        // An older evbd does not say.
        guard answer.parameters["differences"] != nil else { return lines }
        let differences = try answer.value("differences", as: [ConfigurationDifference].self)
        guard !differences.isEmpty else { return lines }
        lines.append("Keys with another value in the file, which evbctl reload takes:")
        for difference in differences {
            let values = [difference.inForce, difference.file].map { $0.map { printable($0) } ?? "nothing" }
            lines.append("  \(printable(difference.key)): \(values[0]) in force, \(values[1]) in the file")
        }
        return lines
    }
}
