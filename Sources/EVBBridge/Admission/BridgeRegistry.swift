package import Dataplane
package import EVBModel
package import EVBProtocol
package import EVBSettings
package import EVBTime
package import EVBWire
internal import LinuxSystem
package import Logging
internal import Netlink

/// What the bridge ports of a daemon know together: whose an address is, and on which port a VSI is.
///
/// Used on the thread of the loop. The rules are those of ``AddressLedger`` and ``VSIPlaces``; this joins them with the kernel's
/// links, the configuration and the log.
///
/// Files: this one has ports, addresses and places, `BridgeRegistry+Holdings.swift` what outlives the process.
package final class BridgeRegistry {
    package var ledger = AddressLedger()
    package var places = VSIPlaces()
    private let table: LinkTable?
    package let now: () -> Instant
    package let logger: Logger?
    /// Keeps who holds what for the next run.
    package let journal: HoldingsJournal?
    /// What the run before has left to VSIs that have not spoken yet.
    var reservations = Reservations()
    /// Called when ``endReservations()`` is wanted at another time; nil for never.
    package var onDeadline: ((Instant?) -> Void)?
    /// Addresses that no VSI may have on any port, by the port and the part of the configuration that says so.
    private var protected: [Protection: Set<MACAddress>] = [:]
    private var allProtected: Set<MACAddress> = []
    /// The bridges of ports as they were when a port last looked.
    private var domains: [String: AddressLedger.Domain] = [:]
    /// Requests refused for an address of another VSI, and for a VSI that is elsewhere, by port. They wrap.
    private var refused: [String: (addresses: UInt64, places: UInt64)] = [:]

    /// VSIs that ask for addresses of others, by the port where they ask.
    private(set) var conflicts: [String: AddressConflicts] = [:]
    /// The ports that there are now, by name.
    private var seats: [String: UInt64] = [:]
    private var lastSeat: UInt64 = 0

    /// What protects addresses.
    package enum Protection: Hashable {
        case port(String)
        /// The VSI types of a port.
        case types(of: String)
    }

    /// Called with a VSI that may not stay on its port, and why.
    package var onRevoked: ((_ vsiID: VSIID, _ port: String, _ obstacle: AddressLedger.Obstacle) -> Void)?
    /// Called with a VSI that is associated on another port now, the port that has lost it, and the other.
    package var onMoved: ((_ vsiID: VSIID, _ loser: String, _ winner: String) -> Void)?

    /// A registry of ports of bridges.
    ///
    /// - Parameters:
    ///   - table: the kernel's links; nil is one bridge that does not tell VLANs apart, for tests.
    ///   - journal: keeps who holds what for the next run; nil keeps nothing.
    ///   - logger: where a refusal is logged with both VSIs.
    ///   - now: the time.
    package init(
        table: LinkTable? = nil, journal: HoldingsJournal? = nil, logger: Logger? = nil,
        now: @escaping () -> Instant = { Instant(nanoseconds: 0) }
    ) {
        self.table = table
        self.journal = journal
        self.logger = logger
        self.now = now
    }

    // MARK: Ports

    /// Follows a port, whose bridge may have changed.
    ///
    /// - Returns: its VSIs that may not stay, and why.
    package func follow(_ port: String) -> [VSIID: AddressLedger.Obstacle] {
        let domain = domain(of: port)
        guard domains.updateValue(domain, forKey: port) != domain else { return [:] }
        return ledger.conflicts(on: port) { self.domain(of: $0) }
    }

    /// Protects addresses, on all ports, in place of those that the same part of the configuration has named before.
    ///
    /// Calls ``onRevoked`` for each VSI that holds one of them, on whichever port.
    package func protect(_ addresses: Set<MACAddress>, by part: Protection) {
        let former = protected[part] ?? []
        guard addresses != former else { return }
        protected[part] = addresses.isEmpty ? nil : addresses
        allProtected = protected.values.reduce(into: []) { $0.formUnion($1) }
        let added = addresses.subtracting(former)
        guard !added.isEmpty else { return }
        for (holder, mac) in ledger.holders(of: added) { onRevoked?(holder.vsiID, holder.port, .protected(mac)) }
    }

    // MARK: Seats

    /// A port has the name from now on, and no former one.
    ///
    /// - Returns: the number of its seat.
    func takeSeat(_ port: String) -> UInt64 {
        lastSeat &+= 1
        seats[port] = lastSeat
        return lastSeat
    }

    /// Whether a seat is the one of its port.
    func isSeated(_ port: String, _ number: UInt64) -> Bool { seats[port] == number }

    /// A seat ends; one that has ended changes nothing.
    func endSeat(_ port: String, _ number: UInt64) {
        if isSeated(port, number) { seats[port] = nil }
    }

    /// Forgets a port.
    package func leave(_ port: String) {
        endReservations(on: port)
        ledger.releaseAll(on: port)
        journal?.removeAll(on: port)
        protect([], by: .port(port))
        protect([], by: .types(of: port))
        domains[port] = nil
        refused[port] = nil
        conflicts[port] = nil
    }

    /// The station on a port is gone: nothing is kept for its VSIs, and it asks for nothing.
    package func stationLost(on port: String) {
        endReservations(on: port)
        conflicts[port] = nil
    }

    /// The name of a link.
    func linkName(_ index: Int32) -> String? { table?[index]?.name }

    /// Whether a link is a VXLAN device.
    func isTunnel(_ index: Int32) -> Bool { table?[index]?.kind == "vxlan" }

    private func domain(of port: String) -> AddressLedger.Domain {
        guard let master = bridge(of: port) else { return AddressLedger.Domain() }
        return AddressLedger.Domain(bridgeIndex: master.index, filtersVLANs: master.filtersVLANs == true)
    }

    private func bridge(of port: String) -> Link? {
        guard let table, let master = table[port]?.masterIndex.flatMap({ table[$0] }) else { return nil }
        return master.kind == "bridge" ? master : nil
    }

    private func isOwn(_ mac: MACAddress, on port: String) -> Bool {
        guard let table, let bridge = bridge(of: port) else { return false }
        return table.links(of: HardwareAddress(mac.rawValue)).contains {
            $0.index == bridge.index || $0.masterIndex == bridge.index
        }
    }

    // MARK: Addresses

    /// Claims the addresses of a filter for what asks for them.
    ///
    /// - Parameters:
    ///   - filter: the filter that is to be granted.
    ///   - request: what the station asks for.
    ///   - port: where it asks.
    ///   - shared: addresses that the VSI's type lets others have too.
    /// - Returns: the claim, which a Pre-Associate without reservation does not get: it takes no place.
    /// - Throws: what is in the way.
    package func claim(
        _ filter: FilterInfo, for request: BridgeRequest, on port: String, shared: MACPatterns = []
    ) throws(AddressLedger.Obstacle) -> AddressLedger.Claim? {
        let holder = AddressLedger.Holder(vsiID: request.vsiID, port: port)
        let isShared = { (mac: MACAddress) in shared.matches(mac) }
        do throws(AddressLedger.Obstacle) {
            for mac in filter.entries.compactMap(\.macAddress) {
                if allProtected.contains(mac) { throw .protected(mac) }
                if isOwn(mac, on: port) { throw .own(mac) }
            }
            let domain = { self.domain(of: $0) }
            var claim: AddressLedger.Claim?
            if request.command == .preAssociate {
                try ledger.check(Array(filter.entries), for: holder, isShared: isShared, domain: domain)
            } else {
                claim = try ledger.claim(Array(filter.entries), for: holder, isShared: isShared, domain: domain)
            }
            conflicts[port]?.settled(request.vsiID)
            return claim
        } catch {
            refused[port, default: (0, 0)].addresses &+= 1
            conflicts[port, default: AddressConflicts()].refused(request.vsiID, because: error, at: now())
            throw error
        }
    }

    /// Ends a claim.
    package func release(_ claim: AddressLedger.Claim?) {
        if let claim { ledger.release(claim) }
    }

    /// Lets the addresses of a claim be shared, or no longer.
    func setSharing(_ claim: AddressLedger.Claim?, _ shared: MACPatterns) throws(AddressLedger.Obstacle) {
        guard let claim else { return }
        try ledger.setSharing(claim, isShared: { shared.matches($0) }) {
            self.domain(of: $0)
        }
    }

    /// What stands in the way of a request, for the log.
    package func words(_ obstacle: AddressLedger.Obstacle) -> String { "\(obstacle)\(remark(on: obstacle))" }

    // MARK: Places

    /// Judges a request by where its VSI is.
    package func judge(_ request: BridgeRequest, on port: String) -> VSIPlaces.Verdict {
        let verdict = changePlaces(of: request.vsiID) { $0.judge(request, on: port, at: now()) }
        if case .moved = verdict { refused[port, default: (0, 0)].places &+= 1 }
        return verdict
    }

    /// A VSI has what was granted to it on a port.
    package func bound(_ vsiID: VSIID, _ command: VDPCommand, on port: String) {
        forgetReservation(AddressLedger.Holder(vsiID: vsiID, port: port))
        guard command == .associate else { return changePlaces(of: vsiID) { $0.ended(vsiID, on: port) } }
        let loser = changePlaces(of: vsiID) { $0.associated(vsiID, on: port, at: now()) }
        guard let loser else { return }
        forgetReservation(AddressLedger.Holder(vsiID: vsiID, port: loser))
        onMoved?(vsiID, loser, port)
    }

    /// A VSI has nothing on a port any more.
    package func released(_ vsiID: VSIID, on port: String) {
        let holder = AddressLedger.Holder(vsiID: vsiID, port: port)
        forgetReservation(holder)
        changePlaces(of: vsiID) { $0.ended(vsiID, on: port) }
        // A former port is noted as such.
        if !places.formerPorts(of: vsiID).contains(port) { journal?.set(holder, nil) }
    }

    /// The station on a port has ended a VSI that had nothing there.
    package func departed(_ vsiID: VSIID, from port: String) {
        endReservation(AddressLedger.Holder(vsiID: vsiID, port: port))
        conflicts[port]?.settled(vsiID)
        changePlaces(of: vsiID) { $0.departed(vsiID, from: port) }
    }

    /// What a port's counters tell.
    package func counters(of port: String) -> [Counter: UInt64] {
        let counts = refused[port] ?? (0, 0)
        return [.vdpAddressConflicts: counts.addresses, .vdpMovesRefused: counts.places]
    }
}
