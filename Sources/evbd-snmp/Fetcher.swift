// The thread that asks evbd. Only this one waits for evbd: snmpd is answered from what is on the shelf.

internal import EVBControl
internal import EVBMIB
internal import EVBModel
internal import EVBTime
internal import Glibc
internal import LinuxSystem

/// Fetches evbd's state once in an interval.
struct Fetcher: Sendable {
    /// How long evbd may take for each reply.
    private static let answerMilliseconds = 10_000

    let socket: String
    let interval: Interval
    let shelf: Shelf

    /// Starts the thread, which never ends.
    ///
    /// - Throws: what pthread_create says.
    func start() throws(SystemError) {
        let box = Unmanaged.passRetained(Box(self))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().fetcher.run() }
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw SystemError(call: "pthread_create", code: code)
        }
        pthread_detach(thread)
    }

    private final class Box: Sendable {
        let fetcher: Fetcher

        init(_ fetcher: Fetcher) { self.fetcher = fetcher }
    }

    private func run() {
        /// What the log says of evbd now.
        var said: String?
        while true {
            let start = Instant.now
            do {
                shelf.replace(with: try fetch(), at: start)
                if said != "" { log(.info, "evbd answers on \(socket)") }
                said = ""
            } catch {
                let words = Self.words(error)
                if said != words { log(.warning, words) }
                said = words
            }
            pause(interval)
        }
    }

    private func fetch() throws(ControlClientError) -> ObjectTree {
        let client = try connect()
        let ports = try client.call(.listPorts, NoParameters(), timeoutMilliseconds: Self.answerMilliseconds)
            .value("ports", as: [PortStatus].self)
        var objects = EVBObjects()
        for (index, port) in ports.enumerated() {
            do {
                let answer = try client.call(
                    .getPort, GetPortRequest(interface: port.interface), timeoutMilliseconds: Self.answerMilliseconds)
                objects.add(try answer.value("port", as: PortDetails.self), number: index + 1)
            } catch .refused(let error) {
                // A reload has taken it away in the meantime.
                guard case .noSuchPort = error.failure else { throw .refused(error) }
            }
        }
        try client.stream(
            .listVSIDetails, ListVSIDetailsRequest(), timeoutMilliseconds: Self.answerMilliseconds
        ) { answer throws(ControlClientError) in
            for vsi in try answer.value("vsis", as: [VSIDetails].self) { objects.add(vsi) }
            return true
        }
        return objects.tree
    }

    private func connect() throws(ControlClientError) -> ControlClient {
        do {
            return try ControlClient(socket: socket)
        } catch {
            guard case .noDaemon(_, .forbidden) = error else { throw error }
            do {
                return try ControlClient(socket: ControlSocketPath.readOnly(beside: socket))
            } catch .noDaemon(_, .absent) {
                throw error
            }
        }
    }

    private static func words(_ error: ControlClientError) -> String {
        switch error {
        case .noDaemon(let socket, .forbidden):
            """
            the socket \(socket) of evbd may not be used by this user, and there is no read-only socket beside it: put \
            "read-only: {}" below "control:" in evbd.yaml and reload evbd
            """
        case .noDaemon(let socket, .absent): "evbd is not there: there is no socket \(socket); start evbd"
        case .noDaemon(let socket, .abandoned): "evbd is not there: it does not listen at \(socket); start evbd"
        case .noDaemon(let socket, .overrun): "evbd accepts nobody at \(socket): too many wait; see its log"
        case .noDaemon(let socket, .other(let text)): "evbd cannot be reached at \(socket): \(text)"
        case .silent(let socket, let milliseconds):
            "evbd took a call at \(socket) and did not answer for \(milliseconds / 1000) s; see its log"
        case .closed(let socket): "evbd closed the connection at \(socket) before it answered; see its log"
        case .garbled(let socket, let detail):
            "what answers at \(socket) is not understood: \(detail); run evbd and evbd-snmp of the same release"
        case .refused(let error): "evbd refused to show its state: \(error.message)"
        case .misunderstood(let error, _):
            "evbd does not know the call (\(error)); run evbd and evbd-snmp of the same release"
        }
    }
}
