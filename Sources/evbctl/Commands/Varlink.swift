internal import ArgumentParser
internal import EVBControl

struct Varlink: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "varlink",
        abstract: "Print the varlink interface of evbd, for those who write a program that calls it.",
        discussion: """
            Needs no evbd. A running evbd describes itself as well: varlinkctl introspect.

            EXAMPLE
              evbctl varlink > io.evbd.varlink
            """)

    func run() {
        print(ControlInterface.description, terminator: "")
    }
}
