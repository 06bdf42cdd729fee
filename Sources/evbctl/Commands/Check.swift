internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import Glibc
internal import JSON

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check evbd as a monitoring plugin does: one line, performance data, and an exit status.",
        discussion: """
            Nagios, Icinga, Checkmk and their like read this line and status. CRITICAL: VSIs do not work, or cannot; \
            the first problem of evbctl status stands in the line. WARNING: they work, and something has to be put \
            right, or VSIs wait for an answer.

            Performance data of each port: VSIs that are associated, VSIs in all, and the age of the bridge's last \
            LLDPDU with two thirds of its life as the first limit and all of it as the second.

            EXIT STATUS
              0   OK
              1   WARNING
              2   CRITICAL
              3   UNKNOWN: evbd does not answer, or has no such port

            EXAMPLES
              evbctl check
              evbctl check eth0
            """)

    /// Ports of which performance data are given where none is named: some systems cut long lines.
    private static let portsMax = 32

    @Argument(
        help: ArgumentHelp("The interface of one port; all without it.", valueName: "iface"),
        completion: LiveCompletion.ports.kind)
    var interface: String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let verdict = verdict()
        if global.json {
            let octets = JSONCoding.encode(verdict)
            print((try? JSONValue(parsing: octets))?.pretty ?? "null")
        } else {
            Terminal.show(verdict.line)
        }
        throw ExitCode(verdict.state.status)
    }

    private func verdict() -> Verdict {
        do throws(ControlClientError) {
            let client = try GlobalOptions.connect(global.socketPath)
            let limit = GlobalOptions.answerMilliseconds
            if let interface {
                let answer = try client.call(
                    .getPort, GetPortRequest(interface: interface), timeoutMilliseconds: limit)
                let details = try answer.value("port", as: PortDetails.self)
                return Verdict(ports: [details.port], problems: details.problems, neighbours: [details.lldpNeighbour])
            }
            let status = try client.call(.getStatus, NoParameters(), timeoutMilliseconds: limit)
                .value("status", as: StatusReport.self)
            var neighbours: [NeighbourStatus?] = []
            for port in status.ports.prefix(Self.portsMax) {
                let answer = try client.call(
                    .getPort, GetPortRequest(interface: port.interface), timeoutMilliseconds: limit)
                neighbours.append(try answer.value("port", as: PortDetails.self).lldpNeighbour)
            }
            return Verdict(ports: status.ports, problems: status.problems, neighbours: neighbours)
        } catch {
            return Verdict(unknown: Failure(error))
        }
    }
}
