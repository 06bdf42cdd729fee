package import EVBControl
package import EVBModel
package import EVBPorts
internal import EVBProtocol
internal import EVBTime
internal import EVBWire
package import EventLoop
internal import JSON
internal import LinuxSystem
internal import Logging

/// Answers the calls on the control socket from what the ports are and do.
package final class DaemonService: ControlService {
    /// Requests of clients that may wait for a bridge at the same time.
    static let waitsMax = 20_000
    /// Problems that a status has at most.
    static let problemsMax = 256

    let directory: any PortDirectory
    /// The counters of the daemon itself, which are no port's.
    private let ownCounters: () -> [Counter: UInt64]
    /// Counters of a port that another part of the daemon keeps.
    private let furtherCounters: (EVBPort) -> [Counter: UInt64]
    /// Reads the configuration again, and says what became of it.
    package var onReload: ((ReloadRequest, @escaping (Result<ReloadReport, ControlError>) -> Void) -> Void)?
    /// The configuration in force, with defaults or without.
    package var onConfiguration: ((Bool, @escaping (ConfigurationReport) -> Void) -> Void)?
    /// The level of the log, after it has been changed as asked; nil asks for nothing.
    package var onLogLevel: ((SetLogLevelRequest?) -> LogLevelReport)?
    /// Who keeps what has happened to VSIs.
    package weak var historySource: (any HistorySource)?
    /// Who knows the servers of VSI types.
    package weak var typeServers: (any TypeServerSource)?
    /// What an operator should know beside the ports' own status.
    private let notes: () -> [StatusNote]
    /// What is wrong with the daemon itself.
    private let conditions: () -> [PortProblem]
    private var book = ProblemBook()
    let timers: Timers
    let traffic: TrafficReader
    private let startedAt: Instant
    private var monitors: [ObjectIdentifier: ControlReplyHandle] = [:]
    /// The captures of clients.
    var captures: [ObjectIdentifier: CaptureSession] = [:]
    private var waitCount = 0
    /// Probes by their ports.
    var probes: [String: ProbeSession] = [:]
    /// What is being done to many VSIs, a slice a turn.
    var rounds: [ObjectIdentifier: RetryRound] = [:]

    /// Serves for the ports of `directory`.
    ///
    /// The service calls the closures during a call only. The owner must end the service no later than `directory`.
    package init(
        directory: any PortDirectory, timers: Timers, traffic: TrafficReader,
        ownCounters: @escaping () -> [Counter: UInt64],
        furtherCounters: @escaping (EVBPort) -> [Counter: UInt64], notes: @escaping () -> [StatusNote] = { [] },
        conditions: @escaping () -> [PortProblem] = { [] }
    ) {
        self.directory = directory
        self.timers = timers
        self.traffic = traffic
        self.ownCounters = ownCounters
        self.furtherCounters = furtherCounters
        self.notes = notes
        self.conditions = conditions
        startedAt = timers.now
    }

    package func handle(_ request: ControlRequest, from peer: PeerCredentials, reply: ControlReplyHandle) {
        // A closure of withValue has no typed errors.
        Requester.$current.withValue(reply.requester ?? .client(pid: peer.pid, uid: peer.uid)) {
            do throws(ControlError) {
                try permit(request, peer)
                try answer(request, reply)
            } catch {
                reply.fail(error)
            }
        }
    }

    /// What is for root alone.
    private func permit(_ request: ControlRequest, _ peer: PeerCredentials) throws(ControlError) {
        guard case .setLogLevel = request, ![0, Processes.ownUser].contains(peer.uid) else { return }
        throw ControlError(.notPermitted(method: ControlMethod.setLogLevel.rawValue))
    }

    private func answer(_ request: ControlRequest, _ reply: ControlReplyHandle) throws(ControlError) {
        switch request {
        case .getVersion: reply.answer(.version(VersionReport(version: Release.version)))
        case .getStatus: answerStatus(reply)
        case .listPorts: reply.answer(.ports(directory.ports.map(\.common.status)))
        case .getPort(let interface): try show(port: interface, reply)
        case .listVSIs(let request): try list(request, reply)
        case .listVSIDetails(let port):
            reply.answer(lookingAtDetails: VSIListing.Details(try ports(port).map(\.common)))
        case .getVSI(let vsiID, let port): try show(vsiID, port: port, reply)
        case .associate(let request): try associate(request, target: .associated, reply)
        case .preAssociate(let request):
            try associate(
                request, target: request.reserve ? .preAssociatedWithReservation : .preAssociated, reply)
        case .deassociate(let request): try deassociate(request, reply)
        case .retry(let request): try retry(request, reply)
        case .retryAll(let request): try retryAll(request, reply)
        case .getHistory(let request): try history(request, reply)
        case .probe(let request): try probe(request, reply)
        case .drain(let request): try drain(request, reply)
        case .endDrain(let request):
            let station = try station(request.port)
            station.endDrain()
            reply.answer(.portStatus(station.status))
        case .monitor:
            monitors[ObjectIdentifier(reply)] = reply
            reply.onGone = { [weak self, weak reply] in
                if let reply { self?.monitors[ObjectIdentifier(reply)] = nil }
            }
        case .getStatistics(let interface):
            let ports = try interface.map { name throws(ControlError) in [try port(name)] } ?? directory.ports
            var reports = ports.map { counters(of: $0) }
            if interface == nil {
                reports.append(
                    StatisticsReport(
                        interface: nil, ownCounters(),
                        counterDiscontinuity: timers.now.since(startedAt).hundredths))
            }
            reply.answer(.statistics(reports))
        case .getMetrics(let vsis): answerMetrics(vsis: vsis, reply)
        case .misbehave(let request):
            let port = try bridgePort(request.interface)
            if let text = request.misbehaviour?.vsiID, VSIID(text) == nil { throw Self.unreadableVSIID(text) }
            port.misbehave(request.misbehaviour ?? .none)
            try show(port: port.name, reply)
        case .getConfiguration(let request):
            onConfiguration?(request.defaults) { reply.answer(.configuration($0)) }
        case .fetchTypes: fetchTypes(reply)
        case .capture(let request): try capture(request, reply)
        case .getLogLevel: if let report = onLogLevel?(nil) { reply.answer(.logLevel(report)) }
        case .setLogLevel(let request): if let report = onLogLevel?(request) { reply.answer(.logLevel(report)) }
        case .reload(let request):
            onReload?(request) { result in
                switch result {
                case .success(let report): reply.answer(.reload(report))
                case .failure(let error): reply.fail(error)
                }
            }
        }
    }

    /// Sends news to everybody who monitors.
    package func publish(_ news: PortNews, port: String, timeMilliseconds: Int) {
        guard !monitors.isEmpty else { return }
        let event = ControlEvent(
            timeMilliseconds: timeMilliseconds, kind: news.kind, port: port, vsiID: news.vsiID?.description,
            from: news.from, to: news.to, reason: news.reason, message: news.message)
        let octets = ControlReplyHandle.octets(of: event)
        for monitor in monitors.values { monitor.send(octets) }
    }

    // MARK: Looking

    func counters(of port: EVBPort) -> StatisticsReport {
        var report = port.common.counters
        report.add(furtherCounters(port))
        return report
    }

    var metrics: DaemonMetrics {
        let usage = ProcessUsage.now()
        let counters = StatisticsReport(interface: nil, ownCounters(), counterDiscontinuity: 0).counters
        return DaemonMetrics(
            version: Release.version, counters: counters,
            problems: ProblemCount.counts(
                of: notes().filter(\.isProblem).map(\.kind.rawValue) + conditions().map(\.kind.rawValue)),
            process: ProcessReport(
                residentOctets: usage.resident, virtualOctets: usage.virtual, openDescriptors: usage.openDescriptors,
                descriptorsMax: Processes.descriptorLimit, computedMicroseconds: Int(clamping: usage.computed / 1000),
                startedMilliseconds: ProcessUsage.started),
            turns: HistogramReport(timers.turns),
            longestTurnMicroseconds: Int(clamping: timers.turns.longest.nanoseconds / 1000),
            mostComputedMicroseconds: Int(clamping: timers.mostComputed.nanoseconds / 1000),
            typeServers: typeServers?.statuses ?? [])
    }

    private func answerStatus(_ reply: ControlReplyHandle) {
        let uptime = timers.now.since(startedAt).nanoseconds / 1_000_000_000
        let (ports, notes) = (directory.ports, notes())
        let report = StatusReport(
            daemon: DaemonStatus(
                version: Release.version, pid: Int(Processes.ownID), uptimeSeconds: Int(clamping: uptime)),
            ports: [], notes: notes, problems: problems(of: ports, notes), typeServers: typeServers?.statuses ?? [])
        reply.answer("status") { writer in
            report.write(to: &writer) { writer in
                writer.list(count: ports.count) { ports[$1].common.writeStatus(to: &$0) }
            }
        }
    }

    /// What is wrong with the daemon, and on its ports; of these as of late.
    private func problems(of ports: [EVBPort], _ notes: [StatusNote]) -> [PortProblem] {
        settle(notes)
        var problems = book.problems(at: timers.now)
        for port in ports where problems.count < Self.problemsMax { problems += port.common.recentProblems }
        return problems.count > Self.problemsMax ? Array(problems.prefix(Self.problemsMax)) : problems
    }

    /// What is wrong with the daemon itself may have changed.
    package func daemonMayHaveChanged() { settle(notes()) }

    private func settle(_ notes: [StatusNote]) {
        _ = book.settle(notes.compactMap { PortProblem($0) } + conditions(), at: timers.now)
    }

    func port(_ name: String) throws(ControlError) -> EVBPort {
        guard let port = directory.port(name) else { throw ControlError(.noSuchPort(port: name)) }
        return port
    }

    /// The port of that name, or all.
    private func ports(_ name: String?) throws(ControlError) -> [EVBPort] {
        try name.map { name throws(ControlError) in [try port(name)] } ?? directory.ports
    }

    func details(_ interface: String) throws(ControlError) -> PortDetails {
        let ports = directory.ports
        let name = directory.port(interface)?.name
        guard let index = ports.firstIndex(where: { $0.name == name }) else {
            throw ControlError(.noSuchPort(port: interface))
        }
        return ports[index].common.details(number: index + 1, of: ports.count)
    }

    /// A port on which VSIs can be asked for.
    func station(_ name: String) throws(ControlError) -> any StationPortControl {
        guard case .station(let station) = try port(name) else {
            throw ControlError(
                .invalidArgument(argument: "port"),
                message: "\(name) is a bridge port: its VSIs are asked for by the station at the other end of the link",
                hint: "run evbctl vsi associate there, or name a port of role station; see evbctl port list")
        }
        return station
    }

    /// A port that can be told to misbehave.
    private func bridgePort(_ name: String) throws(ControlError) -> any BridgePortControl {
        guard case .bridge(let port) = try port(name) else {
            throw ControlError(
                .invalidArgument(argument: "interface"),
                message: "\(name) is a station port; only bridge ports can misbehave",
                hint: "name a port of role bridge; see evbctl port list")
        }
        return port
    }

    private func list(_ request: ListVSIsRequest, _ reply: ControlReplyHandle) throws(ControlError) {
        let ports = try ports(request.port)
        let query = try VSIQuery(request)
        reply.answer(texts: VSIListing.Texts(VSIListing(ports.map(\.common), state: request.state, query: query)))
    }

    /// The port that has a VSI, where only one may be meant.
    func locate(_ text: String, port name: String?) throws(ControlError) -> (EVBPort, VSIID) {
        guard let vsiID = VSIID(text) else { throw Self.unreadableVSIID(text) }
        let ports = try name.map { name throws(ControlError) in [try port(name)] } ?? directory.ports
        let holders = ports.filter { $0.common.holds(vsiID) }
        guard let holder = holders.first else { throw ControlError(.noSuchVSI(vsiID: text, port: name)) }
        guard holders.count == 1 else {
            throw ControlError(
                .invalidArgument(argument: "port"),
                message: "VSI \(text) is on several ports: \(holders.map(\.name).joined(separator: ", "))",
                hint: "name one with --port")
        }
        return (holder, vsiID)
    }

    // MARK: Asking for VSIs

    private func associate(
        _ call: EVBControl.VSIRequest, target: EVBProtocol.VSIRequest.Target, _ reply: ControlReplyHandle
    ) throws(ControlError) {
        let port = try station(call.port)
        let request = try read(call, target: target, placement: port.managerIDPlacement)
        let link = call.link.map {
            LinkRequest(
                name: $0.name, kind: $0.kind, mode: $0.mode, mtu: call.linkMTU,
                sources: call.linkSources.compactMap { MACAddress($0) }, allmulticast: call.linkAllmulticast)
        }
        let waiter = try wait(call.waitMilliseconds, port, request.vsiID, reply) { [weak port] in
            port?.vsiStatus(request.vsiID)
        }
        do {
            try port.request(
                request, link: link, label: call.label, owner: .control, because: nil, waiter: waiter)
        } catch {
            reply.fail(Self.error(error, port: port.name, vsiID: request.vsiID))
            // It is answered already; this ends its waiting.
            waiter?(.outcome(.superseded))
            return
        }
        if waiter == nil, let status = port.vsiStatus(request.vsiID) { reply.answer(.vsi(status)) }
        if waiter != nil, port.drain != nil { reply.fail(Self.drained(port.name, request.vsiID)) }
    }

    private func deassociate(_ call: DeassociateRequest, _ reply: ControlReplyHandle) throws(ControlError) {
        let (holder, vsiID) = try locate(call.vsiID, port: call.port)
        guard let before = holder.common.vsiStatus(vsiID) else {
            throw ControlError(.noSuchVSI(vsiID: call.vsiID, port: call.port))
        }
        let port: any StationPortControl
        switch holder {
        case .bridge(let bridge):
            bridge.deassociate(byRequest: vsiID)
            reply.answer(.vsi(before.released()))
            return
        case .station(let station): port = station
        }
        let waiter = try wait(call.waitMilliseconds, port, vsiID, reply) { before.released() }
        do {
            try port.withdraw(vsiID, because: nil, waiter: waiter)
        } catch {
            reply.fail(Self.error(error, port: port.name, vsiID: vsiID))
            // It is answered already; this ends its waiting.
            waiter?(.outcome(.superseded))
            return
        }
        if waiter == nil { reply.answer(.vsi(port.vsiStatus(vsiID) ?? before.released())) }
    }

    /// Someone who answers `reply` when the request has ended, or when `milliseconds` have passed; nil for no time.
    func wait(
        _ milliseconds: Int, _ port: any StationPortControl, _ vsiID: VSIID, _ reply: ControlReplyHandle,
        status: @escaping () -> VSIStatus?
    ) throws(ControlError) -> RequestWaiter? {
        guard milliseconds > 0 else { return nil }
        guard waitCount < Self.waitsMax else { throw ControlError(.busy(limit: "waiting requests")) }
        waitCount += 1
        var timer: Timers.Timer?
        var isOver = false
        let finish = { [weak self] in
            guard !isOver else { return }
            isOver = true
            timer = nil
            self?.waitCount -= 1
        }
        let (name, began, timers) = (port.name, timers.now, timers)
        timer = timers.timer { [weak port] in
            finish()
            guard let port else {
                reply.fail(ControlError(.noBridge(port: name, vsiID: vsiID.description)))
                return
            }
            reply.fail(
                Self.error(port.hasBridge ? .timedOut : .noBridge, port: port, vsiID: vsiID, waited: milliseconds))
        }
        timer?.set(began + .milliseconds(UInt64(milliseconds)))
        reply.onGone = finish
        return { [weak port] ending in
            finish()
            let waited = Int(clamping: timers.now.since(began).nanoseconds / 1_000_000)
            switch ending {
            case .outcome(.granted), .outcome(.released):
                guard let status = status() else {
                    reply.fail(ControlError(.noSuchVSI(vsiID: vsiID.description, port: name)))
                    return
                }
                reply.answer(.vsi(status))
            case .outcome(let outcome):
                guard let port else {
                    reply.fail(ControlError(.noBridge(port: name, vsiID: vsiID.description)))
                    return
                }
                reply.fail(Self.error(outcome, port: port, vsiID: vsiID, waited: waited))
            case .linkFailed(let link, let cause):
                reply.fail(
                    ControlError(.linkFailed(port: name, vsiID: vsiID.description, link: link, cause: cause)))
            }
        }
    }

    // MARK: Reading what clients write

    private func read(
        _ call: EVBControl.VSIRequest, target: EVBProtocol.VSIRequest.Target, placement: VSIManagerID.Placement
    ) throws(ControlError) -> EVBProtocol.VSIRequest {
        guard let vsiID = VSIID(call.vsiID) else { throw Self.unreadableVSIID(call.vsiID) }
        let manager = try Self.manager(call.managerID, placement: placement)
        return EVBProtocol.VSIRequest(
            vsiID: vsiID, target: target, managerID: manager, typeID: UInt32(clamping: call.typeID),
            typeVersion: UInt8(clamping: call.typeVersion), filter: try filter(call.filters),
            hint: call.migrating ? .migrating : call.suspended ? .suspended : .none,
            organizational: call.organizational.map {
                let oui = ($0.ouiOctets ?? []).reduce(0) { $0 << 8 | UInt32($1) }
                return OrganizationalInformation(oui: oui, octets: $0.dataOctets ?? [])
            })
    }

    static func manager(
        _ text: String?, placement: VSIManagerID.Placement
    ) throws(ControlError) -> VSIManagerID {
        guard let text else { return .unspecified }
        guard let read = VSIManagerID(text, placement: placement) else {
            throw ControlError(
                .invalidArgument(argument: "managerID"), message: "\(text) is no VSI manager ID",
                hint: "give 0 to 255, a UUID, an IP address, or up to 16 characters without spaces")
        }
        return read
    }

    private func filter(_ filters: [VSIFilter]) throws(ControlError) -> FilterInfo {
        // Without a filter the bridge is asked for the VLANs of the VSI's type.
        let entries = filters.isEmpty ? [FilterEntry(vid: 0)] : filters.map { FilterEntry($0) }
        do {
            return try FilterInfo(checking: entries)
        } catch {
            let problem: String =
                switch error {
                case .noEntries: "it has no entries"
                case .tooManyEntries(let most): "it has more than \(most) entries"
                case .mixedFormats: "some entries have a MAC address or a group and others have none"
                case .vidOutOfRange(let vid): "VLAN \(vid) does not exist; give 1 to 4094, or 0 to ask the bridge"
                case .notIndividual(let address): "\(address) is a group address, or all zero"
                case .nullVIDNotAlone: "VLAN 0 without a MAC address has to be the only entry"
                case .doubled: "an entry is listed twice"
                }
            throw ControlError(
                .invalidArgument(argument: "filters"), message: "the filter cannot be used: \(problem)",
                hint: "see evbctl vsi associate --help")
        }
    }

    static func unreadableVSIID(_ text: String) -> ControlError {
        ControlError(
            .invalidArgument(argument: "vsiID"), message: "\(text) is no VSIID",
            hint: "give a UUID, or ipv4:, ipv6:, mac: or local: and the ID")
    }
}
