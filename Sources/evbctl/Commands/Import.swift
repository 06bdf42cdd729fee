internal import ArgumentParser
internal import LinuxSystem
internal import LldpadFile
internal import TerminalText

struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make a configuration of evbd from lldpad's.",
        discussion: """
            Each interface on which lldpad runs EVB becomes a port. What evbd has no counterpart for is a comment in the \
            configuration. Needs no evbd, and changes nothing but the file that --output names.

            EXAMPLES
              evbctl import
              evbctl import /var/lib/lldpad/lldpad.conf --output /tmp/evbd.yaml
              evbd --check-config --config /tmp/evbd.yaml
            """)

    @Argument(help: "The file of lldpad.", completion: .file())
    var file = "/var/lib/lldpad/lldpad.conf"

    @Option(
        help: ArgumentHelp("Write to this file, not to standard output.", valueName: "path"),
        completion: .file(extensions: ["yaml"]))
    var output: String?

    @Flag(help: "Replace the file that --output names.")
    var force = false

    func run() throws {
        let found: LldpadImport
        do {
            let octets = try Files.read(file, limit: LibconfigGroup.maximumOctets)
            found = LldpadImport(try LibconfigGroup(parsing: octets))
        } catch let error as LibconfigError {
            throw fail(
                "\(file), \(error)",
                "check that this is lldpad's configuration; lldpad itself would not read it either")
        } catch {
            throw fail("the configuration of lldpad cannot be read: \(error)", "name the file: evbctl import FILE")
        }
        guard !found.ports.isEmpty else {
            let notes = found.notes.map { "\n  \($0)" }.joined()
            throw fail(
                "\(file) has no interface on which lldpad runs EVB\(notes)",
                "write the ports by hand; see evbd.yaml(5)")
        }
        let text = found.yaml(source: file)
        guard let output else {
            print(text, terminator: "")
            return
        }
        try write(text, to: output)
        let remarks = found.notes.count + found.ports.map(\.remarks.count).reduce(0, +)
        let ports = "\(found.ports.count) \(found.ports.count == 1 ? "port" : "ports")"
        let comments = remarks == 1 ? "1 comment" : "\(remarks) comments"
        Terminal.show(
            printable("\(output): \(ports), and \(comments) to read; then evbd --check-config --config \(output)"))
    }

    private func write(_ text: String, to path: String) throws {
        if !force, (try? Files.status(path)) != nil {
            throw fail("\(path) is there already", "give --force to replace it, or another --output")
        }
        do {
            try Files.writeAtomically(path, Array(text.utf8), mode: 0o644)
        } catch {
            throw fail("the configuration cannot be written: \(error)", "give another --output, or run evbctl as root")
        }
    }

    /// Says what failed and what to do.
    private func fail(_ what: String, _ advice: String) -> ExitCode {
        Terminal.complain("evbctl: \(printableLines(what))\n  \(printable(advice))")
        return ExitCode(Failure.Status.refused)
    }
}
