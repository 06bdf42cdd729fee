import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// 802.1Qcy: VDP between the two parts of a network virtualization edge (RFC 8394), which an operator has to ask for.
@Suite struct NVO3Tests {
    private static let stationAddress = DraftBench.configuration(.ratified).address

    private func bench(
        station: Bool = true, bridge: Bool = true, addresses: (GroupAddresses, GroupAddresses)? = nil
    ) -> PairBench {
        let bench = PairBench(station: .ratified, bridge: .ratified)
        var ours = DraftBench.configuration(.ratified)
        ours.evb.isNVO3 = station
        ours.addresses = addresses?.0 ?? GroupAddresses()
        bench.station = StationPort(configuration: ours, firstSequence: 1)
        var theirs = PairBench.bridgeConfiguration(.ratified)
        theirs.evb.isNVO3 = bridge
        theirs.addresses = addresses?.1 ?? GroupAddresses()
        bench.bridge = BridgePort(configuration: theirs, firstSequence: 0x0101)
        return bench.start()
    }

    private func request(
        _ number: UInt64, _ groups: [(UInt16, UInt32)], _ target: VSIRequest.Target = .associated
    ) throws -> VSIRequest {
        var request = try DraftBench.request(number, target, vid: 0)
        request.filter = try FilterInfo(
            checking: groups.map {
                FilterEntry(vid: $0.0, macAddress: MACAddress(truncating: 0x5254_0000_0000 | number), groupID: $0.1)
            })
        return request
    }

    private func ask(_ bench: PairBench, _ request: VSIRequest) throws {
        try bench.stationDoes { try $0.request(request, at: $1) }
        bench.run(for: .seconds(1))
    }

    /// Grants null VIDs by a table of networks.
    private func grantVIDs(_ bench: PairBench, _ vids: @escaping (UInt32) -> UInt16) {
        bench.decision = { request in
            let entries = request.filter.entries.map { entry in
                var entry = entry
                if entry.vid == 0, let group = entry.groupID { entry.vid = vids(group) }
                return entry
            }
            return (try? FilterInfo(checking: entries)).map { .grant($0) }
        }
    }

    private func modes(_ frames: [(at: Instant, frame: Frame)]) -> Set<EVBMode> {
        Set(
            frames.compactMap {
                if case .lldp(let lldpdu) = $0.frame.payload { lldpdu.evbTLVs.first?.mode } else { nil }
            })
    }

    @Test("NVO-01 the station's end says mode 3 and finds the bridge; the bridge's end stays a bridge for others")
    func mode() throws {
        let bench = bench()
        #expect(modes(bench.sentByStation) == [.nvo3] && modes(bench.sentByBridge) == [.bridge])
        #expect(bench.station.peer != nil && bench.bridge.station != nil)
        try ask(bench, try request(1, [(0, 5000)]))
        #expect(bench.state(1) == .associated)
        // A plain station at the same bridge.
        let plain = self.bench(station: false)
        #expect(modes(plain.sentByStation) == [.station] && plain.bridge.station != nil)
    }

    @Test("NVO-01 TLV-04 off by default: mode 3 is then no station, and no bridge")
    func off() throws {
        let bench = bench(bridge: false)
        #expect(bench.bridge.station == nil)
        #expect(EVBStationNegotiation.Configuration().isNVO3 == false)
        #expect(EVBBridgeNegotiation.Configuration().isNVO3 == false)
    }

    @Test("NVO-02 a group ID with a top octet is refused by the station's end, and by the bridge's for good")
    func topOctet() throws {
        let bench = bench()
        let wrong = try request(1, [(0, 0x0100_0000)])
        #expect(throws: VSIRequestError.groupBeyondNetworks(0x0100_0000)) { try ask(bench, wrong) }
        try ask(bench, try request(2, [(0, 0xFF_FFFF)]))
        #expect(bench.state(2) == .associated)
        // From a station that does not look.
        let plain = self.bench(station: false)
        try ask(plain, wrong)
        #expect(plain.outcomes == [.refused(Refusal(reason: .invalidFilter, isHard: true, isKept: false))])
        // Without the mode a group ID has 32 bits.
        let neither = self.bench(station: false, bridge: false)
        try ask(neither, wrong)
        #expect(neither.state(1) == .associated)
    }

    @Test("NVO-03 a VID that one network has is granted to no other, until the last VSI of the first has gone")
    func bridgeBinding() throws {
        let bench = bench()
        grantVIDs(bench) { $0 == 5000 ? 50 : 50 }
        try ask(bench, try request(1, [(0, 5000)]))
        try ask(bench, try request(2, [(0, 5000)]))
        #expect(bench.state(1) == .associated && bench.state(2) == .associated)
        try ask(bench, try request(3, [(0, 5001)]))
        #expect(bench.state(3) != .associated && bench.held(3) == nil)
        try bench.withdraw(1)
        bench.run(for: .seconds(1))
        try ask(bench, try request(3, [(0, 5001)]))
        #expect(bench.held(3) == nil, "another has it still")
        try bench.withdraw(2)
        bench.run(for: .seconds(1))
        try ask(bench, try request(3, [(0, 5001)]))
        #expect(bench.state(3) == .associated)
        #expect(bench.held(3)?.filter.entries.first?.vid == 50)
    }

