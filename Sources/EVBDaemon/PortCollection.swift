internal import EVBBridge
internal import EVBModel
internal import EVBPorts
internal import EVBSettings
internal import EVBStation
internal import EVBTime
internal import EVBWire
internal import EventLoop
internal import Logging

/// The ports of the daemon: one slot for each interface, in which a port runs or leaves.
final class PortCollection: PortDirectory {
    /// A port that runs, by the type of its side.
    enum Running {
        case station(StationPortController)
        case bridge(BridgePortController)

        var control: EVBPort {
            switch self {
            case .station(let port): .station(port)
            case .bridge(let port): .bridge(port)
            }
        }

        var port: any ManagedPort { control.common }
    }

    /// A port that gives back what it holds.
    private final class Departure {
        let port: any ManagedPort
        let timer: Timers.Timer
        /// The port that takes its place; nil for none.
        var successor: PortSettings?
        /// The bridge's answer is not waited for any more.
        var isAbandoned = false

        init(_ port: any ManagedPort, _ timer: Timers.Timer, then successor: PortSettings?) {
            self.port = port
            self.timer = timer
            self.successor = successor
        }
    }

    private enum Slot {
        case running(Running)
        case leaving(Departure)

        var port: any ManagedPort {
            switch self {
            case .running(let running): running.port
            case .leaving(let departure): departure.port
            }
        }
    }

    /// How long a station's port waits for the bridge to release its VSIs.
    static let releasePatience = Interval.seconds(5)
    /// How long a bridge's port may take to give back what it holds in the kernel, which answers in any case.
    private static let leavePatience = Interval.seconds(60)

    private let loop: EventLoop
    private let timers: Timers
    private let logger: Logger
    /// Makes a port.
    private let make: (PortSettings) -> Running
    /// The name that the kernel shows for an interface of that or an alternative name.
    private let resolve: (String) -> String
    /// Finds a machine's link on a channel's device.
    var findPlace: (MACAddress, _ isChannel: (String) -> Bool) -> (port: String, vlan: UInt16)? = { _, _ in nil }
    private var slots: [String: Slot] = [:] { didSet { known = nil } }
    /// The interfaces in the order of the configuration.
    private var order: [String] = [] { didSet { known = nil } }
    /// The ports that run, as they were found since `slots` or `order` changed.
    private var known: [EVBPort]?
    /// The settings that a station's demand has led to, by interface, and the interfaces that have to follow them.
    private var demanded: [String: PortSettings] = [:]
    private lazy var demand = WorkQueue<String>(loop: loop) { [weak self] in self?.followDemand(of: $0) }
    /// Called with what is news about a port as such.
    var onNews: ((PortNews, String) -> Void)?
    /// Called when a port that left has closed.
    var onClosed: ((String) -> Void)?
    /// No port starts any more.
    private var isStopping = false

    init(
        loop: EventLoop, timers: Timers, logger: Logger, resolve: @escaping (String) -> String,
        make: @escaping (PortSettings) -> Running
    ) {
        self.resolve = resolve
        self.loop = loop
        self.timers = timers
        self.logger = logger
        self.make = make
    }

    // MARK: Looking

    /// The ports that run.
    var running: [Running] {
        order.compactMap { if case .running(let port) = slots[$0] { port } else { nil } }
    }

    var ports: [EVBPort] {
        if let known { return known }
        let ports = running.map(\.control)
        known = ports
        return ports
    }

    func port(_ interface: String) -> EVBPort? {
        (runningPort(interface) ?? runningPort(resolve(interface)))?.control
    }

    func place(ofMachine address: MACAddress, on interface: String) -> (port: String, vlan: UInt16)? {
        findPlace(address) { runningPort($0)?.port.configuration.channel?.uplink == interface }
    }

    func runningPort(_ interface: String) -> Running? {
        if case .running(let port) = slots[interface] { port } else { nil }
    }

    private var departures: [Departure] {
        slots.values.compactMap { if case .leaving(let departure) = $0 { departure } else { nil } }
    }

    var isLeaving: Bool { !departures.isEmpty }

    /// The interfaces of ports that leave.
    var leavingNames: Set<String> { Set(departures.map(\.port.name)) }

    /// Whether an interface is a port's that runs or leaves.
    func hasPort(_ interface: String) -> Bool { slots[interface] != nil || order.contains(interface) }

    /// Whether no port that runs holds anything at its peer.
    var isReleased: Bool { running.allSatisfy { $0.port.isReleased } }

    func linkChanged(_ name: String) {
        for port in running.map(\.port) + departures.map(\.port) { port.linkChanged(name) }
    }

    func namespaceEnded() {
        for port in running.map(\.port) + departures.map(\.port) { port.namespaceEnded() }
    }

    // MARK: The configuration

    /// Starts the ports that evbd begins with.
    func start(_ ports: [PortSettings]) {
        order = ports.map(\.interface)
        for settings in ports { slots[settings.interface] = .running(make(settings)) }
    }

    /// What becomes of the ports with other settings. With `changesAll`, something beside the ports' own settings has changed
    /// for all of them.
    func plan(_ ports: [PortSettings], changesAll: Bool) -> ReloadPlan {
        ReloadPlan(from: slots.mapValues(Self.state), to: ports, changesAll: changesAll)
    }

