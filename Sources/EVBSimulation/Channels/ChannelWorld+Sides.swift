internal import EVBProtocol
internal import EVBTime
internal import EVBWire

// The two sides: what comes of an uplink's effects, and of those of the ports in its channels. A channel's port has its link while
// the channel is up; when the SVID changes, the link goes and comes, so that all VSIs are asked for again.

extension ChannelWorld {
    mutating func stationDoes(
        _ action: (inout CDCPUplink<CDCPStation>) -> [CDCPUplink<CDCPStation>.Effect]
    ) throws(Ledger.Breach) {
        guard station.isRunning else { return }
        let effects = action(&station.uplink)
        try watchPeer(of: station, .station)
        for effect in effects {
            switch effect {
            case .transmit(let frame): transmit(frame, .default, from: .station)
            case .channel(let event): try follow(event, of: .station)
            case .fault(let fault): note(.fault(.station, fault))
            }
        }
        try arm(0, station.uplink.nextDeadline)
        try checkUplink(station, .station)
    }

    mutating func bridgeDoes(
        _ action: (inout CDCPUplink<CDCPBridge>) -> [CDCPUplink<CDCPBridge>.Effect]
    ) throws(Ledger.Breach) {
        guard bridge.isRunning else { return }
        let effects = action(&bridge.uplink)
        try watchPeer(of: bridge, .bridge)
        for effect in effects {
            switch effect {
            case .transmit(let frame): transmit(frame, .default, from: .bridge)
            case .channel(let event): try follow(event, of: .bridge)
            case .fault(let fault): note(.fault(.bridge, fault))
            }
        }
        try arm(1, bridge.uplink.nextDeadline)
        try checkUplink(bridge, .bridge)
    }

    private mutating func follow(_ event: SChannelEvent, of role: CDCPTLV.Role) throws(Ledger.Breach) {
        note(.channel(role, event))
        try judge(event, of: role)
        let svid: SVID? =
            switch event.change {
            case .up(let svid), .moved(_, let svid): svid
            case .down: nil
            }
        if role == .station {
            if case .up = event.change { channelsUp &+= 1 }
            if case .moved = event.change { moves &+= 1 }
            try stationPort(event.scid) { [now] in $0.setLink(up: false, at: now) }
            station.told[event.scid] = svid
            watchAlone()
            try checkDown(event.scid, .station)
            if svid != nil { try stationPort(event.scid) { [now] in $0.setLink(up: true, at: now) } }
        } else {
            try bridgePort(event.scid) { [now] in $0.setLink(up: false, at: now) }
            bridge.told[event.scid] = svid
            watchAlone()
            try checkDown(event.scid, .bridge)
            guard svid != nil else { return }
            if bridge.ports[event.scid] == nil { bridge.ports[event.scid] = makeBridgePort(event.scid) }
            try bridgePort(event.scid) { [now] in $0.setLink(up: true, at: now) }
        }
    }

    // MARK: Ports

    mutating func stationPort(
        _ scid: SCID, _ action: (inout StationPort) -> [StationEffect]
    ) throws(Ledger.Breach) {
        guard let (effects, deadline) = Self.driven(&station.ports[scid], action, \.nextDeadline) else { return }
        for effect in effects { try carryOut(effect, scid) }
        try arm(2 * Int(scid.rawValue), deadline)
    }

    mutating func bridgePort(_ scid: SCID, _ action: (inout BridgePort) -> [BridgeEffect]) throws(Ledger.Breach) {
        guard let (effects, deadline) = Self.driven(&bridge.ports[scid], action, \.nextDeadline) else { return }
        for effect in effects { try carryOut(effect, scid) }
        try arm(2 * Int(scid.rawValue) + 1, deadline)
    }

    /// Asks for the next deadline while the port is held for writing, so that it is not copied.
    private static func driven<Port, Effect>(
        _ port: inout Port?, _ action: (inout Port) -> [Effect], _ deadline: (Port) -> Instant?
    ) -> ([Effect], Instant?)? {
        guard port != nil, let effects = port.modified(action) else { return nil }
        return (effects, port.flatMap(deadline))
    }

