import EVBWire
import Testing
import VSISamples

@testable import EVBBridge
@testable import EVBDaemon
@testable import EVBProtocol

@Suite struct TypeDecisionTests {
    static let text = """
        default-manager: 5
        types:
          - { name: web, manager: 5, type: 100, version: 1-2, vlans: [10], macs: [52:54:00:00:00:00/24], vsis: 2 }
          - { name: any-web, manager: 5, type: 100, vlans: [12] }
          - { name: trunk, manager: 5, type: 101, version: 1, vlans: [{ vlan: 20, pcp: 3 }, 21] }
          - name: tenant
            manager: 5
            type: 102
            groups: [{ group: 5000, vlan: 10 }, { group: 5001, vlan: 20, pcp: 6 }]
          - { name: everybody's, type: 103, anti-spoofing: false }
          - { name: open, type: 104 }
          - { name: nine, manager: 9, type: 103, version: 4 }
          - { name: elsewhere, type: 105, ports: [port1, port2] }
        protected-macs: [52:54:00:00:00:99]
        """

    private func decide(_ request: BridgeRequest, vsis: Int = 0) throws -> TypeDecision {
        try database(Self.text).decide(request, on: "port0") { _ in vsis }
    }

    private func granted(_ request: BridgeRequest) throws -> [FilterEntry]? {
        guard case .allowed(let filter, _) = try decide(request) else { return nil }
        return Array(filter.entries)
    }

    private func refusal(_ request: BridgeRequest, vsis: Int = 0) throws -> TypeRefusal? {
        guard case .refused(let refusal) = try decide(request, vsis: vsis) else { return nil }
        return refusal
    }

    private func typeName(_ request: BridgeRequest) throws -> String? {
        guard case .allowed(_, let type) = try decide(request) else { return nil }
        return type.name
    }

    // MARK: Which type

    @Test func aTypeIsFoundByManagerTypeAndVersion() throws {
        let filter = [entry(machineOne, 0)]
        #expect(try typeName(request(version: 1, filter)) == "web")
        #expect(try typeName(request(version: 2, filter)) == "web")
        #expect(try typeName(request(version: 3, filter)) == "any-web")
        // Manager 0 is the default manager; another one has only what is everybody's.
        #expect(try typeName(request(manager: 0, filter)) == "web")
        #expect(try typeName(request(manager: 7, type: 104, filter)) == "open")
        // A manager's own type comes first, even where it does not have the version.
        #expect(try typeName(request(manager: 9, type: 103, version: 4, filter)) == "nine")
        #expect(try typeName(request(manager: 7, type: 103, version: 4, filter)) == "everybody's")
    }

    @Test func aShortManagerIDMayStandAtEitherEnd() throws {
        var asked = try request([entry(machineOne, 0)])
        asked.managerID = VSIManagerID(short: 5, placement: .last)
        #expect(try typeName(asked) == "web")
    }

    @Test func whatIsNotThereIsRefusedForGood() throws {
        let filter = [entry(machineOne, 0)]
        #expect(try refusal(request(manager: 7, type: 100, filter)) == .unknownType(100))
        #expect(try refusal(request(type: 999, filter)) == .unknownType(999))
        #expect(try refusal(request(type: 101, version: 2, filter)) == .unknownVersion(2, type: "trunk"))
        #expect(try refusal(request(manager: 9, type: 103, version: 3, filter)) == .unknownVersion(3, type: "nine"))
        for refusal in [TypeRefusal.unknownType(999), .unknownVersion(2, type: "trunk")] {
            #expect(refusal.refusal == Refusal(reason: .otherFailure, isHard: true, isKept: true))
        }
    }