    /// VSIs of the port that runs on an interface.
    func vsiCount(_ interface: String) -> Int { runningPort(interface)?.port.status.vsis.all ?? 0 }

    /// Ports come, go and change; the others are not touched.
    func follow(_ plan: ReloadPlan, _ ports: [PortSettings]) {
        forgetDemand()
        order = ports.map(\.interface)
        for step in plan.steps { perform(step) }
    }

    /// Ports come and go because a peer wants it, some in each turn of the loop: it may ask for 166 at once, and the other ports and the
    /// clients have their turns between.
    func follow(demand ports: [PortSettings]) {
        forgetDemand()
        order = ports.map(\.interface)
        demanded = Dictionary(ports.map { ($0.interface, $0) }) { first, _ in first }
        demand.append(contentsOf: plan(ports, changesAll: false).steps.filter(\.isWork).map(\.interface))
    }

    private func forgetDemand() {
        demand.removeAll()
        demanded = [:]
    }

    /// Does what is to be done for one interface, as its port stands now.
    private func followDemand(of name: String) {
        guard !isStopping else { return }
        let slot = slots[name].map { [name: Self.state($0)] } ?? [:]
        let wanted = demanded.removeValue(forKey: name).map { [$0] } ?? []
        for step in ReloadPlan(from: slot, to: wanted, changesAll: false).steps { perform(step) }
    }

    private static func state(_ slot: Slot) -> ReloadPlan.Slot {
        switch slot {
        case .running(let running): .running(running.port.configuration)
        case .leaving(let departure): .leaving(then: departure.successor)
        }
    }

    private func perform(_ step: ReloadPlan.Step) {
        switch step {
        case .remove(let name): leave(name, then: nil)
        case .replace(let settings): leave(settings.interface, then: settings)
        case .succeed(let settings): departure(of: settings.interface)?.successor = settings
        case .abandon(let name): departure(of: name)?.successor = nil
        case .add(let settings):
            // The old one says good-bye to the bridge before the new one speaks, not after.
            if let departure = departure(of: settings.interface) { close(departure) }
            onNews?(PortNews(kind: .port, to: "added", message: "the port is new"), settings.interface)
            slots[settings.interface] = .running(make(settings))
        case .change(let settings): runningPort(settings.interface)?.port.reconfigure(settings)
        case .keep: break
        }
    }

    // MARK: Leaving

    private func departure(of name: String) -> Departure? {
        if case .leaving(let departure) = slots[name] { departure } else { nil }
    }

    /// Gives a port up: it releases its VSIs at the bridge as far as that answers, then it says good-bye.
    private func leave(_ name: String, then successor: PortSettings?) {
        guard case .running(let running) = slots[name] else { return }
        let port = running.port
        onNews?(PortNews(kind: .port, to: "removed", message: "the port was removed"), name)
        let timer = timers.timer { [weak self, weak port] in self?.releaseTakesTooLong(port) }
        let isBridge = if case .bridge = running { true } else { false }
        timer.set(timers.now + (isBridge ? Self.leavePatience : Self.releasePatience))
        slots[name] = .leaving(Departure(port, timer, then: successor))
        port.beginToLeave()
        released(port)
    }

    /// The bridge has not answered in time. What evbd has set up goes nevertheless, then the port is closed.
    private func releaseTakesTooLong(_ port: (any ManagedPort)?) {
        guard let port, let departure = departure(of: port.name), departure.port === port else { return }
        guard !departure.isAbandoned, !port.isReleased, port.configuration.role == .station else {
            return close(departure)
        }
        logger.warning(
            "the bridge did not release all VSIs of a removed port in time; removing their links",
            metadata: ["port": "\(port.name)"])
        departure.isAbandoned = true
        departure.timer.set(timers.now + Self.releasePatience)
        port.abandonAll()
        released(port)
    }

    /// A port may have nothing left that it holds; one that leaves is closed then.
    func released(_ port: any ManagedPort) {
        guard let departure = departure(of: port.name), departure.port === port, port.isReleased else { return }
        close(departure)
    }

    private func close(_ departure: Departure) {
        let name = departure.port.name
        slots[name] = nil
        departure.port.leave()
        onClosed?(name)
        guard let successor = departure.successor else { return }
        // Later: a reload may be under way, and have another step for the interface.
        loop.later { [weak self] in self?.startSuccessor(successor) }
    }

    private func startSuccessor(_ settings: PortSettings) {
        let name = settings.interface
        guard !isStopping, slots[name] == nil, order.contains(name) else { return }
        onNews?(PortNews(kind: .port, to: "added", message: "the port starts again as \(settings.role)"), name)
        slots[name] = .running(make(settings))
    }

    // MARK: Stopping

    /// No port starts from now on; with `releases`, those that run begin to give back what they hold at their peers.
    func prepareToStop(releases: Bool) {
        isStopping = true
        guard releases else { return }
        for port in running.map(\.port) { port.releaseAll() }
    }

    /// Ports stop with what they hold; those that leave are closed.
    func stop() {
        isStopping = true
        for port in running.map(\.port) { port.stop() }
        for departure in departures { departure.port.leave() }
        slots = slots.filter { if case .running = $0.value { true } else { false } }
    }
}
