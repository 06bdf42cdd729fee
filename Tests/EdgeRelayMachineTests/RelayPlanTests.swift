import EVBWire
import EdgeRelayMachine
import Testing

/// What `RelayMachine.plan` does for each desired and actual link and each policy, as it was reviewed.
@Suite struct RelayPlanTests {
    private static let created = LinkSpec(.created, name: "vm0", addresses: [MACAddress(truncating: 0x5254_0000_0001)])
    private static let found = LinkSpec(.found, name: nil, addresses: created.addresses)

    private static var desired: [(String, DesiredLink)] {
        var fixed = created
        (fixed.mode, fixed.mtu) = (.private, 1400)
        return [
            ("absent", .absent), ("down, created", .down(created, vlan: nil)), ("up, created", .up(created, vlan: nil)),
            ("up, private, MTU 1400", .up(fixed, vlan: 7)), ("down, found", .down(found, vlan: nil)),
            ("up, found", .up(found, vlan: nil)),
        ]
    }

    private static let policies: [(String, LinkPolicy)] = [
        ("vepa", LinkPolicy(mode: .vepa, isHeld: false, closesGate: true)),
        ("held", LinkPolicy(mode: .vepa, isHeld: true, closesGate: true)),
        ("vepa, no gate", LinkPolicy(mode: .vepa, isHeld: false, closesGate: false)),
        ("held, no gate", LinkPolicy(mode: .vepa, isHeld: true, closesGate: false)),
        ("bridge, no gate", LinkPolicy(mode: .bridge, isHeld: false, closesGate: false)),
    ]

    private static var actual: [(String, ActualLink)] {
        var all: [(String, ActualLink)] = FilterState.allCases.map { ("none, filter \($0)", .none($0)) }
        let owners: [(String, Ownership)] = [("created", .created(vlan: nil)), ("adopted", .adopted)]
        for (owner, ownership) in owners {
            for isUp in [false, true] {
                for gate in Gate.allCases {
                    for filter in FilterState.allCases {
                        let link = KernelLink(index: 5, name: "vm0", mode: .vepa, lowerMTU: 1500, isUp: isUp)
                        all.append(
                            (
                                "\(owner) \(isUp ? "up" : "down"), gate \(gate), filter \(filter)",
                                .here(link, ownership, gate, filter)
                            ))
                    }
                }
                let link = KernelLink(index: 5, name: "vm0", mode: .vepa, lowerMTU: 1500, isUp: isUp)
                all.append(
                    (
                        "\(owner) \(isUp ? "up" : "down"), unusable",
                        .unusable(link, ownership, LinkFailure(.other, "no"))
                    ))
            }
            let exposed = KernelLink(index: 5, name: "vm0", mode: .vepa, mtu: 9000, isUp: false, isKeptFromHost: false)
            all.append(("\(owner), the host on it", .here(exposed, ownership, .closed, .open)))
            let low = KernelLink(index: 5, name: "vm0", mode: .private, mtu: 1300, lowerMTU: 9000, isUp: true)
            all.append(("\(owner) private, low MTU", .here(low, ownership, .open, .open)))
            let tap = KernelLink(index: 5, name: "tap0", lowerMTU: nil)
            all.append(("\(owner) without modes", .here(tap, ownership, .neverOpened, .open)))
            all.append(("\(owner) elsewhere, filter closed", .inOtherNamespace(name: "vm0", ownership, .closed)))
            all.append(("\(owner) elsewhere, filter open", .inOtherNamespace(name: "vm0", ownership, .open)))
            all.append(("\(owner) missing", .missing(name: "vm0", ownership)))
        }
        return all
    }

    // MARK: Virtual functions

    private static func function(_ number: UInt32, priority: UInt8? = nil) -> LinkSpec {
        LinkSpec(.assigned(number: number, priority: priority), name: "vf:\(number)", addresses: created.addresses)
    }

    private static let wishesForFunctions: [(String, DesiredLink)] = [
        ("absent", .absent), ("down, vf:3", .down(function(3, priority: 5), vlan: 7)),
        ("up, vf:3", .up(function(3, priority: 5), vlan: 7)), ("up, vf:3 untagged", .up(function(3), vlan: nil)),
        ("up, vf:4", .up(function(4), vlan: nil)), ("up, created", .up(created, vlan: nil)),
    ]