    mutating func carryOut(_ effect: StationEffect, _ scid: SCID) throws(Ledger.Breach) {
        switch effect {
        case .transmit(let frame): if let svid = station.told[scid] { transmit(frame, svid, from: .station) }
        case .vsi(let event):
            note(.port(scid, .station(effect)))
            if case .changed(let change) = event, change.to == .associated { associations &+= 1 }
            try checkStandstill("channel \(scid): \(event)")
        default: note(.port(scid, .station(effect)))
        }
    }

    mutating func carryOut(_ effect: BridgeEffect, _ scid: SCID) throws(Ledger.Breach) {
        switch effect {
        case .transmit(let frame): if let svid = bridge.told[scid] { transmit(frame, svid, from: .bridge) }
        case .decide(let ticket, let request):
            note(.port(scid, .bridge(effect)))
            let delay = Interval.milliseconds(UInt64(random.below(10)))
            events.add(.decision(scid, ticket, request.filter, life: bridge.life), at: now + delay)
        case .vsi(let event):
            note(.port(scid, .bridge(effect)))
            try checkStandstill("channel \(scid): \(event)")
        default: note(.port(scid, .bridge(effect)))
        }
    }

    private func address(_ base: MACAddress, _ scid: SCID) -> MACAddress {
        MACAddress(truncating: base.rawValue | 0x0200_0000_0000 | UInt64(scid.rawValue))
    }

    private var timers: OperationalTimers { OperationalTimers(retries: 3, rte: 14, rwd: 20, rka: swarm.keepAlive) }

    private mutating func makeStationPort(_ scid: SCID) -> StationPort {
        let own = address(Self.stationIdentity.address, scid)
        let settings = StationPortConfiguration(
            address: own, chassis: swarm.sharesChassis ? Self.stationIdentity.chassis : own,
            interfaceName: "eth0.c\(scid)",
            evb: .init(timers: timers, requestsReflectiveRelay: true, groupIDs: false))
        return StationPort(configuration: settings, firstSequence: UInt16(truncatingIfNeeded: random.next()))
    }

    private mutating func makeBridgePort(_ scid: SCID) -> BridgePort {
        let own = address(Self.bridgeIdentity.address, scid)
        let settings = BridgePortConfiguration(
            address: own, chassis: swarm.sharesChassis ? Self.bridgeIdentity.chassis : own,
            interfaceName: "swp0.c\(scid)",
            evb: .init(timers: timers, offersReflectiveRelay: true, groupIDs: false))
        return BridgePort(configuration: settings, firstSequence: UInt16(truncatingIfNeeded: random.next()))
    }

    // MARK: Life and death

    mutating func start(_ role: CDCPTLV.Role) throws(Ledger.Breach) {
        watch.disturbed(at: now)
        let isUp = isLinkUp
        switch role {
        case .station:
            guard !station.isRunning else { return }
            note(.note("station starts"))
            station.uplink = CDCPUplink(
                machine: CDCPStation(configuration: stationSettings, last: stationMemory), of: Self.stationIdentity)
            station.isRunning = true
            for scid in stationSettings.wanted.keys.sorted() { try addStationPort(scid) }
            if isUp { try stationDoes { [now] in $0.setLink(up: true, at: now) } }
        case .bridge:
            guard !bridge.isRunning else { return }
            note(.note("bridge starts"))
            bridge.uplink = CDCPUplink(
                machine: CDCPBridge(
                    configuration: bridgeSettings, held: bridgeMemory.held, station: bridgeMemory.station),
                of: Self.bridgeIdentity.ofBridge)
            bridge.isRunning = true
            if isUp { try bridgeDoes { [now] in $0.setLink(up: true, at: now) } }
        }
    }

    /// A channel's port with what its managers want.
    mutating func addStationPort(_ scid: SCID) throws(Ledger.Breach) {
        station.ports[scid] = makeStationPort(scid)
        for request in (wanted[scid] ?? [:]).values.sorted(by: { $0.vsiID.low < $1.vsiID.low }) {
            try give(request, scid)
        }
    }

