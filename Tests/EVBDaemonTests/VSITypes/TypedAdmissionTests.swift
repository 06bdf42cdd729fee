import EVBTime
import EVBWire
import Glibc
import LinuxSystem
import Logging
import Testing
import VSISamples

@testable import BridgeDataplane
@testable import Dataplane
@testable import EVBBridge
@testable import EVBDaemon
@testable import EVBProtocol
@testable import EventLoop

/// An admission with its loop and its worker, and ports that are in no bridge: nothing can be associated there, but all else works.
private final class Bench {
    let loop: EventLoop
    let programmer: KernelQueue
    let admission: TypedAdmission
    let registry = BridgeRegistry()
    private let timers: Timers
    private let directory: String
    private var timer: Timers.Timer?
    var revoked: [VSIID] = []

    init(_ types: String, ports: [String] = ["nfp0"]) throws {
        directory = "/tmp/evbd-admission-\(UInt64.random(in: 0 ... .max))"
        _ = try Files.makeDirectory(directory, mode: 0o755)
        loop = try EventLoop()
        timers = Timers(loop: loop)
        programmer = try KernelQueue(loop: loop)
        admission = TypedAdmission(
            programmer: programmer, timers: timers, loop: loop, runtimeDirectory: directory,
            registry: registry, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        for port in ports { admission.configure(port, try database(types)) }
        admission.onRevoked = { [weak self] vsiID, _, _ in self?.revoked.append(vsiID) }
    }

    deinit {
        programmer.finish()
        _ = try? Files.unlink("\(directory)/imposed")
        rmdir(directory)
    }

    /// Runs the loop until the decision is there.
    func decide(_ request: BridgeRequest, on port: String = "nfp0") throws -> BridgeDecision? {
        var decision: BridgeDecision?
        var isRunning = false
        admission.decide(request, on: port) { [loop] in
            decision = $0.decision
            if isRunning { loop.stop() }
        }
        isRunning = decision == nil
        if isRunning { try loop.run() }
        return decision
    }

    /// Runs the loop until the kernel has all that was to be changed.
    func settle() throws {
        let timer = timers.timer { [unowned self] in check() }
        self.timer = timer
        check()
        try loop.run()
        self.timer = nil
    }

    private func check() {
        let isIdle = admission.ports.values.allSatisfy { !$0.isBusy && $0.waiting.isEmpty && $0.told.isEmpty }
        if isIdle { loop.later { [loop] in loop.stop() } } else { timer?.set(timers.now + .milliseconds(2)) }
    }

    /// Decides, and binds what was granted.
    func grant(_ request: BridgeRequest, on port: String = "nfp0") throws -> Bool {
        guard case .grant(let filter)? = try decide(request, on: port) else { return false }
        let grant = BridgeGrant(command: request.command, filter: filter)
        admission.bind(request.vsiID, grant, request: request, on: port)
        return true
    }
}

extension TypedAdmission {
    /// What holds on all ports.
    fileprivate var held: [VSIID: Grant] {
        Dictionary(ports.values.flatMap { port in port.held.map { ($0.key, $0.value) } }) { first, _ in first }
    }
}

extension EnforcementTests {
    @Suite struct TypedAdmissionTests {
        private let shortage = BridgeDecision.refuse(
            Refusal(reason: .insufficientResources, isHard: false, isKept: true))

        @Test func whatIsReservedCountsOnceAndOnAllPorts() throws {
            let bench = try Bench("types: [{ type: 100, vsis: 2 }]", ports: ["nfp0", "nfp1"])
            func ask(_ number: UInt64, _ command: VDPCommand = .preAssociateWithReservation) throws -> BridgeRequest {
                try request(command: command, id: vsi(number), [entry("52:54:00:00:00:0\(number)", 0)])
            }
            #expect(try bench.grant(ask(1)))
            #expect(try bench.grant(ask(1)), "asked again, it still counts once")
            #expect(try bench.grant(ask(2), on: "nfp1"))
            #expect(try bench.decide(ask(3)) == shortage)
            #expect(try bench.decide(ask(3), on: "nfp1") == shortage)
            // One that migrates is on both ports for a while.
            #expect(try bench.grant(ask(1), on: "nfp1"))
            bench.admission.release(vsi(1), on: "nfp0")
            #expect(try bench.decide(ask(3)) == shortage, "it is still on the other")
            bench.admission.release(vsi(1), on: "nfp1")
            #expect(try bench.grant(ask(3)))
            // A Pre-Associate without reservation takes no place, and gives its own back.
            #expect(try bench.grant(ask(3, .preAssociate)))
            #expect(try bench.grant(ask(4)))
            #expect(try bench.decide(ask(1, .preAssociate)) == shortage)
        }

