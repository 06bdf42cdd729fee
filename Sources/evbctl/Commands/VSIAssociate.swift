internal import ArgumentParser
internal import EVBControl
internal import EVBModel

struct VSIAssociate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "associate",
        abstract: "Associate a VSI: the bridge applies its type, and its traffic flows.",
        discussion: """
            evbd keeps the VSI associated from then on, also when the bridge goes and comes back, until it is \
            de-associated.

            EXAMPLE
              evbctl vsi associate 5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51 \\
                --port eth0 --type 0x1234 --type-version 1 \\
                --filter mac=52:54:00:00:c7:3e,vlan=100 --link vm1
            """)

    @OptionGroup var options: VSIOptions
    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.show(
            .associate, options.request(reserve: false), "vsi", as: VSIStatus.self,
            timeoutMilliseconds: options.wait.timeoutMilliseconds
        ) { $0.outcome($1) }
    }
}

struct VSIPreassociate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preassociate",
        abstract: "Pre-associate a VSI: the bridge checks its type, and may reserve for it, but no traffic flows yet.",
        discussion: """
            Used where a machine is about to come, by migration or by a start; associate follows.

            EXAMPLE
              evbctl vsi preassociate 5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51 \\
                --port eth0 --type 0x1234 --migrating --reserve \\
                --filter mac=52:54:00:00:c7:3e,vlan=100
            """)

    @OptionGroup var options: VSIOptions

    @Flag(help: "Have the bridge reserve the resources (Pre-Associate with resource reservation).")
    var reserve = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.show(
            .preAssociate, options.request(reserve: reserve), "vsi", as: VSIStatus.self,
            timeoutMilliseconds: options.wait.timeoutMilliseconds
        ) { $0.outcome($1) }
    }
}

struct VSIDeassociate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deassociate",
        abstract: "De-associate a VSI: its traffic is cut, the bridge releases it, and evbd forgets it.",
        discussion: """
            EXAMPLE
              evbctl vsi deassociate 5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51
            """)

    @Argument(
        help: ArgumentHelp("The VSI.", valueName: "vsiid"), completion: LiveCompletion.vsis.kind,
        transform: parseVSIID)
    var vsiID: String

    @Option(
        help: ArgumentHelp("The port that it is on (default: wherever it is).", valueName: "iface"),
        completion: LiveCompletion.ports.kind)
    var port: String?

    @OptionGroup var wait: WaitOptions
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let request = DeassociateRequest(vsiID: vsiID, port: port, waitMilliseconds: wait.milliseconds)
        try global.show(
            .deassociate, request, "vsi", as: VSIStatus.self, timeoutMilliseconds: wait.timeoutMilliseconds
        ) { $0.outcome($1) }
    }
}
