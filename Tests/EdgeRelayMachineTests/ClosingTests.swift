import EVBWire
import Testing

@testable import EdgeRelayMachine

/// A driver with a port, or without, and at most one link.
private struct View: LinkView {
    var link: KernelLink?
    var hasPort = true

    func link(at index: Int32) -> KernelLink? { link }
    func hasLeft(_ index: Int32) -> Bool { false }
    func filter(of vsiID: VSIID, at link: KernelLink?) -> FilterState { .open }
    func isWanted(_ vsiID: VSIID) -> Bool { true }

    func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate? {
        if case .assigned(let number, _) = spec.origin {
            return LinkCandidate(
                KernelLink(index: 0, name: "vf:\(number)", settings: LinkSettings()), .assigned(number: number))
        }
        return link.map { LinkCandidate($0, .created(vlan: nil)) }
    }
}

/// What evbd closes is closed again without limit while it is refused and its VSI is not associated.
@Suite struct ClosingTests {
    private let vsi = VSIID(format: .local, high: 0, low: 1)
    private let other = VSIID(format: .local, high: 0, low: 2)
    private let policy = LinkPolicy(mode: .vepa, isHeld: false, closesGate: true)
    private let made = LinkSpec(.created, name: "vm0", addresses: [MACAddress(truncating: 0x5254_0000_0001)])
    private let function = LinkSpec(
        .assigned(number: 3, priority: nil), name: "vf:3", addresses: [MACAddress(truncating: 0x5254_0000_0001)])
    private let refused = LinkResult.failed(LinkFailure(.other, "refused"))

    private func settings(_ change: (inout LinkSettings) -> Void) -> LinkSettings {
        var settings = LinkSettings()
        change(&settings)
        return settings
    }

    private var disabled: LinkSettings { settings { $0.state = .disabled } }

    private func operations(_ effects: [RelayEffect]) -> [LinkOperation] {
        effects.compactMap { if case .submit(_, let operation) = $0 { operation } else { nil } }
    }

    private func failures(_ effects: [RelayEffect]) -> [Int] {
        effects.compactMap { if case .retryLater(_, let failures) = $0 { failures } else { nil } }
    }

    private func link(isUp: Bool) -> KernelLink {
        KernelLink(index: 7, name: "vm0", mode: .vepa, mtu: 1500, lowerMTU: 1500, isUp: isUp)
    }

    @Test("SEC-1133 a link that cannot be set down is set down again without limit, ever later, and shown until it is")
    func link() {
        var machine = RelayMachine(policy: policy)
        let view = View(link: link(isUp: true))
        _ = machine.want(vsi, .up(made, vlan: nil), view)
        #expect(operations(machine.want(vsi, .down(made, vlan: nil), view)) == [.setUp(index: 7, false)])
        for round in 1...50 {
            let effects = machine.finished(vsi, .setUp(index: 7, false), refused, view)
            #expect(failures(effects).first.map { $0 == round || $0 > 15 } == true)
            #expect(machine.unclosed[vsi]?.text == "refused")
            #expect(operations(machine.observe(.retry(vsi), view)) == [.look(index: 7)])
            let looked = machine.finished(vsi, .look(index: 7), .link(link(isUp: true)), view)
            #expect(operations(looked) == [.setUp(index: 7, false)])
        }
        _ = machine.finished(vsi, .setUp(index: 7, false), .link(link(isUp: false)), View(link: link(isUp: false)))
        #expect(machine.unclosed.isEmpty)
    }

    @Test(
        "SEC-1133 a link that another process has closed is no problem any more, and what else is refused of one that is down is none"
    )
    func closedByOthers() {
        var machine = RelayMachine(policy: policy)
        _ = machine.want(vsi, .up(made, vlan: nil), View(link: link(isUp: true)))
        _ = machine.want(vsi, .down(made, vlan: nil), View(link: link(isUp: true)))
        _ = machine.finished(vsi, .setUp(index: 7, false), refused, View(link: link(isUp: true)))
        #expect(machine.unclosed[vsi] != nil)
        let down = View(link: link(isUp: false))
        _ = machine.observe(.retry(vsi), down)
        _ = machine.finished(vsi, .look(index: 7), .link(link(isUp: false)), down)
        #expect(machine.unclosed.isEmpty && machine.slots[vsi]?.failures == 0)
        _ = machine.observe(.retry(vsi), down)
        _ = machine.finished(vsi, .look(index: 7), refused, down)
        #expect(machine.unclosed.isEmpty && machine.slots[vsi]?.failures == 1)
    }