        @Test func whatNobodyWaitedForIsGivenBack() throws {
            let bench = try Bench("types: [{ type: 100, vsis: 1 }]")
            let first = try request(command: .preAssociateWithReservation, id: vsi(1), [entry(machineOne, 0)])
            #expect(try bench.decide(first) == .grant(first.filter))
            let other = try request(command: .preAssociateWithReservation, id: vsi(2), [entry(machineTwo, 0)])
            #expect(try bench.decide(other) == shortage)
            // The station was gone by then: it is released without having been bound.
            bench.admission.release(vsi(1), on: "nfp0")
            #expect(try bench.decide(other) == .grant(other.filter))
            #expect(bench.admission.held.isEmpty && bench.admission.proposed.count == 1)
            bench.admission.release(vsi(2), on: "nfp0")
            #expect(bench.admission.proposed.isEmpty)
            #expect(try bench.grant(first))
            // Bound once more, as it holds already.
            bench.admission.bind(
                vsi(1), BridgeGrant(command: .preAssociateWithReservation, filter: first.filter), request: first,
                on: "nfp0")
            #expect(try bench.decide(other) == shortage)
            #expect(bench.admission.held.count == 1)
        }

        @Test func anotherDatabaseRevokesWhatItDoesNotAllow() throws {
            let bench = try Bench("types: [{ type: 100, vlans: [10] }, { type: 101 }]")
            #expect(try bench.grant(request(command: .preAssociate, id: vsi(1), [entry(machineOne, 0)])))
            #expect(try bench.grant(request(command: .preAssociate, id: vsi(2), type: 101, [entry(machineTwo, 0)])))
            #expect(bench.admission.held.values.contains { $0.filter.entries == [entry(machineOne, 10)] })
            // The VLAN that it has got is judged, not the null VID that it asked with; and a limit does not put out who is in.
            bench.admission.configure(
                "nfp0", try database("types: [{ type: 100, vlans: [10, 20], vsis: 0 }, { type: 101 }]"))
            #expect(bench.revoked.isEmpty)
            bench.admission.configure(
                "nfp0", try database("types: [{ type: 100, vlans: [20] }, { type: 101, name: x }]"))
            #expect(bench.revoked == [vsi(1)])
            bench.admission.release(vsi(1), on: "nfp0")
            #expect(bench.admission.held.values.map(\.type.name) == ["x"])
            bench.admission.configure("nfp0", try database("types: []"))
            #expect(bench.revoked == [vsi(1), vsi(2)])
        }

        @Test func aStationThatAsksFasterThanTheKernelFollowsIsRefused() throws {
            let bench = try Bench("types: [{ type: 100 }]")
            var refused = 0
            // The loop does not run, so that the kernel has none of it.
            for number in 0..<UInt64(TypedAdmission.waitingMax) + 10 {
                let address = MACAddress(truncating: 0x5254_0000_0000 | number)
                let asked = try request(id: vsi(number), [FilterEntry(vid: 0, macAddress: address)])
                bench.admission.decide(asked, on: "nfp0") { if $0.decision == shortage { refused += 1 } }
            }
            #expect(refused == 10)
            #expect(bench.admission.ports["nfp0"]?.waiting.count == TypedAdmission.waitingMax)
            #expect(bench.admission.proposed.count == TypedAdmission.waitingMax)
        }

