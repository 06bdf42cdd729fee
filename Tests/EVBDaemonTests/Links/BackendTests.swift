import EVBTime
import EVBWire
import LinuxSystem
import Logging
import Netlink
import Nftables
import Synchronization
import Testing

@testable import Dataplane
@testable import EVBSettings
@testable import EdgeRelayMachine
@testable import EdgeRelays
@testable import EventLoop

/// A third kind of links, as Open vSwitch's would be: a row says which tap is a machine's, by the address that the machine has; the tap
/// is opened and closed as every link of the host. Nothing but this type knows of it.
private final class RowLinks: LinkBackend {
    let links: HostLinks
    var rows: [MACAddress: String] = [:]
    private(set) var begun: [LinkOperation.Kind] = []

    init(links: HostLinks) { self.links = links }

    let operations: Set<LinkOperation.Kind> = [.look, .installFilter, .openAddresses, .setUp]

    func serves(_ origin: LinkSpec.Origin) -> Bool { origin == .found }

    func conflict(_ spec: LinkSpec, of vsiID: VSIID, in slot: LinkSlot?, holder: VSIID?) -> String? {
        spec.name.map { "the link \($0) is in no row" }
    }

    func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate? {
        let names = spec.addresses.compactMap { rows[$0] }
        return names.compactMap { links.table[$0] }.first { $0.index != discarded }
            .map { LinkCandidate(links.value($0), .adopted) }
    }

    func begin(_ vsiID: VSIID, _ operation: LinkOperation, completion: @escaping (LinkResult) -> Void) {
        begun.append(operation.kind)
        links.begin(vsiID, operation, completion: completion)
    }
}

@Suite struct BackendTests {
    private static let vsi = VSIID(format: .local, high: 0, low: 1)
    private static let address = MACAddress(truncating: 0x5254_0000_0001)

    @Test("a third backend finds a tap by its own rows, and the machine opens, closes and hands it back as any other")
    func rows() throws {
        let bench = try FunctionBench()
        let rows = RowLinks(links: bench.relay.links)
        bench.relay.backends.insert(rows, at: 0)
        // In no Linux bridge and of another address than the machine's: no rule of the host's own links finds it.
        var tap = Link(index: 1_900_001, name: "tap0")
        tap.isUp = true
        bench.tell(.changed(tap))
        bench.card.state.withLock { $0.links = [tap.index: tap] }
        let demand = EdgeRelay.Demand.find(name: nil, addresses: [Self.address])
        #expect(try bench.isDone { bench.relay.raise(Self.vsi, demand, vid: nil, completion: $0) })
        #expect(bench.relay.link(of: Self.vsi) == nil, "there is no row yet")

        rows.rows = [Self.address: "tap0"]
        bench.relay.portChanged()
        try bench.settle { bench.relay.cut(Self.vsi) }
        #expect(bench.relay.link(of: Self.vsi)?.name == "tap0")
        #expect(bench.card.state.withLock { $0.links[tap.index]?.isUp } == false, "it is closed")
        tap.isUp = false
        bench.tell(.changed(tap))
        // Links come and go beside this test, and their news may be lost.
        bench.table.take([.overrun])
        #expect(try bench.isDone { done in bench.table.whenCaughtUp { done(.success(())) } })
        #expect(try bench.isDone { bench.relay.raise(Self.vsi, demand, vid: nil, completion: $0) })
        #expect(bench.card.state.withLock { $0.links[tap.index]?.isUp } == true, "it is open")
        #expect(try bench.isDone { bench.relay.remove(Self.vsi, completion: $0) })
        #expect(
            bench.relay.isEmpty && bench.card.state.withLock { $0.links[tap.index] } != nil, "it is another process's")
        #expect(rows.operations.isSuperset(of: rows.begun) && rows.begun.contains(.setUp))
        bench.end()
    }

    @Test("each kind of operation is one of a backend's, and each backend has those that the plan asks for")
    func kinds() throws {
        let bench = try FunctionBench()
        let origins: [LinkSpec.Origin] = [.created, .found, .assigned(number: 3, priority: nil)]
        let backends = origins.map { bench.relay.backend(of: $0) }
        #expect(backends[0] === bench.relay.links && backends[1] === bench.relay.links)
        #expect(backends[2] is VirtualFunctions && backends[2].operations == [.adjust, .reset])
        let all = backends.reduce(into: Set<LinkOperation.Kind>()) { $0.formUnion($1.operations) }
        #expect(all == Set(LinkOperation.Kind.allCases))
        bench.end()
    }
}