    @Test("SEC-1133 a link that cannot be deleted is set down and deleted by turns, and shown until it is gone")
    func deletion() {
        var machine = RelayMachine(policy: policy)
        let view = View(link: link(isUp: true))
        _ = machine.want(vsi, .up(made, vlan: nil), view)
        #expect(operations(machine.want(vsi, .absent, view)) == [.delete(index: 7)])
        var expected: [LinkOperation] = [.delete(index: 7), .setUp(index: 7, false)]
        for _ in 1...20 {
            #expect(failures(machine.finished(vsi, expected[0], refused, view)).count == 1)
            #expect(machine.unclosed[vsi] != nil)
            _ = machine.observe(.retry(vsi), view)
            expected.swapAt(0, 1)
            let effects = machine.finished(vsi, .look(index: 7), .link(link(isUp: true)), view)
            #expect(operations(effects) == [expected[0]])
        }
        #expect(machine.finished(vsi, .delete(index: 7), .gone, View()).contains(.settled(vsi, nil)))
        #expect(machine.unclosed.isEmpty && machine.isEmpty)
    }

    /// A VSI with its function, as its bridge has granted it.
    private func associated() throws -> RelayMachine {
        var machine = RelayMachine(policy: policy)
        let operation = try #require(operations(machine.want(vsi, .up(function, vlan: 100), View())).first)
        #expect(machine.finished(vsi, operation, .done, View()).contains(.settled(vsi, nil)))
        return machine
    }

