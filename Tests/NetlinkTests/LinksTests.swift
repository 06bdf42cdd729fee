import Dataplane
import Glibc
import LinuxSystem
import Netlink
import NetnsSupport
import Testing

@Suite(.enabled(if: inOwnNamespace, "needs root in a network namespace of its own: EVBD_TEST_NETNS=1 unshare -n"))
struct LinksTests {
    /// The kind of the error that a request ends with, or nil if it succeeds.
    private func kindOfFailure(_ request: () throws -> Void) -> NetlinkError.Kind? {
        do {
            try request()
            return nil
        } catch {
            return (error as? NetlinkError)?.kind
        }
    }

    @Test(arguments: MacvlanSpec.Kind.allCases)
    func aMacvlanIsCreatedAsAskedChangedAndDeleted(_ kind: MacvlanSpec.Kind) throws {
        let pair = try VethPair(kind == .macvtap ? "nltap" : "nlvlan", mtu: 4000)
        let links = try Links()
        let name = "\(kind)-full"
        let spec = MacvlanSpec(
            name: name, kind: kind, mode: .vepa, parentIndex: pair.oneIndex,
            address: HardwareAddress(0x0200_0000_AA01), mtu: 1400, alias: "evbd vsi 1", up: true)
        let created = try links.createMacvlan(spec)
        #expect(created.name == name)
        #expect(created.kind == kind.rawValue)
        #expect(created.macvlanMode == .vepa)
        #expect(created.parentIndex == pair.oneIndex)
        #expect(created.address == HardwareAddress(0x0200_0000_AA01))
        #expect(created.mtu == 1400)
        #expect(created.alias == "evbd vsi 1")
        #expect(created.isUp)
        #expect(created.masterIndex == nil)
        #expect(created.hairpin == nil)
        // What iproute2 reads of it, which shares no code with ours.
        #expect(try output("ip -d link show \(name)").contains("\(kind.rawValue) mode vepa"))

        try links.setMacvlanMode(index: created.index, .bridge)
        #expect(try links.link(index: created.index)?.macvlanMode == .bridge)
        #expect(try output("ip -d link show \(name)").contains("\(kind.rawValue) mode bridge"))
        #expect(try links.link(index: created.index)?.isUp == true)

        #expect(try links.setUp(index: created.index, false)?.isUp == false)
        #expect(try links.link(index: created.index)?.isUp == false)

        try links.delete(index: created.index)
        #expect(try links.link(index: created.index) == nil)
        #expect(try links.link(named: name) == nil)
        #expect(if_nametoindex(name) == 0)
    }

    @Test(arguments: [MacvlanMode.private, .vepa, .bridge, .passthru])
    func everyModeCanBeCreated(_ mode: MacvlanMode) throws {
        let pair = try VethPair("nlm\(mode.rawValue)")
        let links = try Links()
        let created = try links.createMacvlan(
            MacvlanSpec(
                name: "nlmode\(mode.rawValue)", kind: .macvtap, mode: mode, parentIndex: pair.oneIndex, up: false))
        #expect(created.macvlanMode == mode)
        #expect(!created.isUp)
        #expect(created.alias == nil)
        #expect(created.mtu == 1500)
    }

    @Test("HEAL-1104 a link takes frames to all multicast groups where that is wanted", arguments: [false, true])
    func allmulticast(_ isOn: Bool) throws {
        let pair = try VethPair("nlall\(isOn ? 1 : 0)")
        let links = try Links()
        let name = "nlallm\(isOn ? 1 : 0)"
        let created = try links.createMacvlan(
            MacvlanSpec(
                name: name, kind: .macvlan, mode: .vepa, parentIndex: pair.oneIndex, alias: "x", allmulticast: isOn,
                up: true))
        #expect(created.isUp && created.alias == "x")
        let test = "ip -o link show \(name) | grep -q ALLMULTI"
        try run(["sh", "-c", isOn ? test : "! \(test)"])
    }

    @Test func refusalsHaveTheirKindAndSayWhat() throws {
        let pair = try VethPair("nlerr")
        let links = try Links()
        let spec = MacvlanSpec(name: "nlerr-tap", kind: .macvtap, mode: .vepa, parentIndex: pair.oneIndex, up: true)
        let created = try links.createMacvlan(spec)

        var namesake = spec
        namesake.alias = "of another"
        let exists = #expect(throws: NetlinkError.self) { try links.createMacvlan(namesake) }
        #expect(try links.link(index: created.index)?.alias == nil, "what has the name already is left alone")
        #expect(exists?.kind == .exists)
        #expect(exists?.code == EEXIST)
        #expect(exists?.description.hasPrefix("create macvtap nlerr-tap on nlerr-a: Object exists") == true)

        var orphan = spec
        orphan.name = "nlerr-orphan"
        orphan.parentIndex = 99_999
        let noParent = #expect(throws: NetlinkError.self) { try links.createMacvlan(orphan) }
        #expect(noParent?.kind == .notFound)

        var second = spec
        second.name = "nlerr-pass"
        second.mode = .passthru
        let passthru = #expect(throws: NetlinkError.self) { try links.createMacvlan(second) }
        #expect(passthru?.kind == .invalid || passthru?.kind == .busy)
        #expect(if_nametoindex("nlerr-pass") == 0)

        var longName = spec
        longName.name = "a-name-too-long1"
        #expect(kindOfFailure { _ = try links.createMacvlan(longName) } == .invalid)

        let notMacvlan = #expect(throws: NetlinkError.self) { try links.setMacvlanMode(index: pair.oneIndex, .vepa) }
        #expect(notMacvlan?.kind == .invalid)
        try links.delete(index: created.index)
        #expect(kindOfFailure { try links.delete(index: created.index) } == .notFound)
        #expect(kindOfFailure { try links.setUp(index: created.index, true) } == .notFound)
        #expect(kindOfFailure { try links.setMacvlanMode(index: created.index, .vepa) } == .notFound)
        // The socket is still in step after all those errors.
        #expect(try links.link(index: pair.oneIndex)?.name == pair.one)
    }

