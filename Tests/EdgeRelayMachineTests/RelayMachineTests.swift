import EVBWire
import Testing

@testable import EdgeRelayMachine

/// What a driver of the test says.
private struct View: LinkView {
    var links: [Int32: KernelLink] = [:]
    var left: Set<Int32> = []
    /// The index of the VSI's link, and whether that is as it is to be.
    var candidate: (index: Int32, isFitting: Bool)?
    var hasPort: Bool { true }

    func link(at index: Int32) -> KernelLink? { links[index] }
    func hasLeft(_ index: Int32) -> Bool { left.contains(index) }
    func filter(of vsiID: VSIID, at link: KernelLink?) -> FilterState { .open }
    func isWanted(_ vsiID: VSIID) -> Bool { true }

    func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate? {
        guard let candidate, candidate.index != discarded, let link = links[candidate.index] else { return nil }
        return LinkCandidate(link, .created(vlan: nil), isFitting: candidate.isFitting)
    }
}

/// A driver whose guest filter drops the VSI's frames; it has one link.
private struct ClosedView: LinkView {
    var hasPort: Bool { true }

    func link(at index: Int32) -> KernelLink? {
        KernelLink(index: index, name: "vm0", mode: .vepa, mtu: 1500, lowerMTU: 1500)
    }
    func hasLeft(_ index: Int32) -> Bool { false }
    func filter(of vsiID: VSIID, at link: KernelLink?) -> FilterState { .closed }
    func isWanted(_ vsiID: VSIID) -> Bool { true }

    func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate? { nil }
}

@Suite struct RelayMachineTests {
    private let vsi = VSIID(format: .local, high: 0, low: 1)
    private let spec = LinkSpec(.created, name: "vm0", addresses: [MACAddress(truncating: 0x5254_0000_0001)])
    private let policy = LinkPolicy(mode: .vepa, isHeld: false, closesGate: true)

    private func link(_ index: Int32, _ name: String = "vm0", isUp: Bool = false) -> KernelLink {
        KernelLink(index: index, name: name, mode: .vepa, mtu: 1500, lowerMTU: 1500, isUp: isUp)
    }

    private func operations(_ effects: [RelayEffect]) -> [LinkOperation] {
        effects.compactMap { if case .submit(_, let operation) = $0 { operation } else { nil } }
    }

