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
        try options.ask(.associate, reserve: false, global)
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
        try options.ask(.preAssociate, reserve: reserve, global)
    }
}

struct VSIDeassociate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deassociate",
        abstract: "De-associate VSIs: their traffic is cut, the bridge releases them, and evbd forgets them.",
        discussion: """
            Several are de-associated one after the other, and the rest also where one fails; none, where a name means no VSI or \
            several.

            EXAMPLES
              evbctl vsi deassociate vm1
              evbctl vsi deassociate 5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51 --no-wait
            """)

    @OptionGroup var names: VSINames
    @OptionGroup var wait: WaitOptions
    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.showEach(names, "vsi", as: VSIStatus.self) { client, vsi throws(ControlClientError) in
            let request = DeassociateRequest(
                vsiID: vsi.vsiID, port: vsi.port, waitMilliseconds: wait.milliseconds)
            return try client.call(.deassociate, request, timeoutMilliseconds: wait.timeoutMilliseconds)
        } text: {
            $0.outcome($1)
        }
    }
}
