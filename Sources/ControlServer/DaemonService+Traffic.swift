internal import EVBControl
internal import EVBModel
internal import EVBPorts
internal import EVBWire

// Answers for which counters are read in the kernel, beside the loop.

extension DaemonService {
    func show(_ text: String, port name: String?, _ reply: ControlReplyHandle) throws(ControlError) {
        let (port, vsiID) = try locate(text, port: name)
        guard var details = port.common.vsiDetails(vsiID) else {
            throw ControlError(.noSuchVSI(vsiID: text, port: name))
        }
        let source = port.common.trafficSource(of: vsiID)
        if case .none(let reason) = source {
            details.trafficNote = reason
            reply.answer(.vsiDetails(details))
            return
        }
        traffic.read(TrafficWanted(source, port: port.name)) { reading in
            // The port may have let go of it meanwhile; what it was is told all the same.
            var latest = port.common.vsiDetails(vsiID) ?? details
            latest.traffic = port.common.traffic(of: vsiID, reading)
            if latest.traffic == nil { latest.trafficNote = "the kernel has no counters of the VSI now" }
            reply.answer(.vsiDetails(latest))
        }
    }

    func show(port interface: String, _ reply: ControlReplyHandle) throws(ControlError) {
        let details = try details(interface)
        let port = try port(interface)
        guard let counters = port.common.ruleCounters else {
            reply.answer(.port(details))
            return
        }
        var wanted = TrafficWanted()
        wanted.rules = [port.name: counters]
        traffic.read(wanted) { [self] reading in
            var latest = (try? self.details(interface)) ?? details
            latest.dropped = reading.rules[port.name]?.dropped
            reply.answer(.port(latest))
        }
    }

    func answerMetrics(vsis: Bool, _ reply: ControlReplyHandle) {
        func answer(_ reading: TrafficReading) {
            reply.answer(
                metrics: MetricsListing(
                    directory.ports, reading, vsis: vsis, counters: { [self] in counters(of: $0) }
                ) { [self] in metrics })
        }
        var wanted = TrafficWanted()
        for port in directory.ports { wanted.rules[port.name] = port.common.ruleCounters }
        guard vsis || !wanted.rules.isEmpty else { return answer(TrafficReading()) }
        (wanted.links, wanted.addresses) = (vsis ? nil : [], vsis)
        traffic.read(wanted) { answer($0) }
    }
}
