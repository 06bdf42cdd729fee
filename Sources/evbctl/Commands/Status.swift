internal import ArgumentParser
internal import EVBControl
internal import EVBModel

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show everything on one screen: the daemon, its ports, their peers, and VSIs per state.",
        discussion: """
            A port without a peer hears no EVB bridge; its VSIs wait. Reflective relay is what a VEPA needs of the \
            bridge: "refused" means that frames between machines of this host do not come back.

            EXAMPLE
              evbctl status
            """)

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.show(.getStatus, NoParameters(), "status", as: StatusReport.self) { $0.status($1) }
    }
}