    @Test("SEC-1133 a function that a card does not close is closed again without limit, also by that part alone")
    func cut() throws {
        var machine = try associated()
        let down = DesiredLink.down(function, vlan: 100)
        #expect(operations(machine.want(vsi, down, View())) == [.adjust(number: 3, disabled)])
        for round in 1...50 {
            let effects = machine.finished(vsi, .adjust(number: 3, disabled), refused, View())
            #expect(
                failures(effects).first.map { $0 == round || $0 > 15 } == true
                    && effects.contains(.settled(vsi, LinkFailure(.other, "refused")))
            )
            #expect(effects.contains { if case .report = $0 { true } else { false } } == (round == 1), "told once")
            #expect(machine.unclosed[vsi] != nil)
            #expect(operations(machine.observe(.retry(vsi), View())) == [.adjust(number: 3, disabled)])
        }
        let effects = machine.finished(vsi, .adjust(number: 3, disabled), .done, View())
        #expect(effects.contains(.settled(vsi, nil)) && machine.unclosed.isEmpty)
    }

    @Test(
        "SEC-1133 where a card refuses all of what closes a function, the link state alone is tried, which it may take")
    func cutAlone() throws {
        var machine = RelayMachine(policy: policy)
        // Of the run before: nothing is known of it.
        let all = try #require(operations(machine.want(vsi, .down(function, vlan: 100), View())).first)
        guard case .adjust(3, let change) = all, change.address != nil, change.state == .disabled else {
            Issue.record("\(all)")
            return
        }
        _ = machine.finished(vsi, all, refused, View())
        #expect(operations(machine.observe(.retry(vsi), View())) == [.adjust(number: 3, disabled)])
        let rest = operations(machine.finished(vsi, .adjust(number: 3, disabled), .done, View()))
        #expect(machine.unclosed.isEmpty, "it is closed")
        // The rest is refused still, which leaves it closed.
        let operation = try #require(rest.first)
        let effects = machine.finished(vsi, operation, refused, View())
        #expect(failures(effects) == [] && machine.unclosed.isEmpty)
    }

    @Test(
        "SEC-1133 a function that cannot be reset is closed and reset by turns, until both are done, and shown until then"
    )
    func reset() throws {
        var machine = try associated()
        var operation = try #require(operations(machine.want(vsi, .absent, View())).first)
        guard case .reset(3, _) = operation else {
            Issue.record("\(operation)")
            return
        }
        var pauses: [Int] = []
        for round in 1...10 {
            let effects = machine.finished(vsi, operation, refused, View())
            pauses += failures(effects)
            #expect(machine.unclosed[vsi] != nil && machine.slots[vsi] != nil, "\(round)")
            operation = try #require(operations(machine.observe(.retry(vsi), View())).first)
            #expect(operation == .adjust(number: 3, disabled))
            // It is closed now, and still to be reset: by its own time.
            let closed = machine.finished(vsi, operation, .done, View())
            #expect(operations(closed) == [] && machine.unclosed[vsi] != nil)
            pauses += failures(closed)
            operation = try #require(operations(machine.observe(.retry(vsi), View())).first)
            guard case .reset(3, let change) = operation, change.state == .auto else {
                Issue.record("\(operation)")
                return
            }
        }
        #expect(
            pauses.count == 20 && pauses.prefix(15) == Array(1...15)[...] && pauses.suffix(5).allSatisfy { $0 > 14 },
            "\(pauses)")
        #expect(machine.finished(vsi, operation, .done, View()).contains(.settled(vsi, nil)))
        #expect(machine.isEmpty && machine.unclosed.isEmpty)
    }

    @Test("SEC-1133 a function that could not be opened, when the bridge reflects again say, is opened later")
    func opening() {
        var machine = RelayMachine(policy: policy)
        let wanted = DesiredLink.up(function, vlan: 100)
        let first = operations(machine.want(vsi, wanted, View()))
        #expect(first.count == 1)
        for round in 1...3 {
            let effects = machine.finished(vsi, first[0], refused, View())
            #expect(failures(effects) == [round] && machine.unclosed.isEmpty, "who asked knows, and it passes nothing")
            #expect(operations(machine.observe(.retry(vsi), View())) == first)
        }
        #expect(machine.finished(vsi, first[0], .done, View()).contains(.settled(vsi, nil)))
    }

    @Test("SEC-1134 a function that waits to be reset can be another VSI's, which sets all of it")
    func lingering() throws {
        var machine = try associated()
        let operation = try #require(operations(machine.want(vsi, .absent, View())).first)
        #expect(!machine.isLingering(vsi))
        _ = machine.finished(vsi, operation, refused, View())
        #expect(machine.isLingering(vsi))
        let effects = machine.want(other, .up(function, vlan: 200), View())
        guard case .adjust(3, let change)? = operations(effects).first else {
            Issue.record("\(effects)")
            return
        }
        #expect(change.address != nil && change.vlan == 200 && change.spoofCheck == true && change.state == .auto)
        #expect(effects.contains(.settled(vsi, nil)) && machine.slots[vsi] == nil && machine.unclosed.isEmpty)
        #expect(operations(machine.observe(.retry(vsi), View())) == [], "the former VSI is out of it")
    }

    @Test("SEC-1135 a card that is another has lost all settings: open functions are set again, closed ones are closed")
    func replaced() throws {
        var machine = try associated()
        var operation = try #require(operations(machine.observe(.portReplaced, View())).first)
        guard case .adjust(3, let change) = operation else {
            Issue.record("\(operation)")
            return
        }
        #expect(change.address != nil && change.vlan == 100 && change.spoofCheck == true && change.state == .auto)
        // Again, while that is under way: what comes of it is about the card that was.
        #expect(operations(machine.observe(.portReplaced, View())) == [])
        #expect(operations(machine.finished(vsi, operation, .done, View())) == [operation])
        _ = machine.finished(vsi, operation, .done, View())
        _ = machine.finished(
            vsi, .adjust(number: 3, disabled), .done, View())
        operation = try #require(operations(machine.want(vsi, .down(function, vlan: 100), View())).first)
        _ = machine.finished(vsi, operation, .done, View())
        // Without the port there is nothing to set; with it the function is closed before anything else.
        #expect(operations(machine.observe(.portReplaced, View(hasPort: false))) == [])
        #expect(operations(machine.observe(.port, View(hasPort: false))) == [])
        guard case .adjust(3, let closing)? = operations(machine.observe(.port, View())).first else {
            Issue.record("not closed")
            return
        }
        #expect(closing.state == .disabled && closing.address != nil)
    }
}