    @Test("SPD-190 the slot of a VSI's link has no more octets than it had")
    func size() { #expect(MemoryLayout<LinkSlot>.stride <= 48) }

    @Test("SPD-190 the addresses of a link are those that it was given, in their order", arguments: 0...4)
    func addresses(count: Int) {
        let given = (0..<count).map { MACAddress(truncating: UInt64($0)) }
        let addresses = LinkAddresses(given)
        #expect(Array(addresses) == given && addresses.count == count && addresses.first == given.first)
        #expect(addresses == LinkAddresses(given) && addresses != LinkAddresses(given + [MACAddress(truncating: 9)]))
        #expect(given.allSatisfy { addresses.contains($0) } && !addresses.contains(MACAddress(truncating: 9)))
    }

    @Test("SPD-190 news of a link concern the VSIs that look for its very address, each of them")
    func seekers() {
        var machine = RelayMachine(policy: policy)
        let (one, twin, other) = (vsi, VSIID(format: .local, high: 0, low: 2), VSIID(format: .local, high: 0, low: 3))
        let (near, far) = (MACAddress(truncating: 0x5254_0000_0001), MACAddress(truncating: 0xFE54_0000_0001))
        for (vsiID, address) in [(one, near), (twin, near), (other, far)] {
            _ = machine.want(vsiID, .up(LinkSpec(.found, name: nil, addresses: [address]), vlan: nil), View())
        }
        #expect(machine.seekers(of: near) == [one, twin] && machine.seekers(of: far) == [other])
        #expect(machine.seekers(of: MACAddress(truncating: 0x0254_0000_0001)) == [])
        _ = machine.want(twin, .absent, View())
        #expect(machine.seekers(of: near) == [one])
        _ = machine.want(one, .absent, View())
        _ = machine.want(other, .absent, View())
        #expect(machine.seekers(of: near) == [] && machine.hasNoSeekers)
    }

    @Test(
        "SEC-1107 a link that is not as its VSI's is to be is cut while the VSI is not associated, and replaced when it is"
    )
    func misfit() {
        var machine = RelayMachine(policy: policy)
        var view = View(links: [7: link(7, isUp: true)], candidate: (7, false))
        var effects = machine.want(vsi, .down(spec, vlan: nil), view)
        #expect(operations(effects) == [.setUp(index: 7, false)])
        view.links[7] = link(7)
        effects = machine.finished(vsi, .setUp(index: 7, false), .link(link(7)), view)
        #expect(operations(effects) == [], "its program has it open")
        effects = machine.want(vsi, .up(spec, vlan: 10), view)
        #expect(operations(effects) == [.delete(index: 7)])
        view.links[7] = nil
        effects = machine.finished(vsi, .delete(index: 7), .gone, view)
        #expect(operations(effects) == [.create(spec, vlan: 10, .vepa)], "in the VLAN that is granted now")
    }

    @Test("SEC-1107 such a link is replaced too where its cut is under way when the VSI is associated")
    func misfitUnderWay() {
        var machine = RelayMachine(policy: policy)
        let view = View(links: [7: link(7, isUp: true)], candidate: (7, false))
        _ = machine.want(vsi, .down(spec, vlan: nil), view)
        #expect(operations(machine.want(vsi, .up(spec, vlan: 10), view)) == [])
        let effects = machine.finished(vsi, .setUp(index: 7, false), .link(link(7)), view)
        #expect(operations(effects) == [.delete(index: 7)])
    }

    @Test("SPD-165 VSIs that are told of a policy or of the port one by one come to what they come to all at once")
    func rounds() {
        var machine = RelayMachine(policy: policy)
        let view = View()
        let vsis = (1...40).map { VSIID(format: .local, high: 0, low: $0) }
        for (number, vsi) in vsis.enumerated() {
            let address = MACAddress(truncating: 0x5254_0000_0000 + UInt64(number))
            let origin: LinkSpec.Origin = number % 2 == 0 ? .created : .found
            let spec = LinkSpec(origin, name: "vm\(number)", addresses: [address])
            _ = machine.want(vsi, number % 3 == 0 ? .down(spec, vlan: nil) : .up(spec, vlan: 7), view)
            // Some have failed so often that they are not tried again by themselves.
            for _ in 0..<(number % 7 == 2 ? 12 : 0) {
                _ = machine.finished(vsi, .create(spec, vlan: 7, .vepa), .failed(LinkFailure(.other, "no")), view)
                _ = machine.observe(.retry(vsi), view)
            }
            if number % 5 == 0 {
                _ = machine.finished(
                    vsi, .create(spec, vlan: 7, .vepa), .link(link(Int32(100 + number), "vm\(number)")), view)
            }
        }
        let held = LinkPolicy(mode: .bridge, isHeld: true, closesGate: true)
        for isPolicy in [true, false] {
            var (once, parts) = (machine, machine)
            let all = once.observe(isPolicy ? .policy(held) : .port, view)
            if isPolicy { #expect(parts.begin(held) && !parts.begin(held)) }
            var told: [RelayEffect] = []
            for start in stride(from: 0, to: vsis.count, by: 7) {
                told += parts.follow(vsis[start..<min(start + 7, vsis.count)], isPolicy: isPolicy, view)
            }
            #expect(told == all)
            #expect(vsis.allSatisfy { "\(once.slots[$0], default: "")" == "\(parts.slots[$0], default: "")" })
        }
        // One that is gone meanwhile is passed over.
        #expect(machine.follow([VSIID(format: .local, high: 1, low: 1)], isPolicy: true, view).isEmpty)
    }

    @Test("SEC-1108 a link that could not be looked for is not taken for gone: no other one is made beside it")
    func unknown() {
        var machine = RelayMachine(policy: policy)
        machine.resume(vsi, spec, vlan: nil, isElsewhere: false)
        var effects = machine.want(vsi, .up(spec, vlan: nil), View())
        #expect(operations(effects) == [.locate(name: "vm0")])
        let failure = LinkFailure(.other, "interrupted")
        effects = machine.finished(vsi, .locate(name: "vm0"), .failed(failure), View())
        #expect(operations(effects) == [] && effects.contains(.retryLater(vsi, failures: 1)))
        effects = machine.observe(.retry(vsi), View())
        #expect(operations(effects) == [.locate(name: "vm0")])
        effects = machine.finished(vsi, .locate(name: "vm0"), .gone, View())
        #expect(operations(effects) == [.create(spec, vlan: nil, .vepa)])
    }

    @Test("a link that left and is back under another index before the kernel's answer is found by its news")
    func backBeforeTheAnswer() {
        var machine = RelayMachine(policy: policy)
        machine.resume(vsi, spec, vlan: nil, isElsewhere: false)
        var view = View()
        #expect(operations(machine.want(vsi, .down(spec, vlan: nil), view)) == [.locate(name: "vm0")])
        // It was here as 8 when the kernel was asked, has left since, and is back as 9.
        view = View(links: [9: link(9, "eth0")], left: [8], candidate: (9, true))
        _ = machine.observe(.link(name: "eth0", address: nil, owner: vsi, link(9, "eth0")), view)
        let effects = machine.finished(
            vsi, .locate(name: "vm0"), .link(link(8, "back"), .created(vlan: nil)), view)
        #expect(machine.slots[vsi]?.actual.link?.index == 9 && operations(effects) == [])
    }

    @Test(
        "SEC-1110 a created link that could not be deleted is replaced by the one that is wanted by then",
        arguments: [true, false])
    func anotherLink(isDeletedAtLast: Bool) {
        var machine = RelayMachine(policy: policy)
        var view = View()
        _ = machine.want(vsi, .up(spec, vlan: nil), view)
        view = View(links: [7: link(7, isUp: true)], candidate: (7, true))
        _ = machine.finished(
            vsi, .create(spec, vlan: nil, .vepa), .link(link(7, isUp: true), .created(vlan: nil)), view)
        #expect(operations(machine.want(vsi, .absent, view)) == [.delete(index: 7)])
        let busy = LinkResult.failed(LinkFailure(.other, "busy"))
        #expect(operations(machine.finished(vsi, .delete(index: 7), busy, view)) == [])
        var other = spec
        other.kind = "macvlan"
        #expect(machine.refusal(of: other, for: vsi) == nil)
        var effects = machine.want(vsi, .up(other, vlan: nil), view)
        #expect(operations(effects) == [.delete(index: 7)] && effects.contains(.report(vsi, .replaced(name: "vm0"))))
        if !isDeletedAtLast {
            effects = machine.finished(vsi, .delete(index: 7), busy, view)
            #expect(effects.contains(.retryLater(vsi, failures: 1)), "\(effects)")
            #expect(operations(machine.observe(.retry(vsi), view)) == [.look(index: 7)])
            effects = machine.finished(vsi, .look(index: 7), .link(link(7, isUp: true)), view)
            #expect(operations(effects) == [.setUp(index: 7, false)], "what is not wanted passes nothing")
            return
        }
        effects = machine.finished(vsi, .delete(index: 7), .gone, View())
        #expect(operations(effects) == [.create(other, vlan: nil, .vepa)])
    }

    @Test("SEC-1110 a created link moves to the VLAN that is granted now", arguments: [nil, 20 as UInt16])
    func anotherVLAN(granted: UInt16?) {
        var machine = RelayMachine(policy: policy)
        _ = machine.want(vsi, .up(spec, vlan: 10), View())
        let view = View(links: [7: link(7, isUp: true)], candidate: (7, true))
        _ = machine.finished(
            vsi, .create(spec, vlan: 10, .vepa), .link(link(7, isUp: true), .created(vlan: 10)), view)
        #expect(operations(machine.want(vsi, .up(spec, vlan: 10), view)) == [], "the same is granted again")
        #expect(operations(machine.want(vsi, .up(spec, vlan: granted), view)) == [.delete(index: 7)])
        let effects = machine.finished(vsi, .delete(index: 7), .gone, View())
        #expect(operations(effects) == [.create(spec, vlan: granted, .vepa)])
    }

    @Test("SEC-1111 after a restart a link that comes back stays down until the bridge goes on with its VSI")
    func backBeforeTheBridge() {
        var machine = RelayMachine(policy: policy)
        machine.resume(vsi, spec, vlan: nil, isElsewhere: true)
        let view = View(links: [9: link(9)], candidate: (9, true))
        let news = LinkNews.link(name: "vm0", address: nil, owner: vsi, link(9))
        #expect(operations(machine.observe(news, view)) == [])
        #expect(operations(machine.want(vsi, .up(spec, vlan: nil), view)) == [.setUp(index: 9, true)])
    }

    @Test(
        "SEC-1118 the end of a container's namespace is noticed at once: its link is looked for, and made again if it is gone",
        arguments: [true, false])
    func namespaceEnds(isGone: Bool) {
        var machine = RelayMachine(policy: policy)
        _ = machine.want(vsi, .up(spec, vlan: nil), View())
        let here = View(links: [7: link(7, isUp: true)], candidate: (7, true))
        _ = machine.finished(
            vsi, .create(spec, vlan: nil, .vepa), .link(link(7, isUp: true), .created(vlan: nil)), here)
        let away = View(left: [7])
        _ = machine.observe(.link(name: "vm0", address: nil, owner: vsi, nil), away)
        _ = machine.finished(vsi, .openAddresses, .done, away)
        #expect(machine.slots[vsi]?.actual.isElsewhere == true)
        #expect(operations(machine.observe(.namespaceEnd, away)) == [.locate(name: "vm0")])
        let effects = machine.finished(vsi, .locate(name: "vm0"), isGone ? .gone : .elsewhere, View())
        #expect(operations(effects) == (isGone ? [.create(spec, vlan: nil, .vepa)] : []))
        #expect(effects.contains(.store(vsi)) == isGone, "what is stored is so no more")
        let reports = effects.compactMap { if case .report(_, let report) = $0 { report } else { nil } }
        #expect(reports == (isGone ? [.deleted(name: "vm0")] : []), "that it is elsewhere is known")
    }

    @Test("SEC-1118 a namespace that ends while something is under way for a link is not forgotten")
    func namespaceEndsMeanwhile() {
        var machine = RelayMachine(policy: policy)
        machine.resume(vsi, spec, vlan: nil, isElsewhere: false)
        #expect(operations(machine.want(vsi, .up(spec, vlan: nil), View())) == [.locate(name: "vm0")])
        _ = machine.observe(.namespaceEnd, View())
        var effects = machine.finished(vsi, .locate(name: "vm0"), .elsewhere, View())
        while let operation = operations(effects).first, operation == .openAddresses {
            effects = machine.finished(vsi, operation, .done, View())
        }
        #expect(operations(effects) == [.locate(name: "vm0")])
        // One that could not be looked for is looked for again.
        effects = machine.finished(vsi, .locate(name: "vm0"), .failed(LinkFailure(.other, "interrupted")), View())
        #expect(effects.contains(.retryLater(vsi, failures: 1)))
        #expect(operations(machine.observe(.retry(vsi), View())) == [.locate(name: "vm0")])
    }

    @Test("SEC-1118 a link that was back and deleted before the answer that it had left is looked for")
    func backAndDeletedBeforeTheAnswer() {
        var machine = RelayMachine(policy: policy)
        _ = machine.want(vsi, .up(spec, vlan: nil), View())
        let here = View(links: [7: link(7, isUp: true)], candidate: (7, true))
        _ = machine.finished(
            vsi, .create(spec, vlan: nil, .vepa), .link(link(7, isUp: true), .created(vlan: nil)), here)
        let down = View(links: [7: link(7)], candidate: (7, true))
        #expect(
            operations(machine.observe(.link(name: "vm0", address: nil, owner: vsi, link(7)), down)) == [
                .look(index: 7)
            ])
        // It has left, come back as 8 and been deleted.
        let away = View(left: [7])
        _ = machine.observe(.link(name: "eth0", address: nil, owner: vsi, link(8, "eth0")), away)
        _ = machine.observe(.link(name: "eth0", address: nil, owner: vsi, nil), away)
        let effects = machine.finished(vsi, .look(index: 7), .gone, away)
        #expect(operations(effects) == [.locate(name: "vm0")])
        #expect(
            operations(machine.finished(vsi, .locate(name: "vm0"), .gone, View())) == [.create(spec, vlan: nil, .vepa)])
    }

