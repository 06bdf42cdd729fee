internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import JSON
internal import TerminalText

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version",
        abstract: "Show the versions of evbctl and of the running evbd.",
        discussion: """
            EXAMPLE
              evbctl version
            """)

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.withClient { client throws(ControlClientError) in
            let answer = try client.call(
                .getVersion, NoParameters(), timeoutMilliseconds: GlobalOptions.answerMilliseconds)
            let version = try answer.value("version", as: String.self)
            if global.json {
                let versions = [
                    JSONValue.Member("evbctl", .string(Release.version)), JSONValue.Member("evbd", .string(version)),
                ]
                print(JSONValue.object(versions).pretty)
            } else {
                print("evbctl \(Release.version)\nevbd   \(printable(version))")
            }
        }
    }
}
