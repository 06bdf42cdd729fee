import ArgumentParser
import Testing

@testable import evbctl

/// What words come to, by the short way and by ArgumentParser's own.
@Suite struct ParsedWordsTests {
    private static let vsi = "1f9b1c53-8b5c-4eeb-8f00-d84eaa0aaa01"

    /// The command with its values, or what is said of the words and the exit status.
    private func outcome(_ read: ([String]) throws -> any ParsableCommand, _ words: [String]) -> String {
        do {
            let command = try read(words)
            return "\(type(of: command)) \(command)"
        } catch {
            return "\(Evbctl.exitCode(for: error).rawValue) \(Evbctl.fullMessage(for: error))"
        }
    }

    @Test(
        "SPD-291 words are read, and what is wrong with them is said, as by the parser's own way",
        arguments: [
            "", "status", "status --json", "status --watch", "status --watch=0", "status --watch=3 --socket /s",
            "status x",
            "status --nothing", "status --socket", "port", "port list", "port show", "port show eth0 --json", "port x",
            "x",
            "vsi associate \(vsi) --port eth0 --type 1", "vsi associate \(vsi) --port eth0",
            "vsi list --columns nothing",
            "vsi list --state associated --no-header", "vsi retry --all", "--json", "why \(vsi)", "drain eth0 --end",
            "config show", "log-level debug", "monitor --json --nothing", "-h", "--help", "help", "help status",
            "status --help", "status -h", "vsi list -h", "vsi help", "--version", "status --version",
            "--generate-completion-script", "--generate-completion-script bash",
            "status --generate-completion-script zsh",
            "--experimental-dump-help", "status --experimental-dump-help", "---completion status -- --so", "status -x",
        ])
    func same(line: String) {
        let words = line.split(separator: " ").map(String.init)
        #expect(outcome(Evbctl.parse, words) == outcome({ try Evbctl.parseAsRoot($0) }, words))
    }
}
