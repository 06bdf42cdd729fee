internal import BridgeDataplane
internal import ControlServer
internal import Dataplane
internal import EVBBridge
internal import EVBControl
internal import EVBLog
internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
package import EVBSettings
internal import EVBStation
internal import EVBTime
internal import EVBUplinks
internal import EVBWire
internal import EdgeRelays
internal import EventLoop
internal import Glibc
internal import HostTaps
internal import LibvirtServer
internal import LinuxSystem
package import Logging
internal import Netlink
internal import OpenVSwitch
internal import TypeCopies

/// One evbd: its ports, its two front doors, and the loop that all of it runs on.
package final class Daemon {
    /// Why a daemon does not start.
    package struct StartError: Error, CustomStringConvertible {
        /// What failed and what to do about it.
        package let description: String
    }

    /// How far the daemon is.
    private enum Lifecycle {
        case running
        /// It waits for bridges to release VSIs, as long as the timer runs.
        case releasing(Timers.Timer)
        case finished
    }

    var configuration: DaemonSettings
    /// Why the file is not what is in force; nil where it is, as far as evbd has read it.
    private(set) var reloadProblem: String? { didSet { service?.daemonMayHaveChanged() } }
    /// The ports as the file names them.
    private(set) var namedPorts: [PortSettings]
    let loader: ConfigurationLoader
    private let runtimeDirectory: String
    /// Held for life: one evbd for one runtime directory.
    private let lock: LockFile?
    private let claims: InterfaceClaims
    /// Where the logger writes, for its counters.
    private let log: LogOutput
    private let threshold: LogThreshold
    private let logger: Logger
    let loop: EventLoop
    let timers: Timers
    let table: LinkTable
    private let programmer: KernelQueue
    let guestFilter: GuestFilter
    private let store: VSIStore
    let resources: ResourcePool
    private let history: HistoryKeeper
    let openVSwitch: OpenVSwitch
    private(set) lazy var taps = TapAssociator(
        directory: ports, openVSwitch: openVSwitch, table: table, settings: configuration, loop: loop, timers: timers,
        logger: logger)
    let serviceManager = ServiceManager()
    private(set) lazy var ports = PortCollection(
        loop: loop, timers: timers, logger: logger, resolve: { [unowned self] in table.name(of: $0) },
        make: { [unowned self] in makePort($0) })
    private(set) lazy var uplinks = UplinkCollection(plainSurroundings) { [unowned self] in
        ports.runningPort($0)?.port.transport
    }
    private var lifecycle = Lifecycle.running
    private(set) var service: DaemonService?
    private var controlServers: [ControlServer] = []
    private(set) var libvirt: LibvirtEndpoint?
    private var pidFile: PIDFile?
    var watchdog: Timers.Timer?
    /// When the loop's clock was 0, in nanoseconds since 1970 (UTC).
    var clockOrigin = 0
    /// Decides for the ports that have VSI types.
    let types: TypedAdmission
    /// Where VSI types come from that no file of this host has.
    let typeServers: TypeServers
    /// What the bridge ports know together.
    private let registry: BridgeRegistry
    /// Ends what is kept for VSIs of the run before.
    private var reservationTimer: Timers.Timer?
    private var memory: MemoryKeeper?

    /// evbd's process.
    let processID = Processes.ownID

    /// Takes everything that it needs, or nothing.
    ///
    /// - Parameters:
    ///   - configuration: what `configurationPath` says.
    ///   - configurationPath: the file that SIGHUP reads again.
    ///   - runtimeDirectory: the directory for what lives until the next boot; made if it is missing.
    ///   - typesDirectory: where evbd-types leaves what servers give.
    ///   - logger: where the daemon reports.
    ///   - log: what the logger writes to.
    ///   - threshold: the level of `logger`, which a reload changes.
    /// - Throws: `StartError`, with what to do.
    package init(
        configuration: DaemonSettings, configurationPath: String, runtimeDirectory: String, typesDirectory: String,
        logger: Logger, log: LogOutput, threshold: LogThreshold
    ) throws {
        self.configuration = configuration
        namedPorts = configuration.ports
        resources = ResourcePool(limits: configuration.limits)
        resources.portCount = configuration.ports.count
        self.runtimeDirectory = runtimeDirectory
        self.logger = logger
        self.log = log
        self.threshold = threshold
        lock = try StartChecks.begin(configuration, runtimeDirectory, logger: logger)
        claims = InterfaceClaims()
        // Before any other netlink socket of this process, so that the port is free.
        let endpoint = configuration.libvirt.enabled ? try StartChecks.bindEndpoint(logger: logger) : nil
        do {
            loop = try EventLoop()
            timers = Timers(loop: loop)
            // First: it reads while the kernel is asked for its links and rules.
            store = VSIStore(runtimeDirectory: runtimeDirectory, loop: loop, timers: timers, logger: logger)
            table = try LinkTable(loop: loop, timers: timers, logger: logger)
            programmer = try KernelQueue(loop: loop, logger: logger)
            let journal = HoldingsJournal(
                runtimeDirectory: runtimeDirectory, limits: configuration.limits, loop: loop, timers: timers,
                logger: logger)
            registry = BridgeRegistry(table: table, journal: journal, logger: logger) { [timers] in timers.now }
            types = TypedAdmission(
                programmer: programmer, timers: timers, loop: loop, runtimeDirectory: runtimeDirectory,
                registry: registry, logger: logger)
            guestFilter = GuestFilter(programmer: programmer, loop: loop, timers: timers, logger: logger)
            typeServers = TypeServers(
                folder: typesDirectory, runtimeDirectory: runtimeDirectory, loop: loop, timers: timers, logger: logger)
            loader = ConfigurationLoader(
                path: configurationPath, loop: loop, logger: logger, complete: typeServers.completion)
            history = HistoryKeeper(
                runtimeDirectory: runtimeDirectory, limits: configuration.limits, loop: loop, timers: timers,
                logger: logger)
            openVSwitch = OpenVSwitch(configuration.openVSwitch, loop: loop, timers: timers, logger: logger)
        } catch {
            throw StartError(description: "\(error)")
        }
        var settings = Self.resolved(configuration, by: table, logger)
        settings.takeTypeCopies(typesDirectory, former: nil)
        self.configuration = settings
        let claimed = try StartChecks.claim(settings.ports, claims, table)
        do {
            try open(endpoint)
        } catch {
            // Nobody frees this daemon: its doors hold it.
            for server in controlServers { server.close() }
            pidFile?.remove()
            throw error as? StartError ?? StartError(description: "\(error)")
        }
        begin(settings)
        for index in claimed { claims.giveBack(index) }
    }

    /// Starts the ports.
    private func begin(_ settings: DaemonSettings) {
        table.onChange = { [weak self] in self?.linkChanged($0) }
        table.onNamespaceEnd = { [weak self] in self?.ports.namespaceEnded() }
        ports.onNews = { [weak self] in self?.publish($0, port: $1) }
        ports.onClosed = { [weak self] in self?.closed($0) }
        let allPorts = beginUplinks(settings)
        let bridgePorts = Set(allPorts.lazy.filter { $0.role == .bridge }.map(\.interface))
        HairpinFlag.takeBack(hairpinRoom, logger: logger) { !bridgePorts.contains($0) }
        followAdmission()
        reservationTimer = timers.timer { [weak self] in self?.registry.endReservations() }
        registry.onDeadline = { [weak self] in self?.reservationTimer?.set($0) }
        registry.restore(ports: bridgePorts)
        types.removeLeftovers(keeping: Set(allPorts.lazy.filter { $0.vsiTypes != nil }.map(\.interface)))
        followTypes()
        ports.start(allPorts)
        portsHaveBegun()
        warnOfUntakenPorts()
        memory = MemoryKeeper(loop: loop, timers: timers)
        resources.onVSIs = { [weak self] in self?.memory?.changed($0) }
        // Those of the run before have been taken up already.
        memory?.changed(resources.total.vsis)
        guestFilter.onListing = { [weak self] in self?.memory?.read($0) }
    }

    private func warnOfUntakenPorts() {
        for name in store.untakenPorts {
            logger.warning(
                "VSIs of the run before are on a port that the configuration does not have; they wait for it",
                metadata: ["port": "\(name)"])
        }
    }

    private func followAdmission() {
        types.onRevoked = { [weak self] vsiID, port, reason in
            self?.bridgePort(port)?.revoke(vsiID, because: reason)
        }
        types.onOverlay = { [weak self] port in self?.bridgePort(port)?.problemsChanged() }
        types.onNotice = { [weak self] text, port in self?.bridgePort(port)?.notice(text) }
        registry.onRevoked = { [weak self] vsiID, port, obstacle in
            self?.bridgePort(port)?.revoke(vsiID, because: "\(obstacle)")
        }
        registry.onMoved = { [weak self] vsiID, loser, winner in
            self?.bridgePort(loser)?.moved(vsiID, to: winner)
        }
    }

    /// Opens the front doors and listens for signals.
    private func open(_ endpoint: NetlinkEndpoint?) throws {
        let service = DaemonService(
            directory: ports, timers: timers, traffic: TrafficReader(loop: loop, logger: logger),
            ownCounters: { [log] in Self.counters(of: log) },
            furtherCounters: { [weak self] in self?.furtherCounters(of: $0) ?? [:] },
            notes: { [weak self] in self?.notes ?? [] },
            conditions: { [weak self] in [self?.store.problem].compactMap(\.self) })
        service.onLogLevel = { [threshold, logger] in threshold.report($0, logger) }
        service.historySource = history
        service.onReload = { [weak self] in self?.reload($0, then: $1) }
        service.onConfiguration = { [weak self] in self?.report(withDefaults: $0, then: $1) }
        self.service = service
        let control = configuration.control
        for path in [control.socket, control.readOnly?.socket].compactMap(\.self) {
            StartChecks.look(atSocket: path, logger: logger)
        }
        controlServers.append(
            try ControlServer(
                loop: loop, path: control.socket, users: .group(control.group), version: Release.version,
                service: service, logger: logger))
        if let readOnly = control.readOnly {
            controlServers.append(
                try ControlServer(
                    loop: loop, path: readOnly.socket, users: readOnly.group.map { .group($0) } ?? .everyone,
                    access: .readOnly, version: Release.version, service: service, logger: logger))
        }
        if let endpoint {
            libvirt = try LibvirtEndpoint(
                directory: ports, endpoint: endpoint, loop: loop, timers: timers, logger: logger)
            libvirt?.onNotes = { [weak service] in service?.daemonMayHaveChanged() }
            try claimPIDFile(configuration.libvirt.pidFile, endpoint.port)
        }
        try loop.watchSignals([SIGTERM, SIGINT, SIGHUP]) { [weak self] in self?.receive(signal: $0) }
    }

    private func claimPIDFile(_ path: String, _ port: UInt32) throws {
        let file = PIDFile(path: path, number: port)
        do {
            try file.write()
        } catch {
            throw StartError(
                description: """
                    the file by which libvirt finds evbd cannot be written: \(error); make it writable, or set \
                    libvirt.pid-file, or libvirt.enabled: false
                    """)
        }
        pidFile = file
    }

    /// Runs until it is told to stop.
    ///
    /// - Throws: `SystemError` when the loop fails.
    package func run() throws {
        logger.notice(
            "evbd \(Release.version) runs",
            metadata: [
                "pid": "\(processID)", "ports": "\(configuration.ports.map(\.interface).joined(separator: ","))",
            ])
        startWatchdog()
        let count = configuration.ports.count
        serviceManager.notify("READY=1\nSTATUS=\(count == 1 ? "1 port" : "\(count) ports")")
        try loop.run()
    }

    // MARK: Ports

    private var hairpinRoom: HairpinFlag.Room {
        HairpinFlag.Room(programmer: programmer, table: table, timers: timers, runtimeDirectory: runtimeDirectory)
    }

    private var surroundings: PortSurroundings {
        var surroundings = plainSurroundings
        surroundings.channels = uplinks
        return surroundings
    }

    /// What ports share, without the channels.
    private var plainSurroundings: PortSurroundings {
        var surroundings = PortSurroundings(
            loop: loop, timers: timers, table: table, programmer: programmer,
            logger: logger, runtimeDirectory: runtimeDirectory, claims: claims, resources: resources,
            isPort: { [weak self] in self?.ports.hasPort($0) ?? false })
        surroundings.wallClock = HistoryKeeper.wallClock
        surroundings.openVSwitch = openVSwitch
        surroundings.record = { [history] in history.take($0) }
        surroundings.recordAll = { [history] in history.take($0) }
        return surroundings
    }

    private func bridgePort(_ interface: String) -> BridgePortController? {
        guard case .bridge(let port) = ports.runningPort(interface) else { return nil }
        return port
    }

    private func makePort(_ configuration: PortSettings) -> PortCollection.Running {
        let port: PortCollection.Running =
            switch configuration.role {
            case .station: .station(makeStation(configuration))
            case .bridge: .bridge(makeBridgePort(configuration))
            }
        uplinks.join(port.port.transport)
        return port
    }

    private func makeStation(_ configuration: PortSettings) -> StationPortController {
        let port = StationPortController(configuration, surroundings, store: store, guestFilter: guestFilter)
        let name = port.name
        port.onNews = { [weak self, weak port] in self?.publish($0, port: name, since: port?.timeOfNews) }
        port.onForgotten = { [weak self, weak port] vsiID, managed in
            guard let self, let port else { return }
            // It knows which were its own; another manager may have asked for one of them since.
            libvirt?.forgotten(vsiID, on: port.name, isSilent: managed.isGivenBack)
            ports.released(port)
            finishIfReleased()
        }
        port.onLost = { [weak self] in self?.libvirt?.lost($0, on: name) }
        port.onRegained = { [weak self] in self?.libvirt?.regained($0, on: name) }
        libvirt?.resume(port)
        taps.resume(port)
        return port
    }

    private func makeBridgePort(_ configuration: PortSettings) -> BridgePortController {
        let database = configuration.vsiTypes.flatMap { self.configuration.vsiTypes[$0] }
        if let database { types.configure(configuration.interface, database) }
        let admission: any VSIAdmission = database == nil ? AcceptingAdmission(registry: registry) : types
        let seat = BridgeSeat(configuration.interface, admission: admission, registry: registry)
        let port = BridgePortController(
            configuration, surroundings, sequences: store.sequences(port: configuration.interface), seat)
        let name = port.name
        port.onNews = { [weak self, weak port] in self?.publish($0, port: name, since: port?.timeOfNews) }
        port.onReleased = { [weak self, weak port] in
            guard let self, let port else { return }
            ports.released(port)
            finishIfReleased()
        }
        port.start()
        return port
    }

    // MARK: Signals

    private func receive(signal: Int32) {
        switch signal {
        case SIGHUP: reload(ReloadRequest()) { _ in }
        default: stop()
        }
    }

    // MARK: Names

    private func linkChanged(_ name: String) {
        // An interface may have come, or got the alternative name by which the configuration has it.
        let isNamed = namedPorts.contains { table[$0.interface] == nil && table.name(of: $0.interface) == name }
        if isNamed, case .running = lifecycle, !configuration.ports.contains(where: { $0.interface == name }) {
            var written = configuration
            written.ports = namedPorts
            let fresh = Self.resolved(written, by: table, logger)
            follow(fresh, ports.plan(allPorts(of: fresh), changesAll: false))
        }
        taps.linkChanged(name)
        ports.linkChanged(name)
        uplinks.linkChanged(name)
    }

    // MARK: The configuration

    /// Reads the configuration again. One by which VSIs would end is taken only where the request or the file allows it.
    private func reload(
        _ request: ReloadRequest, then completion: @escaping (Result<ReloadReport, ControlError>) -> Void
    ) {
        let requester = Requester.current
        loader.load { [weak self] reading in
            guard let self, case .running = lifecycle else {
                let error = ControlError(.busy(limit: "reloads"), message: "evbd is stopping", hint: "")
                return completion(.failure(error))
            }
            switch reading {
            case .failure(let mistakes):
                if !request.dryRun { reloadProblem = "it has mistakes" }
                completion(.failure(ControlError(.invalidConfiguration(mistakes: "\(mistakes)"))))
            case .success(let fresh):
                completion(Requester.$current.withValue(requester) { self.decide(fresh, request) })
            }
        }
    }

    private func decide(_ written: DaemonSettings, _ request: ReloadRequest) -> Result<ReloadReport, ControlError> {
        let fresh = Self.resolved(written, by: table, logger)
        let plan = ports.plan(allPorts(of: fresh), changesAll: fresh.limits != configuration.limits)
        let changes = withUplinks(fresh, plan.report(vsiCount: ports.vsiCount))
        var report = ReloadReport(
            isApplied: false, ports: changes, warnings: ConfigurationAdvice.warnings(fresh) { table[$0] != nil })
        if fresh.control != configuration.control || fresh.libvirt != configuration.libvirt {
            report.warnings.append("control and libvirt change only with a restart of evbd")
        }
        if request.dryRun { return .success(report) }
        guard report.endedVSIs == 0 || request.endVSIs || fresh.reloadEndsVSIs else {
            let names = changes.filter { $0.endedVSIs > 0 }.map(\.interface).joined(separator: ", ")
            let error = ControlError(.endsVSIs(vsis: report.endedVSIs, ports: names))
            reloadProblem = error.message
            logger.alert(.reloadRefused).error(
                "\(error)", metadata: ["ports": "\(names)", "count": "\(report.endedVSIs)"])
            return .failure(error)
        }
        reloadProblem = nil
        namedPorts = written.ports
        threshold.follow(Logger.Level(fresh.logLevel))
        follow(fresh, plan)
        report.isApplied = true
        return .success(report)
    }

    /// Ports come, go and change; the others are not touched.
    private func follow(_ fresh: DaemonSettings, _ plan: ReloadPlan) {
        if fresh.control != configuration.control || fresh.libvirt != configuration.libvirt {
            logger.warning("control and libvirt change only with a restart of evbd")
        }
        resources.limits = fresh.limits
        registry.journal?.limits = fresh.limits
        let allPorts = allPorts(of: fresh)
        resources.portCount = allPorts.count
        configuration = fresh
        typeServers.follow(fresh)
        ports.follow(plan, allPorts)
        uplinks.follow(fresh.uplinks, leaving: ports.leavingNames)
        configureTypes(of: allPorts)
        openVSwitch.reconfigure(fresh.openVSwitch)
        taps.reconfigure(fresh)
        logger.notice("configuration read again", metadata: ["ports": "\(fresh.ports.count)"])
    }

    /// A port that left is closed.
    private func closed(_ port: String) {
        libvirt?.portClosed(port)
        service?.portClosed(port)
        uplinks.portClosed(port)
        finishIfReleased()
    }

    /// Stops in order. VSIs and links stay as they are, unless the configuration says otherwise.
    private func stop() {
        guard case .running = lifecycle else { return finish() }
        serviceManager.notify("STOPPING=1")
        let isHeld = configuration.deassociateOnStop && !ports.isReleased
        guard isHeld || ports.isLeaving else { return finish() }
        logger.notice("releasing all VSIs before stopping")
        let timer = timers.timer { [weak self] in
            self?.logger.warning("the bridge did not release all VSIs in time")
            self?.finish()
        }
        timer.set(timers.now + PortCollection.releasePatience)
        lifecycle = .releasing(timer)
        ports.prepareToStop(releases: isHeld)
        finishIfReleased()
    }

    private func finishIfReleased() {
        guard case .releasing = lifecycle, !ports.isLeaving else { return }
        guard !configuration.deassociateOnStop || ports.isReleased else { return }
        finish()
    }

    private func finish() {
        if case .finished = lifecycle { return }
        lifecycle = .finished
        libvirt?.stop()
        openVSwitch.stop()
        ports.stop()
        uplinks.stop()
        history.finish()
        registry.finish()
        guestFilter.finish()
        programmer.finish()
        for server in controlServers { server.close() }
        pidFile?.remove()
        logger.notice("evbd stops")
        loop.stop()
    }
}