    @Test("SEC-23 a type may be for certain ports") func ports() throws {
        let asked = try request(type: 105, [entry(machineOne, 0)])
        #expect(try refusal(asked) == .portNotAllowed("port0", type: "elsewhere"))
        #expect(
            TypeRefusal.portNotAllowed("port0", type: "x").refusal
                == Refusal(reason: .otherFailure, isHard: true, isKept: true))
        guard case .allowed = try database(Self.text).decide(asked, on: "port2", vsisOfType: { _ in 0 }) else {
            Issue.record("refused on a port of its own")
            return
        }
    }

    @Test("SEC-24 a protected address is refused for good, whatever the type") func protectedAddresses() throws {
        let asked = try request(manager: 7, type: 104, [entry(machineOne, 0), entry("52:54:00:00:00:99", 5)])
        let address = try #require(MACAddress("52:54:00:00:00:99"))
        #expect(try refusal(asked) == .addressProtected(address))
        #expect(
            TypeRefusal.addressProtected(address).refusal
                == Refusal(reason: .invalidFilter, isHard: true, isKept: true))
    }

    @Test func anUnknownManagerIsOneThatCannotBeReached() throws {
        let database = try database("types: [{ type: 100, manager: 5 }]")
        let asked = try request(manager: 6, [entry(machineOne, 0)])
        let expected = TypeRefusal.unknownManager(VSIManagerID(short: 6, placement: .first))
        #expect(database.decide(asked, on: "port0") { _ in 0 } == .refused(expected))
        #expect(expected.refusal == Refusal(reason: .managerUnreachable, isHard: false, isKept: true))
        // Without a default manager, manager 0 is nobody.
        let nobody = database.decide(try request(manager: 0, [entry(machineOne, 0)]), on: "port0") { _ in 0 }
        #expect(nobody == .refused(.unknownManager(.unspecified)))
    }

    // MARK: The filter

    @Test("VDP-21 VDP-22 null VIDs are filled in from the type, with its priority")
    func nullVIDs() throws {
        #expect(try granted(request([entry(machineOne, 0)])) == [entry(machineOne, 10)])
        // Several VLANs make several entries; what the station says of the priority gives way to the type.
        #expect(
            try granted(request(type: 101, [entry(machineOne, 0, pcp: 1)]))
                == [entry(machineOne, 20, pcp: 3), entry(machineOne, 21, pcp: 1)])
        #expect(
            try granted(request(type: 101, [entry(machineOne, 0), entry(machineTwo, 21)]))
                == [entry(machineOne, 20, pcp: 3), entry(machineOne, 21), entry(machineTwo, 21)])
        // The same twice is once.
        #expect(
            try granted(request([entry(machineOne, 0), entry(machineOne, 10)])) == [entry(machineOne, 10)])
        // Without VLANs in the type a null VID stays, and every VLAN is allowed.
        #expect(try granted(request(type: 104, [entry(machineOne, 0)])) == [entry(machineOne, 0)])
        #expect(try granted(request(type: 104, [entry(machineOne, 77)])) == [entry(machineOne, 77)])
    }

    @Test func groupsNameVLANs() throws {
        let asked = try request(type: 102, [entry(machineOne, 0, group: 5000), entry(machineOne, 0, group: 5001)])
        #expect(
            try granted(asked)
                == [entry(machineOne, 10, group: 5000), entry(machineOne, 20, pcp: 6, group: 5001)])
        #expect(
            try refusal(request(type: 102, [entry(machineOne, 20, group: 5000)])) == .vlanNotAllowed(20, type: "tenant")
        )
        #expect(
            try refusal(request(type: 102, [entry(machineOne, 0, group: 6000)]))
                == .groupNotAllowed(6000, type: "tenant"))
        #expect(
            try refusal(request([entry(machineOne, 10, group: 1)])) == .groupNotAllowed(1, type: "web"),
            "a type without groups allows none")
    }

    @Test func whatTheTypeDoesNotAllow() throws {
        #expect(try refusal(request([entry(machineOne, 11)])) == .vlanNotAllowed(11, type: "web"))
        let other = "02:00:00:00:00:01"
        let address = try #require(MACAddress(other))
        #expect(try refusal(request([entry(other, 10)])) == .addressNotAllowed(address, type: "web"))
        #expect(try refusal(request([entry(nil, 10)])) == .addressMissing(type: "web"))
        // One entry of many is enough.
        #expect(
            try refusal(request([entry(machineOne, 10), entry(other, 10)])) == .addressNotAllowed(address, type: "web"))
        for refusal in [
            TypeRefusal.vlanNotAllowed(1, type: ""), .addressNotAllowed(address, type: ""), .addressMissing(type: ""),
            .groupNotAllowed(1, type: ""),
        ] {
            #expect(refusal.refusal == Refusal(reason: .invalidFilter, isHard: true, isKept: true))
        }
        // Without anti-spoofing there is nothing to hold a VSI to.
        #expect(try granted(request(type: 103, [entry(nil, 10)])) == [entry(nil, 10)])
    }

    @Test func moreEntriesThanATLVHolds() throws {
        let vlans = (1...61).map(String.init).joined(separator: ", ")
        let database = try database("types: [{ type: 100, vlans: [\(vlans)] }]")
        let decision = database.decide(try request([entry(machineOne, 0)]), on: "port0") { _ in 0 }
        #expect(decision == .refused(.tooManyEntries(type: "100")))
        #expect(
            TypeRefusal.tooManyEntries(type: "").refusal
                == Refusal(reason: .insufficientResources, isHard: true, isKept: true))
    }

    @Test func moreVSIsThanTheTypeMayHave() throws {
        let asked = try request([entry(machineOne, 10)])
        #expect(try refusal(asked, vsis: 1) == nil)
        #expect(try refusal(asked, vsis: 2) == .tooManyVSIs(max: 2, type: "web"))
        #expect(
            TypeRefusal.tooManyVSIs(max: 2, type: "").refusal
                == Refusal(reason: .insufficientResources, isHard: false, isKept: true))
        #expect(try refusal(request(type: 104, [entry(machineOne, 10)]), vsis: 1_000_000) == nil)
    }
}