        @Test(
            "SEC-22 the VLANs that a type fills in are whose the address is, and what is refused or released holds nothing"
        )
        func addresses() throws {
            let bench = try Bench("types: [{ type: 100, vlans: [10] }, { type: 101 }]", ports: ["nfp0", "nfp1"])
            let taken = BridgeDecision.refuse(Refusal(reason: .invalidFilter, isHard: false, isKept: true))
            let mine = try request(command: .preAssociateWithReservation, [entry(machineOne, 0)])
            #expect(try bench.grant(mine))
            func ask(_ command: VDPCommand, _ address: String) throws -> BridgeRequest {
                try request(command: command, id: vsi(2), type: 101, [entry(address, 10)])
            }
            for port in ["nfp0", "nfp1"] {
                #expect(try bench.decide(ask(.associate, machineOne), on: port) == taken)
                #expect(try bench.decide(ask(.preAssociate, machineOne), on: port) == taken)
            }
            #expect(bench.registry.ledger.load == (1, 1))
            // The kernel has refused it: the address is free.
            #expect(try bench.decide(ask(.associate, machineTwo), on: "nfp1") == shortage)
            #expect(bench.registry.ledger.load == (1, 1))
            #expect(try bench.grant(mine, on: "nfp1"), "the VSI itself, where it migrates to")
            bench.admission.release(vsi(1), on: "nfp0")
            #expect(try bench.decide(ask(.preAssociateWithReservation, machineOne)) == taken)
            bench.admission.release(vsi(1), on: "nfp1")
            #expect(bench.registry.ledger.load == (0, 0))
            #expect(try bench.grant(ask(.preAssociateWithReservation, machineOne)))
        }

        @Test func whatCannotBeEnforcedIsRefused() throws {
            let bench = try Bench("types: [{ type: 100, vsis: 1 }]")
            let asked = try request([entry(machineOne, 0)])
            #expect(try bench.decide(asked) == shortage)
            #expect(bench.admission.held.isEmpty && bench.admission.proposed.isEmpty)
            #expect(try bench.grant(request(command: .preAssociateWithReservation, id: vsi(2), [entry(machineTwo, 0)])))
            bench.admission.leave("nfp0")
            #expect(try bench.decide(asked) == shortage)
        }

        private func types(_ etherType: String, _ more: String = "") -> String {
            "types: [{ type: 100, ethertypes: [\(etherType)] }\(more)]"
        }

        @Test("SEC-28 VSIs have what the last of two databases imposes, however soon that follows the one before")
        func twoReloads() throws {
            let bench = try Switch("nft")
            let port = bench.ports[0]
            for (second, value) in [("ipv6", 0x86DD), ("ipv4", 0x0800)] as [(String, UInt16)] {
                let admission = try Bench(types("ipv4"), ports: [port])
                #expect(try admission.grant(request([entry(machineOne, 0)]), on: port))
                // The loop does not run in between: the kernel has neither.
                admission.admission.configure(port, try database(types("arp")))
                admission.admission.configure(port, try database(types(second)))
                try admission.settle()
                #expect(admission.admission.ports[port]?.held[vsi(1)]?.type.profile.etherTypes == [value])
                #expect(admission.admission.reviews.isEmpty && admission.revoked.isEmpty)
                let address = try #require(MACAddress(machineOne))
                let rules = try #require(PortRules(port: port))
                let listing = try bench.nftables.list(rules.listing(.untagged))
                #expect(PortRules.impositions(.untagged, in: listing)[.untagged(address)] == .pass([value]))
                admission.admission.release(vsi(1), on: port)
                admission.admission.leave(port)
            }
        }

        @Test("SEC-28 what was decided by the database before is judged by the new one when it is bound")
        func reloadWhileDeciding() throws {
            let bench = try Switch("nfu")
            let port = bench.ports[0]
            let admission = try Bench(types("ipv4", ", { type: 101 }"), ports: [port])
            let first = try request([entry(machineOne, 0)])
            let second = try request(id: vsi(2), type: 101, [entry(machineTwo, 0)])
            var granted = 0
            for asked in [first, second] {
                admission.admission.decide(asked, on: port) { if case .grant = $0 { granted += 1 } }
            }
            admission.admission.configure(port, try database(types("arp")))
            try admission.settle()
            #expect(granted == 2, "as it was decided")
            for asked in [first, second] {
                admission.admission.bind(
                    asked.vsiID, BridgeGrant(command: .associate, filter: asked.filter), request: asked, on: port)
            }
            #expect(admission.revoked == [vsi(2)])
            try admission.settle()
            #expect(admission.admission.ports[port]?.held[vsi(1)]?.type.profile.etherTypes == [0x0806])
            admission.admission.leave(port)
        }
    }
}