    @Test("NVO-03 a bridge that gives one VID to two networks is not believed: the second VSI is released")
    func stationBinding() throws {
        let bench = bench(bridge: false)
        // The other end takes mode 3 for a station and binds nothing.
        var theirs = PairBench.bridgeConfiguration(.ratified)
        theirs.evb.isNVO3 = true
        bench.bridge = BridgePort(configuration: theirs, firstSequence: 0x0101)
        bench.bridge.vdp.networks.isOn = false
        bench.bridgeDoes { $0.setLink(up: true, at: $1) }
        bench.run(for: .seconds(40))
        grantVIDs(bench) { _ in 50 }
        try ask(bench, try request(1, [(0, 5000)]))
        #expect(bench.state(1) == .associated)
        bench.clear()
        try ask(bench, try request(2, [(0, 5001)]))
        #expect(bench.outcomes.first == .mismatched && bench.held(2) == nil)
        #expect(bench.state(1) == .associated)
    }

    @Test("NVO-05 an association goes back to a pre-association, and on again; what it held follows")
    func deactivate() throws {
        let bench = bench()
        try ask(bench, try request(1, [(50, 5000)]))
        #expect(bench.held(1)?.command == .associate)
        for target in [VSIRequest.Target.preAssociated, .associated, .preAssociatedWithReservation, .associated] {
            bench.clear()
            try ask(bench, try request(1, [(50, 5000)], target))
            #expect(bench.outcomes == [.granted])
            #expect(bench.held(1)?.command == target.command)
            #expect(bench.state(1) == target.state)
        }
        #expect(bench.releases.isEmpty)
        // Back from a reservation there is no way, here neither.
        try bench.withdraw(1)
        bench.run(for: .seconds(1))
        try ask(bench, try request(1, [(50, 5000)], .preAssociatedWithReservation))
        #expect(throws: VSIRequestError.self) { try ask(bench, try request(1, [(50, 5000)], .preAssociated)) }
    }

    @Test("NVO-04 LLDP and ECP go to the peer's own address and count at one's own, and at the groups as before")
    func unicast() throws {
        let bench = bench(
            addresses: (GroupAddresses(peer: PairBench.bridgeAddress), GroupAddresses(peer: Self.stationAddress)))
        try ask(bench, try request(1, [(0, 5000)]))
        #expect(bench.state(1) == .associated)
        #expect(Set(bench.sentByStation.map(\.frame.destination)) == [PairBench.bridgeAddress])
        #expect(Set(bench.sentByBridge.map(\.frame.destination)) == [Self.stationAddress])
        #expect(bench.bridge.snapshot.statistics.ecpRxOtherDestination == 0)
        // One that is not spoken to so drops what comes to its address.
        let other = self.bench(addresses: (GroupAddresses(peer: PairBench.bridgeAddress), GroupAddresses()))
        #expect(other.bridge.station == nil && other.bridge.snapshot.statistics.lldpRxOtherDestination > 0)
    }
}

/// Which network a VID stands for.
@Suite struct NetworkBindingsTests {
    private func filter(_ entries: [(UInt16, UInt32?)]) throws -> FilterInfo {
        try FilterInfo(
            checking: entries.enumerated().map {
                FilterEntry(
                    vid: $1.0, macAddress: MACAddress(truncating: 0x5254_0000_0001 + UInt64($0)), groupID: $1.1)
            })
    }

    @Test("NVO-03 bindings are counted by slot, and a slot may change what it has alone")
    func counting() throws {
        var bindings = NetworkBindings()
        bindings.set(1, try filter([(50, 1)]))
        #expect(try !bindings.contradict(filter([(50, 2)]), of: 2), "off")
        bindings.isOn = true
        bindings.set(1, try filter([(50, 1), (0, 9)]))
        #expect(try bindings.contradict(filter([(50, 2)]), of: 2))
        #expect(try !bindings.contradict(filter([(50, 2)]), of: 1), "its own")
        #expect(try !bindings.contradict(filter([(0, 2)]), of: 2), "no VID")
        #expect(try bindings.contradict(filter([(60, 1), (60, 2)]), of: 3), "in itself")
        bindings.set(2, try filter([(50, 1)]))
        #expect(try bindings.contradict(filter([(50, 2)]), of: 1))
        bindings.set(1, nil)
        bindings.set(1, nil)
        #expect(try bindings.contradict(filter([(50, 2)]), of: 3))
        bindings.set(2, try filter([(51, 1)]))
        #expect(try !bindings.contradict(filter([(50, 2)]), of: 3))
        bindings.isOn = false
        #expect(try !bindings.contradict(filter([(51, 2)]), of: 3))
    }
}
