internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import JSON
internal import TerminalText

struct Types: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "types",
        abstract: "Show VSI types that come from servers, and how old they are, or have them fetched.",
        discussion: """
            Servers are named by vsi-types in evbd.yaml; evbd-types asks them. What a server gave last stays in force until it gives \
            something else that is in order.

            EXAMPLES
              evbctl types
              evbctl types fetch
            """,
        subcommands: [List.self, Fetch.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "Show each server, and how old its VSI types are.",
            discussion: """
                EXAMPLES
                  evbctl types
                  evbctl types list --json
                """)

        @OptionGroup var global: GlobalOptions

        func run() throws {
            try global.withClient { client throws(ControlClientError) in
                let answer = try client.call(
                    .getStatus, NoParameters(), timeoutMilliseconds: GlobalOptions.answerMilliseconds)
                if global.json {
                    print((answer.parameters["status"]?["typeServers"] ?? .array([])).pretty)
                } else {
                    let status = try answer.value("status", as: StatusReport.self)
                    Terminal.show(Terminal.presenter.typeServers(status.typeServers))
                }
            }
        }
    }

    struct Fetch: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "fetch",
            abstract: "Have all servers asked at once, and wait for their answers.",
            discussion: """
                The exit status is 1 if one of them gave nothing.

                EXAMPLES
                  evbctl types fetch
                """)

        /// evbd ends the waiting before, whatever becomes of the servers.
        private static let answerMilliseconds = 660_000

        @OptionGroup var global: GlobalOptions

        func run() throws {
            var isBad = false
            try global.withClient { client throws(ControlClientError) in
                let answer = try client.call(
                    .fetchTypes, NoParameters(), timeoutMilliseconds: Self.answerMilliseconds)
                let servers = try answer.value("typeServers", as: [TypeServerStatus].self)
                isBad = servers.contains { $0.problem != nil }
                try global.show(answer, "typeServers", as: [TypeServerStatus].self) { $0.typeServers($1) }
            }
            if isBad { throw ExitCode(1) }
        }
    }
}

extension Presenter {
    /// A line for each server, and what is wrong below.
    func typeServers(_ servers: [TypeServerStatus]) -> String {
        guard !servers.isEmpty else { return "no VSI types come from servers; vsi-types in evbd.yaml names them" }
        var table = Table(heading: ["MANAGER", "TYPES", "CONFIRMED", "URL"])
        table.rows = servers.map { server in
            [
                Cell(server.managerID ?? "all"),
                Cell(server.types.map { "\($0)" } ?? "none", server.types == nil ? .bad : .plain),
                Cell(
                    server.ageSeconds.map { "\(Units.uptime(seconds: $0)) ago" } ?? "-",
                    server.problem == nil ? .plain : .warning),
                Cell(server.url),
            ]
        }
        let problems = servers.compactMap { server in
            server.problem.map { problem in
                sentence("PROBLEM: \(server.name): \(problem)\(server.hint.map { ": \($0)" } ?? "")", .bad)
            }
        }
        return ([table.rendered(colour: colour)] + problems).joined(separator: "\n\n")
    }
}