    /// What vf:3 can have.
    private static var functions: [(String, ActualLink)] {
        var set = LinkSettings()
        set.address = created.addresses.first
        (set.vlan, set.priority, set.spoofCheck, set.state) = (7, 5, true, .auto)
        var down = set
        down.state = .disabled
        var moved = set
        moved.vlan = 8
        let all = [("not known", LinkSettings()), ("set", set), ("set, down", down), ("set, VLAN 8", moved)]
        return all.map { name, settings in
            let link = KernelLink(index: 0, name: "vf:3", isUp: settings.state == .auto, settings: settings)
            return ("vf:3 \(name)", .here(link, .assigned(number: 3), .open, .open))
        } + [("none", .none(.open))]
    }

    private static var functionLines: [String] {
        policies.flatMap { policyName, policy in
            wishesForFunctions.flatMap { name, desired in
                ["## \(name); policy \(policyName)"]
                    + functions.map { "\($0): \(text(RelayMachine.plan(desired, $1, policy)))" }
            }
        }
    }

    private static func text(_ settings: LinkSettings) -> String {
        var parts: [String] = []
        if let address = settings.address { parts.append("\(address)") }
        if let vlan = settings.vlan { parts.append("VLAN \(vlan) priority \(settings.priority)") }
        if let check = settings.spoofCheck { parts.append("spoof check \(check ? "on" : "off")") }
        if let state = settings.state { parts.append("\(state)") }
        return parts.joined(separator: ", ")
    }

    private static func text(_ operation: LinkOperation?) -> String {
        switch operation {
        case nil: "-"
        case .create(_, let vlan, let mode): "create \(mode)\(vlan.map { " on VLAN \($0)" } ?? "")"
        case .delete: "delete"
        case .look: "look"
        case .locate: "locate"
        case .setMode(_, let mode): "set mode \(mode)"
        case .setMTU(_, let mtu): "set MTU \(mtu)"
        case .keepFromHost: "keep from host"
        case .installFilter: "install filter"
        case .openAddresses: "open addresses"
        case .setUp(_, let isUp): isUp ? "set up" : "set down"
        case .adjust(_, let settings): "adjust \(text(settings))"
        case .reset(_, let settings): "reset \(text(settings))"
        }
    }

    @Test("SEC-1119 the plan's table has each gate with each mode that a policy may have")
    func table() {
        var lines: [String] = []
        for (policyName, policy) in Self.policies {
            for (name, desired) in Self.desired {
                lines.append("## \(name); policy \(policyName)")
                for (state, actual) in Self.actual {
                    let operation = RelayMachine.plan(desired, actual, policy)
                    lines.append("\(state): \(Self.text(operation))")
                }
            }
        }
        lines += ["# Virtual functions"] + Self.functionLines
        Snapshot.expect(lines.joined(separator: "\n") + "\n", matches: "EdgeRelay.txt")
    }

    @Test("SEC-1119 with gate: none a link that evbd has not set up is left as it is")
    func withoutGate() {
        for (name, policy) in Self.policies where !policy.closesGate && !policy.isHeld {
            for isUp in [false, true] {
                let link = KernelLink(index: 5, name: "vm0", mode: policy.mode, lowerMTU: 1500, isUp: isUp)
                let adopted = ActualLink.here(link, .adopted, .neverOpened, .open)
                #expect(RelayMachine.plan(.down(Self.found, vlan: nil), adopted, policy) == nil, "\(name)")
                #expect(RelayMachine.plan(.up(Self.found, vlan: nil), adopted, policy) == nil, "\(name)")
                // What evbd has closed while it was held, it opens again.
                let cut = ActualLink.here(link, .adopted, .closed, .open)
                #expect(
                    RelayMachine.plan(.up(Self.found, vlan: nil), cut, policy)
                        == (isUp ? nil : .setUp(index: 5, true)), "\(name)")
            }
        }
    }

    @Test("no plan sets a link up that may not send, or deletes one of another process")
    func invariants() {
        for (_, policy) in Self.policies {
            for (_, desired) in Self.desired {
                for (state, actual) in Self.actual {
                    let operation = RelayMachine.plan(desired, actual, policy)
                    if case .setUp(_, true) = operation { #expect(desired.isUp, "\(state)") }
                    if case .delete = operation {
                        #expect(desired == .absent && actual.ownership != .adopted, "\(state)")
                    }
                    // Closing comes before all else.
                    if case .here(let link, _, _, _) = actual, link.isUp, policy.closesGate, desired.spec != nil,
                        !desired.isUp
                    {
                        #expect(operation == .setUp(index: 5, false), "\(state)")
                    }
                }
            }
        }
    }
}