    @Test func aLinkThatCannotBeFinishedIsNotLeftBehind() throws {
        let pair = try VethPair("nlroll")
        let links = try Links()
        let address = HardwareAddress(0x0200_0000_BB01)
        _ = try links.createMacvlan(
            MacvlanSpec(
                name: "nlroll-1", kind: .macvlan, mode: .vepa, parentIndex: pair.oneIndex, address: address, up: true))
        // The second one of an address can be created, but not set up.
        let busy = #expect(throws: NetlinkError.self) {
            try links.createMacvlan(
                MacvlanSpec(
                    name: "nlroll-2", kind: .macvlan, mode: .vepa, parentIndex: pair.oneIndex, address: address,
                    up: true))
        }
        #expect(busy?.kind == .busy)
        #expect(busy?.code == EADDRINUSE)
        #expect(if_nametoindex("nlroll-2") == 0)
    }

    @Test func dumpShowsAllLinks() throws {
        let pair = try VethPair("nldump")
        let links = try Links().dump()
        let one = try #require(links.first { $0.index == pair.oneIndex })
        let two = try #require(links.first { $0.index == pair.twoIndex })
        #expect(one.name == pair.one)
        #expect(one.kind == "veth")
        #expect(one.parentIndex == two.index)
        #expect(one.isUp && one.hasCarrier && one.operState == .up)
        let loopback = try #require(links.first { $0.name == "lo" })
        #expect(loopback.kind == nil)
        #expect(loopback.address == HardwareAddress(0))
        #expect(loopback.mtu == 65_536)
        #expect(Set(links.map(\.index)).count == links.count)
    }

    @Test func hairpinIsSetAndRead() throws {
        let pair = try VethPair("nlhair")
        try run("ip link add nlhair-br type bridge")
        defer { try? run("ip link delete nlhair-br") }
        let links = try Links()
        #expect(kindOfFailure { _ = try links.hairpin(portIndex: pair.oneIndex) } == .invalid)
        #expect(throws: NetlinkError.self) { try links.setHairpin(portIndex: pair.oneIndex, true) }
        try run("ip link set \(pair.one) master nlhair-br")
        #expect(try links.link(index: pair.oneIndex)?.masterIndex == Int32(if_nametoindex("nlhair-br")))
        #expect(try !links.hairpin(portIndex: pair.oneIndex))
        try links.setHairpin(portIndex: pair.oneIndex, true)
        #expect(try links.hairpin(portIndex: pair.oneIndex))
        #expect(try output("bridge -d link show dev \(pair.one)").contains("hairpin on"))
        // Nothing else about the port was changed with it.
        #expect(try output("bridge -d link show dev \(pair.one)").contains("learning on"))
        try links.setHairpin(portIndex: pair.oneIndex, false)
        #expect(try !links.hairpin(portIndex: pair.oneIndex))
        #expect(kindOfFailure { _ = try links.hairpin(portIndex: 99_999) } == .notFound)
    }

    // MARK: Monitor

    @Test func theMonitorTellsOfABridgePortsHairpinAndOfSpanningTree() throws {
        let pair = try VethPair("nlbrp")
        try run("ip link add nlbrp-br type bridge stp_state 0")
        defer { try? run("ip link delete nlbrp-br") }
        try run("ip link set nlbrp-br up")
        try run("ip link set \(pair.one) master nlbrp-br")
        let monitor = try LinkMonitor()
        let bridge = Int32(if_nametoindex("nlbrp-br"))
        #expect(try monitor.dump().first { $0.index == bridge }?.spanningTree == false)
        #expect(try monitor.dump().first { $0.index == pair.oneIndex }?.spanningTree == nil)
        var events: [LinkEvent] = []
        func saw(_ matches: (LinkEvent) -> Bool) throws -> Bool {
            try eventually {
                try monitor.receive { events.append($0) }
                return events.contains(where: matches)
            }
        }
        let links = try Links()
        for isOn in [true, false] {
            events = []
            try links.setHairpin(portIndex: pair.oneIndex, isOn)
            #expect(try saw { $0 == .bridgePort(index: pair.oneIndex, hairpin: isOn) })
            #expect(try monitor.dump().first { $0.index == pair.oneIndex }?.hairpin == isOn)
        }
        try run("ip link set nlbrp-br type bridge stp_state 1")
        #expect(
            try saw {
                if case .changed(let link) = $0 { link.index == bridge && link.spanningTree == true } else { false }
            })
    }

    @Test func theMonitorTellsOfEveryStepOfALink() throws {
        let monitor = try LinkMonitor()
        var events: [LinkEvent] = []
        func saw(_ matches: (LinkEvent) -> Bool) throws -> Bool {
            try eventually {
                try monitor.receive { events.append($0) }
                return events.contains(where: matches)
            }
        }
        var pair: VethPair? = try VethPair("nlmon")
        let (one, two) = (try #require(pair?.oneIndex), try #require(pair?.two))
        #expect(try monitor.dump().contains { $0.index == one })
        // Both ends are up now; the steps on the way were told too.
        #expect(try saw { if case .changed(let link) = $0 { link.index == one && !link.isUp } else { false } })
        #expect(
            try saw {
                guard case .changed(let link) = $0 else {
                    return false
                }
                return link.index == one && link.isUp && link.hasCarrier && link.operState == .up
            })
        events = []
        try run("ip link set \(two) down")
        #expect(
            try saw {
                guard case .changed(let link) = $0 else {
                    return false
                }
                return link.index == one && link.isUp && !link.hasCarrier
            })
        events = []
        pair = nil
        #expect(try saw { $0 == .removed(index: one, name: "nlmon-a") })
    }

    @Test func leavingABridgeIsNoRemoval() throws {
        let pair = try VethPair("nlleave")
        try run("ip link add nlleave-br type bridge")
        defer { try? run("ip link delete nlleave-br") }
        try run("ip link set \(pair.one) master nlleave-br")
        let monitor = try LinkMonitor()
        try run("ip link set \(pair.one) nomaster")
        var isFree = false
        let came = try eventually {
            try monitor.receive { event in
                switch event {
                case .changed(let link) where link.index == pair.oneIndex:
                    isFree = link.masterIndex == nil
                case .removed(index: pair.oneIndex, name: _):
                    Issue.record("a port that left its bridge was reported as removed")
                default:
                    break
                }
            }
            return isFree
        }
        #expect(came)
        // All that followed in the same change.
        #expect(try monitor.dump().contains { $0.index == pair.oneIndex && $0.masterIndex == nil })
    }

    @Test func anOverrunIsReported() throws {
        let pair = try VethPair("nlover")
        let monitor = try LinkMonitor()
        // The least that the kernel allows, so that a few notifications fill it.
        var least: Int32 = 1
        #expect(setsockopt(monitor.descriptor, SOL_SOCKET, SO_RCVBUF, &least, 4) == 0)
        let links = try Links()
        for round in 0..<20 {
            try links.setUp(index: pair.oneIndex, round % 2 == 1)
        }
        // What the queue still has is older than what a dump says, so it is taken first, and however little is asked for.
        var events: [LinkEvent] = []
        try monitor.receive(limit: 1) { events.append($0) }
        #expect(events.last == .overrun && events.count { $0 == .overrun } == 1)
        events = []
        try monitor.receive { events.append($0) }
        #expect(events.isEmpty)
        // It hears on.
        let came = try eventually {
            try links.setUp(index: pair.oneIndex, false)
            try links.setUp(index: pair.oneIndex, true)
            var heard = false
            try monitor.receive { if case .changed = $0 { heard = true } }
            return heard
        }
        #expect(came)
    }

    // MARK: Worker

    @Test func theWorkerChangesLinks() throws {
        let pair = try VethPair("nlwork")
        let worker = try KernelWorker(capacity: 10)
        var outcomes: [KernelWorker.Outcome] = []
        func next() throws -> Result<Link?, NetlinkError> {
            let before = outcomes.count
            _ = eventually {
                outcomes += worker.drain()
                return outcomes.count > before
            }
            return try #require(outcomes.dropFirst(before).first?.answer as? LinkCommand.Answer)
        }
        let spec = MacvlanSpec(name: "nlwork-tap", kind: .macvtap, mode: .vepa, parentIndex: pair.oneIndex, up: true)
        #expect(worker.submit(LinkCommand.create(spec), ticket: 1))
        let created = try #require(try next().get())
        #expect(created.name == "nlwork-tap")
        #expect(worker.submit(LinkCommand.create(spec), ticket: 2))
        #expect(throws: NetlinkError.self) { try next().get() }
        #expect(worker.submit(LinkCommand.setMacvlanMode(index: created.index, .bridge), ticket: 3))
        #expect(try next().get()?.macvlanMode == .bridge)
        #expect(worker.submit(LinkCommand.setUp(index: created.index, false), ticket: 4))
        #expect(try next().get()?.isUp == false)
        #expect(worker.submit(LinkCommand.delete(index: created.index), ticket: 5))
        #expect(try next().get() == nil)
        #expect(if_nametoindex("nlwork-tap") == 0)
        #expect(outcomes.map(\.ticket) == [1, 2, 3, 4, 5])
        #expect(worker.shutDown(finishing: 0).isEmpty)
    }
}
