import JSON
import Testing

@testable import ProgramOptions

private let config = ProgramOption(
    "config", takes: "file", otherwise: "/etc/some.yaml", help: "The file.", completion: .file(ending: "yaml"))
private let check = ProgramOption(flag: "check", help: "Look at it, and exit.")
private let age = ProgramOption("age", takes: "seconds", help: "How old a state may be that is shown.")
private let colour = ProgramOption(
    "colour", takes: "name", help: "It's one: of [some].", completion: .words(["red", "green"]))
private let program = Program(
    name: "some-program", abstract: "Does this and that.", discussion: "In the foreground.\n\nAt once.",
    version: "some-program 1.2",
    options: [config, check, age, colour])

/// The words of a command line. getopt_long has one state for the process, so that one test reads at a time.
@Suite("The options of a program", .serialized)
struct ProgramTests {
    private func given(_ words: String...) throws -> GivenOptions {
        guard case .options(let given) = try program.reading(of: words) else {
            Issue.record("\(words) are not read")
            return GivenOptions()
        }
        return given
    }

    private func text(_ words: String...) throws -> String {
        guard case .text(let text) = try program.reading(of: words) else { return "" }
        return text
    }

    private func refusal(_ words: String...) -> String {
        do throws(UsageError) {
            _ = try program.reading(of: words)
            return "taken"
        } catch {
            return error.description
        }
    }

    @Test(
        "OPS-130 A value follows its option or an equals sign, the last one counts, and one that is left out is the option's own"
    )
    func values() throws {
        #expect(try given()[config] == "/etc/some.yaml")
        #expect(try given()[age] == nil)
        #expect(try given("--config", "a b")[config] == "a b")
        #expect(try given("--config=a=b", "--age", "-5")[config] == "a=b")
        #expect(try given("--config=a", "--config", "c")[config] == "c")
        #expect(try given("--age=")[age] == "")
        #expect(try given("--check").has(check))
        #expect(try !given("--conf", "x").has(check))
        #expect(try given("--conf", "x")[config] == "x")
    }

    @Test(
        "OPS-130 A word that is no option, an option that is unknown, a missing value and one too many are refused by name"
    )
    func refusals() {
        #expect(refusal("--bogus") == "Unknown option '--bogus'")
        #expect(refusal("--check", "--bogus=7") == "Unknown option '--bogus=7'")
        #expect(refusal("-x") == "Unknown option '-x'")
        #expect(refusal("-xy", "--check") == "Unknown option '-xy'")
        #expect(refusal("-x", "-y") == "Unknown option '-x'")
        #expect(refusal("--check", "-x", "-") == "Unknown option '-x'")
        #expect(refusal("--c", "x") == "Unknown option '--c'")
        #expect(refusal("start") == "Unexpected argument 'start'")
        #expect(refusal("--check", "--", "--age") == "Unexpected argument '--age'")
        #expect(refusal("--config") == "Missing value for '--config <file>'")
        #expect(refusal("--check=yes") == "'--check' takes no value")
        #expect(refusal("") == "Unexpected argument ''")
    }

    @Test("OPS-130 What was wrong is told with the option's help and the usage")
    func told() {
        let words = program.words(for: UsageError("--age is x; give 1 to 9", about: age)).split(separator: "\n")
        #expect(
            words == [
                "Error: --age is x; give 1 to 9", "Help:  --age <seconds>  How old a state may be that is shown.",
                "Usage: some-program [--config <file>] [--check] [--age <seconds>] [--colour <name>]",
                "  See 'some-program --help' for more information.",
            ])
    }

    @Test("OPS-130 A number has to be one, and in its range")
    func numbers() throws {
        #expect(try given("--age", "9").number(age, in: 1...9) == 9)
        for wrong in ["0", "10", "x", "", "1.5", "99999999999999999999"] {
            #expect(throws: UsageError("--age is \(wrong); give 1 to 9", about: age)) {
                try given("--age=\(wrong)").number(age, in: 1...9)
            }
        }
    }

    @Test("OPS-130 Help and version are told wherever they stand, and lines fit a terminal")
    func help() throws {
        #expect(try text("--version") == "some-program 1.2")
        let help = try text("--check", "-h")
        #expect(try text("--help") == help)
        #expect(help.split(separator: "\n").allSatisfy { $0.count < 80 })
        for part in [
            "OVERVIEW: Does this and that.\n\nIn the foreground.\n\nAt once.\n\nUSAGE: some-program [--config <file>]",
            "\n  --config <file>         The file. (default: /etc/some.yaml)\n",
            "\n  -h, --help              Show help information.\n",
        ] { #expect(help.contains(part), "\(part)") }
    }

    @Test("OPS-130 The dump has what a manual page says of each option")
    func dump() throws {
        let dump = try JSONValue(parsing: Array(text("--experimental-dump-help").utf8))
        guard case .array(let arguments) = dump["command"]?["arguments"] else {
            Issue.record("there are no arguments in \(dump)")
            return
        }
        #expect(
            arguments.map { $0["valueName"] }
                == ["file", "check", "seconds", "name", "version", "help"].map { .string($0) })
        #expect(
            arguments.map { $0["kind"] } == ["option", "flag", "option", "option", "flag", "flag"].map { .string($0) })
        #expect(arguments[0]["defaultValue"] == .string("/etc/some.yaml"))
        #expect(dump["command"]?["abstract"] == .string("Does this and that."))
    }

    @Test("OPS-130 There is a script for three shells, and for no other")
    func completion() throws {
        for shell in ["bash", "zsh", "fish"] {
            let script = try text("--generate-completion-script", shell)
            for name in ["config", "check", "age", "colour", "version", "help"] {
                #expect(script.contains(name), "\(shell): \(name)")
            }
        }
        #expect(
            refusal("--generate-completion-script", "csh")
                == "'csh' is no shell that is known here; give bash, zsh or fish")
    }
}