    mutating func end(_ role: CDCPTLV.Role, afterGoodBye: Bool, remembers: Bool) throws(Ledger.Breach) {
        watch.disturbed(at: now)
        switch role {
        case .station:
            guard station.isRunning else { return }
            stationMemory = remembers ? station.uplink.machine.last : [:]
            if afterGoodBye {
                for scid in station.told.keys.sorted() { try stationPort(scid) { $0.shutdown() } }
                try stationDoes { [now] in $0.leave(at: now) }
            }
            note(.note(remembers ? "station ends" : "station ends and forgets its SVIDs"))
            station.isRunning = false
            for scid in station.ports.keys { deadlines.set(2 * Int(scid.rawValue), nil) }
            deadlines.set(0, nil)
            (station.ports, station.told) = ([:], [:])
            watchAlone()
            if !remembers { watch.forget(by: .station) }
        case .bridge:
            guard bridge.isRunning else { return }
            let machine = bridge.uplink.machine
            bridgeMemory = remembers ? (machine.held, machine.station) : ([:], nil)
            if afterGoodBye {
                for scid in bridge.told.keys.sorted() { try bridgePort(scid) { [now] in $0.shutdown(at: now) } }
                try bridgeDoes { [now] in $0.leave(at: now) }
            }
            note(.note(remembers ? "bridge ends" : "bridge ends and forgets its SVIDs"))
            bridge.isRunning = false
            bridge.life += 1
            for scid in bridge.ports.keys { deadlines.set(2 * Int(scid.rawValue) + 1, nil) }
            deadlines.set(1, nil)
            (bridge.ports, bridge.told) = ([:], [:])
            watchAlone()
            if !remembers { watch.forget(by: .bridge) }
        }
    }

    // MARK: Managers

    /// A manager wants a VSI in a channel, one in each number below the most.
    mutating func requestSomething(_ scid: SCID) throws(Ledger.Breach) {
        let number = UInt64(random.below(options.vsis))
        let vsiID = VSIID(format: .local, high: 0, low: UInt64(scid.rawValue) << 8 | number)
        let address = MACAddress(truncating: 0x5254_0000_0000 | vsiID.low)
        let entry = FilterEntry(vid: UInt16(100 + random.below(4)), pcp: nil, macAddress: address, groupID: nil)
        guard let filter = try? FilterInfo(checking: [entry]) else { return }
        let request = VSIRequest(
            vsiID: vsiID, target: .associated, managerID: VSIManagerID(short: 1, placement: .first), typeID: 1,
            typeVersion: 1, filter: filter)
        wanted[scid, default: [:]][vsiID] = request
        try give(request, scid)
    }

    private mutating func give(_ request: VSIRequest, _ scid: SCID) throws(Ledger.Breach) {
        note(.port(scid, .request(request)))
        try stationPort(scid) { [now] in (try? $0.request(request, at: now)) ?? [] }
    }

    mutating func withdrawSomething() throws(Ledger.Breach) {
        let all = wanted.sorted { $0.key < $1.key }
            .flatMap { scid, requests in requests.keys.sorted { $0.low < $1.low }.map { (scid, $0) } }
        guard station.isRunning, let (scid, vsiID) = random.pick(all) else { return }
        note(.port(scid, .about("withdrawn:", vsiID)))
        wanted[scid]?[vsiID] = nil
        try stationPort(scid) { [now] in (try? $0.withdraw(vsiID, at: now)) ?? [] }
    }
}

extension Optional {
    /// Changes what is there in its place.
    fileprivate mutating func modified<Result>(_ body: (inout Wrapped) -> Result) -> Result? {
        // Taken out, so that it is not copied.
        guard var value = take() else { return nil }
        defer { self = value }
        return body(&value)
    }
}

extension CDCPUplink<CDCPStation>.Identity {
    /// The same names, for an uplink of the other side.
    var ofBridge: CDCPUplink<CDCPBridge>.Identity {
        .init(address: address, chassis: chassis, interfaceName: interfaceName)
    }
}
