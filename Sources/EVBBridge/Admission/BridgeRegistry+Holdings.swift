internal import EVBProtocol
package import EVBSettings
package import EVBTime
package import EVBWire
internal import Logging

// Who holds what outlives the process: it is noted for the next run, and what the run before has noted is reserved.

extension BridgeRegistry {
    // MARK: What is noted

    /// Notes what a VSI holds on a port from now on. A Pre-Associate without reservation holds nothing.
    ///
    /// - Parameters:
    ///   - vsiID: the VSI.
    ///   - command: what was granted to it.
    ///   - filter: the filter that was granted.
    ///   - port: where.
    ///   - shared: addresses that the VSI's type lets others have too.
    package func note(
        _ vsiID: VSIID, _ command: VDPCommand, _ filter: FilterInfo, on port: String, shared: MACPatterns = []
    ) {
        guard let journal else { return }
        let holder = AddressLedger.Holder(vsiID: vsiID, port: port)
        let state: Holding.State
        switch command {
        case .associate: state = .associated
        case .preAssociateWithReservation: state = .reserved
        case .preAssociate, .deAssociate: return journal.set(holder, nil)
        }
        let addresses = filter.entries.compactMap { entry in
            entry.macAddress.map { mac in
                Holding.Address(mac: mac, vid: entry.vid, isShared: shared.matches(mac))
            }
        }
        journal.set(holder, Holding(holder: holder, state: state, addresses: addresses))
    }

    /// Changes the places of a VSI, and notes which ports have lost it.
    func changePlaces<Result>(of vsiID: VSIID, _ body: (inout VSIPlaces) -> Result) -> Result {
        let before = places.formerPorts(of: vsiID)
        let result = body(&places)
        let after = places.formerPorts(of: vsiID)
        guard let journal, before != after else { return result }
        for port in before.subtracting(after) {
            journal.forgetLost(AddressLedger.Holder(vsiID: vsiID, port: port))
        }
        for port in after.subtracting(before) {
            let holder = AddressLedger.Holder(vsiID: vsiID, port: port)
            journal.set(holder, Holding(holder: holder, state: .lost, addresses: []))
        }
        return result
    }

    /// Writes what is noted and waits to be written.
    package func finish() { journal?.flush() }

    // MARK: What the run before has left

    /// Reserves what the run before has left, until its holders speak or their time is over.
    ///
    /// - Parameter ports: the bridge ports. What is held elsewhere is forgotten.
    package func restore(ports: Set<String>) {
        guard let journal else { return }
        let holdings = journal.read(ports: ports)
        var formerPorts: [VSIID: Set<String>] = [:]
        for holding in holdings where holding.state == .lost {
            formerPorts[holding.holder.vsiID, default: []].insert(holding.holder.port)
        }
        // Which bridge a port is in may not be known yet: between ports they were judged when they were granted.
        var domains: [String: AddressLedger.Domain] = [:]
        for port in ports {
            domains[port] = AddressLedger.Domain(bridgeIndex: Int32(clamping: domains.count), filtersVLANs: true)
        }
        for holding in holdings where holding.state != .lost {
            let shared = Set(holding.addresses.lazy.filter(\.isShared).map(\.mac))
            let claim = try? ledger.claim(
                holding.addresses.map { FilterEntry(vid: $0.vid, macAddress: $0.mac) }, for: holding.holder,
                isShared: { shared.contains($0) }, domain: { domains[$0] ?? AddressLedger.Domain() })
            reservations.add(holding.holder, claim)
            guard holding.state == .associated else { continue }
            let vsiID = holding.holder.vsiID
            places.restore(
                vsiID, on: holding.holder.port, formerPorts: formerPorts.removeValue(forKey: vsiID) ?? [], at: now())
        }
        for (vsiID, lost) in formerPorts {
            for port in lost { journal.forgetLost(AddressLedger.Holder(vsiID: vsiID, port: port)) }
        }
        journal.flush()
        guard reservations.count > 0 else { return }
        logger?.notice(
            "VSIs keep the addresses that they had before this start until their stations ask for them",
            metadata: ["vsis": "\(reservations.count)"])
    }

    /// A port begins, with this toutKeepAlive of the configuration; its station is not heard yet.
    package func begin(_ port: String, keepAlive: Interval) {
        reservations.begin(port, keepAlive: keepAlive, at: now())
        onDeadline?(reservations.nextDeadline)
    }

    /// The station on a port is heard, or other timers are agreed with it.
    package func heard(_ port: String, isFound: Bool, keepAlive: Interval) {
        guard reservations.count > 0 else { return }
        reservations.heard(port, isFound: isFound, keepAlive: keepAlive, at: now())
        onDeadline?(reservations.nextDeadline)
    }

    /// Ends the reservations of ports whose time is over.
    package func endReservations() {
        for port in reservations.overdue(at: now()) {
            let count = endReservations(on: port)
            logger?.notice(
                "VSIs of before this start have not been asked for again; what they held is free",
                metadata: ["port": "\(port)", "vsis": "\(count)"])
        }
        onDeadline?(reservations.nextDeadline)
    }

    /// Ends the reservations of a port.
    ///
    /// - Returns: how many VSIs had one.
    @discardableResult
    package func endReservations(on port: String) -> Int {
        let ended = reservations.removeAll(on: port)
        for entry in ended { freed(AddressLedger.Holder(vsiID: entry.vsiID, port: port), entry.claim) }
        return ended.count
    }

    /// Ends the reservation of a VSI that does not want it any more.
    func endReservation(_ holder: AddressLedger.Holder) {
        guard let entry = reservations.remove(holder) else { return }
        freed(holder, entry.claim)
    }

    /// The VSI has spoken: what it holds from here on, or does not, it holds as any other.
    func forgetReservation(_ holder: AddressLedger.Holder) {
        if let entry = reservations.remove(holder) { release(entry.claim) }
    }

    private func freed(_ holder: AddressLedger.Holder, _ claim: AddressLedger.Claim?) {
        release(claim)
        changePlaces(of: holder.vsiID) { $0.ended(holder.vsiID, on: holder.port) }
        journal?.set(holder, nil)
    }

    /// What there is to add to an obstacle, for people.
    func remark(on obstacle: AddressLedger.Obstacle) -> String {
        guard case .held(_, _, let holder) = obstacle, reservations.contains(holder) else { return "" }
        return ", whose station has not asked for it since evbd began; the address is free if it does not"
    }
}