    @Test("SEC-1115 who waits for a link whose addresses cannot be opened hears so, and it is tried again")
    func unopened() {
        var machine = RelayMachine(policy: policy)
        _ = machine.want(vsi, .up(spec, vlan: nil), ClosedView())
        _ = machine.finished(
            vsi, .create(spec, vlan: nil, .vepa), .link(link(7), .created(vlan: nil)), ClosedView())
        #expect(machine.slots[vsi]?.running?.operation == .openAddresses)
        let failure = LinkFailure(.unopened, "nftables refuses")
        var effects = machine.finished(vsi, .openAddresses, .failed(failure), ClosedView())
        #expect(effects.contains(.settled(vsi, failure)) && effects.contains(.retryLater(vsi, failures: 1)))
        #expect(operations(effects) == [], "it passes nothing meanwhile")
        effects = machine.observe(.retry(vsi), ClosedView())
        #expect(operations(effects) == [.look(index: 7)])
        effects = machine.finished(vsi, .look(index: 7), .link(link(7)), ClosedView())
        #expect(operations(effects) == [.openAddresses])
        let view = View(links: [7: link(7)], candidate: (7, true))
        #expect(operations(machine.finished(vsi, .openAddresses, .done, view)) == [.setUp(index: 7, true)])
    }

    @Test("SEC-1111 a link that leaves between a restart and the bridge's word is looked for before one is made")
    func leavesBeforeTheBridge() {
        var machine = RelayMachine(policy: policy)
        machine.expect(vsi)
        #expect(operations(machine.want(vsi, .up(spec, vlan: nil), View())) == [.locate(name: "vm0")])
        let effects = machine.finished(vsi, .locate(name: "vm0"), .elsewhere, View())
        #expect(operations(effects) == [] && machine.slots[vsi]?.actual.isElsewhere == true)
    }

