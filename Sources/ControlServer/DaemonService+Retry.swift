internal import EVBControl
internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBTime
internal import EVBWire
internal import EventLoop

// Asking again by hand for what a bridge has refused.

/// Retries many VSIs, a slice a turn of the loop.
final class RetryRound {
    /// VSIs that are looked at in one turn.
    private static let slice = 64

    private var ports: [any StationPortControl]
    private var waiting: [VSIID] = []
    private var port: (any StationPortControl)?
    private var retried = 0
    private let requester = Requester.current
    private let timers: Timers
    private var timer: Timers.Timer?
    private let completion: (Int) -> Void

    init(
        _ ports: [any StationPortControl], timers: Timers, completion: @escaping (Int) -> Void
    ) {
        self.ports = ports
        self.timers = timers
        self.completion = completion
    }

    func start() {
        timer = timers.timer { [weak self] in
            Requester.$current.withValue(self?.requester) { self?.go() }
        }
        go()
    }

    private func go() {
        for _ in 0..<Self.slice {
            guard let vsiID = waiting.popLast() else {
                guard let next = ports.popLast() else {
                    timer = nil
                    return completion(retried)
                }
                port = next
                waiting = next.vsiIDs
                continue
            }
            do throws(VSIRetryError) {
                try port?.retry(vsiID, waiter: nil)
                retried += 1
            } catch {
                // It has gone meanwhile, or is as it should be.
            }
        }
        timer?.set(timers.now)
    }
}

extension DaemonService {
    func retry(_ call: RetryRequest, _ reply: ControlReplyHandle) throws(ControlError) {
        let (holder, vsiID) = try locate(call.vsiID, port: call.port)
        let port = try station(holder.name)
        let waiter = try wait(call.waitMilliseconds, port, vsiID, reply) { [weak port] in port?.vsiStatus(vsiID) }
        do throws(VSIRetryError) {
            try port.retry(vsiID, waiter: waiter)
        } catch {
            reply.fail(Self.error(error, port: port.name, vsiID: vsiID))
            // It is answered already; this ends its waiting.
            waiter?(.outcome(.superseded))
            return
        }
        if waiter == nil, let status = port.vsiStatus(vsiID) { reply.answer(.vsi(status)) }
    }

    func retryAll(_ call: RetryAllRequest, _ reply: ControlReplyHandle) throws(ControlError) {
        let stations: [any StationPortControl]
        if let name = call.port {
            stations = [try station(name)]
        } else {
            stations = directory.ports.compactMap {
                if case .station(let station) = $0 { station } else { nil }
            }
        }
        let key = ObjectIdentifier(reply)
        let round = RetryRound(stations, timers: timers) { [weak self] count in
            reply.answer(.retried(RetryReport(retried: count)))
            self?.rounds[key] = nil
        }
        rounds[key] = round
        round.start()
    }

    private static func error(_ error: VSIRetryError, port: String, vsiID: VSIID) -> ControlError {
        let name = vsiID.description
        func nothing(_ message: String, _ hint: String) -> ControlError {
            ControlError(.nothingToRetry(vsiID: name, port: port), message: message, hint: hint)
        }
        return switch error {
        case .unknownVSI: ControlError(.noSuchVSI(vsiID: name, port: port))
        case .isWithdrawn:
            nothing(
                "VSI \(name) on \(port) is being de-associated",
                "ask for it by evbctl vsi associate if it is wanted again")
        case .isUnderWay:
            nothing("VSI \(name) on \(port) is being asked for", "wait for the answer; see evbctl vsi show \(name)")
        case .isInForce:
            nothing("the bridge on \(port) holds VSI \(name) as it is wanted", "see evbctl vsi show \(name)")
        case .isDrained: Self.drained(port, vsiID)
        case .noBridge: ControlError(.noBridge(port: port, vsiID: name))
        }
    }
}
