internal import ArgumentParser
internal import ContainerNetwork
internal import Glibc
internal import LinuxSystem
internal import TerminalText

struct Hook: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hook", abstract: "Serve a container runtime as a hook.",
        discussion: """
            A runtime calls the command and gives it what it is to know; by hand it is of use for a look at its words.

            EXAMPLE
              evbctl hook oci < state.json
            """, subcommands: [HookOCI.self])
}

struct HookOCI: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "oci",
        abstract: "Associate a container's interface before its first process runs, and end its VSI afterwards.",
        discussion: """
            A container runtime of the Open Container Initiative, such as podman's crun, runs this at createRuntime and at poststop, and \
            gives the container's state on standard input. Annotations of the container say what it is:
              evb/type=N          the VSI type, 0 to 16777215; without it nothing is done
              evb/type-version=N  its version (default: 0)
              evb/manager=ID      the manager
              evb/vlan=N          the VLAN of the filter (default: 0)
              evb/port=NAME       the port (default: the only one)
              evb/interface=NAME  the container's interface (default: eth0)
              evb/wait=SECONDS    how long the switch may take (default: 30)
            Where the switch refuses, the container does not start.

            EXAMPLE of a hook's file, in /etc/containers/oci/hooks.d, and of a container that it serves
              {"version": "1.0.0", "stages": ["createRuntime", "poststop"],
               "hook": {"path": "/usr/bin/evbctl", "args": ["evbctl", "hook", "oci"]},
               "when": {"annotations": {"^evb/type$": ".*"}}}
              podman run --network evb --annotation evb/type=100 IMAGE

            The runtime then runs
              evbctl hook oci
            """)

    /// Octets of a state, at most.
    private static let stateMax = 1 << 20

    @Option(
        help: ArgumentHelp(
            "The control socket of evbd (default: $EVBCTL_SOCKET, else /run/evbd/evbd.sock).", valueName: "path"),
        completion: .file())
    var socket: String?

    func run() throws {
        do throws(OCIHook.Failure) {
            let hook = try OCIHook(state: Self.standardInput())
            try hook.perform(
                EVBDService(socket: GlobalOptions.socketPath(given: socket)), isRootless: !ProcessNetwork.isOfMachine
            ) { process, interface in
                try ProcessNetwork.enter(process: process, addressOf: interface).map { octets in
                    octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
                }
            }
        } catch {
            Terminal.complain("evbctl: \(printable(error.message))\n  \(printable(error.remedy))")
            throw ExitCode(Failure.Status.refused)
        }
    }

    private static func standardInput() -> [UInt8] {
        var (octets, buffer): ([UInt8], [UInt8]) = ([], Array(repeating: 0, count: 16 << 10))
        while octets.count <= stateMax {
            let count = read(0, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            octets += buffer[..<count]
        }
        return octets
    }
}
