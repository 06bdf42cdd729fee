internal import Dataplane
internal import EVBLog
package import EVBWire
package import EdgeRelayMachine
internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink

/// The links of a port's VSIs that are links of the host: macvtaps and macvlans that evbd makes, and macvtaps, macvlans and taps of other
/// processes on the port or in its Linux bridge.
///
/// Files: `+Operations` makes operations, `+Finding` says which link is a VSI's, `+Search` looks in other network namespaces, `+VLANs` is
/// about the devices below links, `+Reasons` says why the kernel refuses one.
package final class HostLinks: LinkBackend {
    let programmer: KernelQueue
    let table: LinkTable
    let filter: GuestFilter
    let gate: PortGate
    let guests: GuestLinks
    let portName: String
    let logger: Logger
    /// Whether an interface is one of evbd's ports.
    let isPort: (String) -> Bool

    /// The VSI that has a link of that name.
    var holder: (String) -> VSIID? = { _ in nil }
    /// Whether the link of a VSI is evbd's to delete, and to be deleted.
    var isToBeDeleted: (VSIID) -> Bool = { _ in false }
    /// Whether a link that evbd has made is on the device of that VLAN.
    var isVLANUsed: (UInt16) -> Bool = { _ in false }
    /// What a line of the log says of a VSI.
    var facts: (VSIID) -> Logger.Metadata = { ["vsi": "\($0)"] }
    /// Whether a link is in the Open vSwitch bridge that the port is in.
    var isInSwitch: (Link) -> Bool = { _ in false }
    /// Why a link cannot be had because of the Open vSwitch that has the port, and what to do; nil where none has it.
    var switchConflict: (_ name: String, LinkSpec) -> String? = { _, _ in nil }
    /// Called with what a manager should know of its VSI's link.
    var onTrouble: (VSIID, String) -> Void = { _, _ in }

    /// Operations that wait for the worker, and how many it has. What it does not have is not done when evbd stops.
    var queue = FIFO<Waiting>()
    var underWay = 0
    var deletionsUnderWay = 0
    var isRefilling = false
    var searching = RelaySearch()
    var isStopped = false
    /// VLAN devices that are about to be gone, though the table may have them still.
    var discardedVLANs: Set<Int32> = []
    /// VSIs of the run before, which may have been killed before it had marked their links as evbd's.
    package var resumed: Set<VSIID> = []
    /// The links of other processes that VSIs of the run before had.
    package var adopted: [VSIID: AdoptedLink] = [:]
    var hasToldOfVLANs = false
    /// VSIs whose machines have to tag their frames themselves, as the kernel has no VLAN devices.
    package internal(set) var untagged: Set<VSIID> = []
    /// VSIs whose links the guest filter does not cover, and why.
    var unguarded: [VSIID: String] = [:]
    var hasToldOfFilter = false
    /// The host's IP is kept off the links that evbd makes, as far as that can be.
    var isHostOff = false

    init(
        programmer: KernelQueue, table: LinkTable, filter: GuestFilter, gate: PortGate, guests: GuestLinks,
        portName: String, isPort: @escaping (String) -> Bool, logger: Logger
    ) {
        self.programmer = programmer
        self.table = table
        self.filter = filter
        self.gate = gate
        self.guests = guests
        self.portName = portName
        self.isPort = isPort
        self.logger = logger
    }

    package let operations: Set<LinkOperation.Kind> = [
        .create, .delete, .look, .locate, .setMode, .setMTU, .keepFromHost, .installFilter, .openAddresses, .setUp,
    ]

    package func serves(_ origin: LinkSpec.Origin) -> Bool { origin == .created || origin == .found }

    /// A VSI has no link any more.
    func forget(_ vsiID: VSIID) {
        if !resumed.isEmpty { resumed.remove(vsiID) }
        if !adopted.isEmpty { adopted[vsiID] = nil }
    }

    /// evbd stops. What the worker has not been given is left to the next run.
    func stop() {
        isStopped = true
        for waiting in queue.removeAll() { waiting.then(.failure(Self.stopping)) }
    }

    /// Whether a link is on the port or on a VLAN's device there, which is no port of evbd itself.
    func isOnPort(_ link: Link) -> Bool {
        guard let port = table[portName], let parent = link.parentIndex else { return false }
        if parent == port.index { return true }
        guard let device = table[parent], device.kind == "vlan" else { return false }
        return device.parentIndex == port.index && !isPort(device.name)
    }

    /// A link that evbd has made comes back from another network namespace, and its VSI was given up meanwhile: it goes.
    func discard(_ vsiID: VSIID, _ link: KernelLink) {
        guard let current = table[link.index], current.macvlanMode != nil, isOnPort(current) else { return }
        // Of a VSI that was given up no more is known than what its link has.
        var facts: Logger.Metadata = ["vsi": "\(vsiID)", "link": "\(link.name)"]
        if let address = current.address { facts["mac"] = .array(["\(address)"]) }
        logger.notice("a link that evbd has made is back, and its VSI was given up; deleting it", metadata: facts)
        submit(.delete(index: link.index)) { links, result in
            if case .failure(let error) = result, error.kind != .notFound {
                links.logger.alert(.vsiLinkFailed).warning(
                    "a link cannot be deleted", metadata: facts.with(["error": "\(error)"]))
            }
        }
    }

    func trouble(_ vsiID: VSIID, _ text: String) { onTrouble(vsiID, text) }
}
