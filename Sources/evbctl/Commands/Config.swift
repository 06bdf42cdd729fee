internal import ArgumentParser
internal import EVBControl
internal import JSON
internal import TerminalText

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
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
            it has only what differs from the defaults. Where evbd knows that the file says something else, a comment says \
            so; evbctl reload --dry-run says what. With --json, the keys are those of the file.

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
            if case .string(let problem)? = answer.parameters["problem"] {
                print("# The file says something else by now: \(printable(problem))")
            }
            print(configuration.yaml)
        }
    }
}
