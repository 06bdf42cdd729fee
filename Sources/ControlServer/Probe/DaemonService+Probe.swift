internal import EVBControl
internal import EVBModel
internal import EVBPorts
internal import EVBTime
internal import EVBWire
internal import EventLoop

// Finding out what a bridge can do.

extension DaemonService {
    func probe(_ call: ProbeRequest, _ reply: ControlReplyHandle) throws(ControlError) {
        let port = try station(call.port)
        let name = port.name
        let manager = try Self.manager(call.managerID, placement: port.managerIDPlacement)
        guard probes[name] == nil else {
            throw ControlError(
                .busy(limit: "probes"), message: "another probe of \(name) is under way",
                hint: "try again when it has ended")
        }
        if port.drain != nil {
            throw ControlError(
                .noBridge(port: name, vsiID: nil),
                message: "\(name) is drained, so that its switch is asked for nothing",
                hint: "evbctl drain \(name) --end takes the port back into service")
        }
        guard port.hasBridge else { throw ControlError(.noBridge(port: name, vsiID: nil)) }
        let session = ProbeSession(port, call, manager, timers: timers) {
            [weak self] result in
            self?.probes[name] = nil
            guard let self, let details = try? details(name) else {
                reply.fail(ControlError(.noSuchPort(port: name)))
                return
            }
            switch result {
            case .failure(let error): reply.fail(error)
            case .success(let result):
                reply.answer(
                    .probe(
                        ProbeReport(
                            port: name, neighbour: details.lldpNeighbour, dialect: details.port.dialect,
                            evbTLV: details.evbTLV, steps: result.steps, isComplete: result.isComplete,
                            managerID: call.managerID, typeID: call.typeID, typeVersion: call.typeVersion,
                            keepAliveTrial: result.keepAliveTrial)))
            }
        }
        probes[name] = session
        reply.onGone = { [weak session] in session?.abort() }
        session.start()
    }
}
