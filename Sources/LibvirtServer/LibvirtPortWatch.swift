package import EVBModel
internal import EVBPorts
internal import EVBTime
internal import EVBWire
internal import EventLoop
internal import Glibc
internal import LinuxSystem
internal import Logging

/// Looks for a libvirtd that cannot talk to evbd because of its netlink port, and says when to restart it.
///
/// It reads /proc/self/net/netlink, which the unit's ProcSubset=pid leaves. The name of another user's process is not to be
/// read there (ProtectProc=invisible): then any process that libnl gave such a port is named, and the operator has to look.
final class LibvirtPortWatch {
    private static let interval = Interval.seconds(10)
    /// Octets of the longest table that is read: some 10,000 sockets.
    private static let tableMax = 1 << 20
    /// Ports that are looked at, and processes that are shown.
    private static let portsMax = 1_024
    private static let shownMax = 8

    /// A process that cannot talk to evbd.
    struct Victim: Equatable {
        var process: Int32
        /// nil where it is not to be read.
        var name: String?
        var port: UInt32
    }

    private let logger: Logger
    private let timers: Timers
    private lazy var timer = timers.timer { [weak self] in self?.look() }
    private(set) var victims: [Victim] = [] {
        didSet { if victims != oldValue { onChange?() } }
    }
    /// Called when other processes are concerned than before.
    var onChange: (() -> Void)?

    init(timers: Timers, logger: Logger) {
        self.timers = timers
        self.logger = logger
        timer.set(timers.now)
    }

    private func look() {
        timer.set(timers.now + Self.interval)
        guard let octets = try? Files.read("/proc/self/net/netlink", limit: Self.tableMax) else { return }
        let ports = LibnlPorts.harmfulPorts(inTable: octets)
        let found = Array(ports.prefix(Self.portsMax).lazy.compactMap(Self.victim).prefix(Self.shownMax))
        for victim in found where !victims.contains(victim) {
            logger.warning("\(Self.message(victim)): \(Self.hint)", source: LogSource.libvirt)
        }
        victims = found
    }

    /// The process that has a port, if it is libvirt's or may be.
    private static func victim(_ port: UInt32) -> Victim? {
        let process = Int32(bitPattern: port & LibnlPorts.processMask)
        guard process > 1, process != Processes.ownID else { return nil }
        guard let octets = try? Files.read("/proc/\(process)/comm", limit: 64) else {
            // The kernel draws ports at random for a process that has several sockets without libnl.
            guard Processes.exists(process) else { return nil }
            return Victim(process: process, name: nil, port: port)
        }
        let name = String(decoding: octets.prefix { $0 != 10 }, as: UTF8.self)
        guard Requester.isLibvirt(name) else { return nil }
        return Victim(process: process, name: name, port: port)
    }

    private static func message(_ victim: Victim) -> String {
        let fault = "has the netlink port \(victim.port), and libvirt sends nothing to evbd from a port of 2^31 or more"
        guard let name = victim.name else { return "process \(victim.process), if it is libvirtd, \(fault)" }
        return "\(name) (process \(victim.process)) \(fault)"
    }

    private static var hint: String {
        guard let window = LibnlPorts.nextWindow(after: time(nil)) else { return "restart it later" }
        let times = "\(LibnlPorts.clock(window.lowerBound)) and \(LibnlPorts.clock(window.upperBound)) UTC"
        return "restart it between \(times) (libnl draws the port by the time of the start)"
    }

    /// What `evbctl status` says.
    var notes: [StatusNote] {
        victims.map { StatusNote(kind: .libvirtPort, isProblem: true, message: Self.message($0), hint: Self.hint) }
    }
}

extension LibvirtEndpoint {
    /// Called when problems of libvirtd have begun or are over.
    package var onNotes: (() -> Void)? {
        get { portWatch.onChange }
        set { portWatch.onChange = newValue }
    }

    /// What an operator should know of libvirt and its VSIs.
    package var notes: [StatusNote] {
        portWatch.notes
            + directory.ports.compactMap { port in
                guard case .station(let station) = port else { return nil }
                let vsis = station.vsisWithoutLink(limit: 2)
                guard let first = vsis.first else { return nil }
                let rest = vsis.count > 1 ? " and more" : ""
                return StatusNote(
                    kind: .vsiWithoutLink, isProblem: false, port: station.name,
                    message: "VSI \(first)\(rest) of libvirt: no link on the host, as with a virtual function, so that "
                        + "evbd cannot notice the end of its machine",
                    hint: "evbctl vsi deassociate takes it back if its machine is gone")
            }
    }
}