    @Test("a link that left while it was to be deleted, and is back before the answer, is deleted all the same")
    func backBeforeItIsDeleted() {
        var machine = RelayMachine(policy: policy)
        _ = machine.want(vsi, .up(spec, vlan: nil), View())
        let up = link(7, isUp: true)
        var view = View(links: [7: up], candidate: (7, true))
        _ = machine.finished(vsi, .create(spec, vlan: nil, .vepa), .link(up, .created(vlan: nil)), view)
        #expect(operations(machine.want(vsi, .absent, view)) == [.delete(index: 7)])
        view = View(links: [9: link(9, "eth0")], candidate: (9, true))
        _ = machine.observe(.link(name: "eth0", address: nil, owner: vsi, link(9, "eth0")), view)
        let missing = LinkResult.failed(LinkFailure(.notFound, "no such device"))
        #expect(operations(machine.finished(vsi, .delete(index: 7), missing, view)) == [.delete(index: 9)])
        #expect(machine.finished(vsi, .delete(index: 9), .gone, View()).contains(.settled(vsi, nil)))
    }

    @Test("a process that keeps renaming a link and changing it is left alone in the end, as one that only changes it")
    func renamedAndChanged() {
        var machine = RelayMachine(policy: policy)
        _ = machine.want(vsi, .up(spec, vlan: nil), View())
        let up = link(7, isUp: true)
        var view = View(links: [7: up], candidate: (7, true))
        _ = machine.finished(vsi, .create(spec, vlan: nil, .vepa), .link(up, .created(vlan: nil)), view)
        var corrections = 0
        for round in 0..<20 {
            view.links[7] = link(7, "else\(round)")
            _ = machine.observe(.link(name: "else\(round)", address: nil, owner: vsi, link(7, "else\(round)")), view)
            let effects = machine.finished(vsi, .look(index: 7), .link(link(7, "else\(round)")), view)
            guard operations(effects) == [.setUp(index: 7, true)] else { continue }
            corrections += 1
            view.links[7] = link(7, "else\(round)", isUp: true)
            _ = machine.finished(vsi, .setUp(index: 7, true), .link(link(7, "else\(round)", isUp: true)), view)
        }
        #expect(corrections == 5)
    }
}
