internal import ArgumentParser
internal import EVBControl
internal import EVBModel

struct Reload: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Have evbd read its configuration again, and say what became of it.",
        discussion: """
            A file with mistakes changes nothing, and the mistakes are told. Nor does one by which VSIs would end, such as one \
            that leaves a port out, unless --yes says that it is meant. Ports that the file does not change are not touched.

            EXAMPLES
              evbctl reload --dry-run
              evbctl reload
            """)

    @Flag(help: "Say what the file would change, and change nothing.")
    var dryRun = false

    @Flag(help: "Go on where VSIs end by it.")
    var yes = false

    @OptionGroup var global: GlobalOptions

    /// A file with thousands of VSI types takes some seconds.
    private static let milliseconds = 60_000

    func run() throws {
        try global.show(
            .reload, ReloadRequest(dryRun: dryRun, endVSIs: yes), "reload", as: ReloadReport.self,
            timeoutMilliseconds: Self.milliseconds
        ) { $0.reload($1) }
    }
}
