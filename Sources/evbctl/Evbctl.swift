// evbctl: the control protocol for people and scripts. Commands ask, Presentation shows; neither does the other's work.

internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import Glibc
internal import JSON
internal import TerminalText

@main
struct Evbctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evbctl",
        abstract: "Look at and control evbd, which speaks EVB, ECP and VDP (IEEE 802.1Qbg) for this host.",
        discussion: """
            EXAMPLES
              evbctl status
              evbctl vsi list --port eth0 --state associated
              evbctl port show eth0 --json

            GLOBAL OPTIONS, before the subcommand or after it
              --socket <path>   the control socket of evbd
              --json            print JSON, for programs

            EXIT STATUS
              0   done
              1   refused or failed; the reason is told, the bridge's own where it gave one
              3   evbd does not answer
              4   no answer from the bridge in time
              64  wrong arguments
              77  no permission to use the socket, or to change anything by it

            A failure goes to standard error; with --json as one object: error (a name that stays), message and remedy.
            """,
        version: Release.version,
        subcommands: [
            Status.self, Check.self, Port.self, VSI.self, Why.self, Drain.self, Probe.self, Monitor.self, Capture.self,
            Stats.self,
            MetricsCommand.self, Reload.self, Config.self, LogLevel.self, Types.self, Import.self, Hook.self,
            Varlink.self,
            Version.self,
        ])

    static func main() {
        do {
            var command = try parse(withGlobalOptionsLast(Array(CommandLine.arguments.dropFirst())))
            try command.run()
        } catch {
            leave(error)
        }
    }

    /// Reads the words of a command.
    ///
    /// Before anything else ArgumentParser looks whether a root command is asked for its completion script, which takes longer than to read
    /// `status`. So words by which nothing is asked of the parser itself are read below a root of another program; what is wrong with words is
    /// said of this one.
    static func parse(_ words: [String]) throws -> any ParsableCommand {
        if !words.contains(where: isForParser), let command = try? Commands.parseAsRoot(words), !(command is Commands) {
            return command
        }
        return try parseAsRoot(words)
    }

    /// Whether ArgumentParser itself may answer a word: with a help, a version, a script. Short options may have an `h` among them.
    private static func isForParser(_ word: String) -> Bool {
        let isShort = word.hasPrefix("-") && !word.hasPrefix("--")
        return isShort || word == "help" || word.hasPrefix("---")
            || ["--help", "--version", "--experimental", "--generate"].contains { word.hasPrefix($0) }
    }

    /// The same commands as parts of another program, which has the completion script and the help.
    private struct Commands: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "evbctl", _superCommandName: "evbctl", subcommands: Evbctl.configuration.subcommands,
            helpNames: [])
    }

    /// Ends as ArgumentParser does, but says what stands in arguments so that it is safe on a terminal.
    private static func leave(_ error: any Error) -> Never {
        let code = exitCode(for: error)
        if code == .validationFailure, CommandLine.arguments.contains("--json") {
            let failure = Failure(
                "Usage", message(for: error), remedy: "see the command with --help", status: Failure.Status.usage)
            Terminal.complain(failure.json.pretty)
            Terminal.flush()
            Glibc.exit(code.rawValue)
        }
        let text = printableLines(fullMessage(for: error))
        if !text.isEmpty { code == .success ? Terminal.show(text) : Terminal.complain(text) }
        Terminal.flush()
        Glibc.exit(code.rawValue)
    }

    /// Puts global options that stand before the subcommand behind its own, where the parser knows them.
    static func withGlobalOptionsLast(_ arguments: [String]) -> [String] {
        var rest = arguments[...]
        var moved: [String] = []
        while let first = rest.first {
            if first == "--socket", rest.count > 1 {
                moved += rest.prefix(2)
                rest = rest.dropFirst(2)
            } else if first == "--json" || first.hasPrefix("--socket=") {
                moved.append(first)
                rest = rest.dropFirst()
            } else {
                break
            }
        }
        // Behind a "--" everything is an argument.
        let end = rest.firstIndex(of: "--") ?? rest.endIndex
        return rest[..<end] + moved + rest[end...]
    }
}
