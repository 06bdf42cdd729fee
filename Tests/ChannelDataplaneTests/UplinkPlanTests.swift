import LinuxSystem
import Netlink
import Testing

@testable import ChannelDataplane

/// What is done at an uplink for what is wanted and what there is, as it was reviewed. Pure.
@Suite struct UplinkPlanTests {
    private static let uplinkAddress = HardwareAddress(0x0200_0000_AA01)

    private static func uplink(isUp: Bool = true, mtu: UInt32 = 1500) -> Link {
        var link = Link(index: 3, name: "up0")
        (link.kind, link.address, link.mtu, link.isUp) = ("veth", uplinkAddress, mtu, isUp)
        return link
    }

    private static func device(_ name: String, id: UInt16, _ change: (inout Link) -> Void = { _ in }) -> Link {
        var link = Link(index: 100 + Int32(id), name: name)
        (link.kind, link.parentIndex, link.vlanID, link.vlanProtocol) = ("vlan", 3, id, 0x88A8)
        (link.alias, link.mtu, link.isUp) = (UplinkPlan.alias, 1500, true)
        change(&link)
        return link
    }

    private static func bridge(_ name: String) -> Link {
        var link = Link(index: 9, name: name)
        link.kind = "bridge"
        return link
    }

    private static func plan(_ channels: (String, UInt16, UInt16?)..., bridge: String? = nil) -> ChannelPlan {
        ChannelPlan(
            uplink: "up0", side: bridge == nil ? .station : .bridge,
            channels: channels.map { .init(name: $0.0, scid: $0.1, svid: $0.2, bridge: bridge) })
    }

    private static func listing(_ devices: [UInt16: UInt16]) -> TrafficListing {
        TrafficListing(
            discipline: .clsact,
            filters: UplinkRules(devices: devices).filters(guardHandle: UplinkRules.guardOfOwnDiscipline))
    }

    private static func state(
        _ devices: Link..., rules: UplinkState.Rules, uplink: Link = uplink(),
        _ change: (inout UplinkState) -> Void = { _ in }
    ) -> UplinkState {
        var state = UplinkState()
        state.uplink = uplink
        state.devices = Dictionary(devices.map { ($0.name, $0) }) { first, _ in first }
        state.usedIDs = Set(devices.compactMap(\.vlanID))
        state.rules = rules
        change(&state)
        return state
    }

    private static var cases: [(String, ChannelPlan, UplinkState)] {
        let two = plan(("a", 2, 10), ("b", 3, 20))
        let (a, b) = (device("a", id: 10), device("b", id: 20))
        let stand = UplinkState.Rules.known(listing([10: 10, 20: 20]))
        var other = a
        other.alias = nil
        return [
            ("there is no uplink", two, UplinkState()),
            ("nothing is there", two, state(rules: .unknown(last: nil))),
            ("nothing is there but the empty rules", plan(), state(rules: .known(TrafficListing()))),
            (
                "devices, no rules yet", two,
                state(device("a", id: 10) { $0.isUp = false }, rules: .known(TrafficListing()))
            ),
            ("all is as wanted", two, state(a, b, rules: stand)),
            ("all of an earlier evbd, rules not read", two, state(a, b, rules: .unknown(last: nil))),
            ("down, rules stand", two, state(device("a", id: 10) { $0.isUp = false }, b, rules: stand)),
            (
                "uplink down", two,
                state(device("a", id: 10) { $0.isUp = false }, b, rules: stand, uplink: uplink(isUp: false))
            ),
            ("rules failed", two, state(a, b, rules: .failed)),
            ("port of a bridge", two, state(a, b, rules: stand) { $0.isBridgePort = true }),
            (
                "port of a bridge, no rule for what it forwards", two,
                state(a, device("b", id: 20) { $0.isUp = false }, rules: stand) {
                    ($0.isBridgePort, $0.forwarding) = (true, .absent)
                }
            ),
            (
                "port of a bridge, which cannot be kept from forwarding", two,
                state(a, b, rules: stand) { ($0.isBridgePort, $0.forwarding) = (true, .failed) }
            ),
            (
                "port of a bridge, all rules", two,
                state(a, b, rules: stand) { ($0.isBridgePort, $0.forwarding) = (true, .present) }
            ),
            ("b loses its S-VLAN", plan(("a", 2, 10), ("b", 3, nil)), state(a, b, rules: stand)),
            ("b leaves", plan(("a", 2, 10)), state(a, b, rules: stand)),
            ("a moves to 30", plan(("a", 2, 30), ("b", 3, 20)), state(a, b, rules: stand)),
            ("a and b swap", plan(("a", 2, 20), ("b", 3, 10)), state(a, b, rules: stand)),
            (
                "c wants the id of a's device", plan(("a", 2, 30), ("c", 4, 10)),
                state(a, rules: .known(listing([30: 10])))
            ),
            ("c without an S-VLAN", plan(("c", 4, nil)), state(a, rules: .known(listing([:])))),
            ("name taken by a veth", two, state(device("a", id: 10) { $0.kind = "veth" }, b, rules: stand)),
            (
                "name taken by a C-VLAN device", two,
                state(device("a", id: 10) { $0.vlanProtocol = 0x8100 }, b, rules: stand)
            ),
            ("name taken at another parent", two, state(device("a", id: 10) { $0.parentIndex = 4 }, b, rules: stand)),
            ("name taken by another's S-VLAN device", two, state(other, b, rules: stand)),
            (
                "made, but evbd ended before its alias", two,
                state(
                    device("a", id: 10) {
                        ($0.alias, $0.address) = (nil, UplinkPlan.address(uplink: uplinkAddress, scid: 2))
                    }, b, rules: stand)
            ),
            ("MTU raised", two, state(a, b, rules: stand, uplink: uplink(mtu: 9000))),
            ("b in a container", two, state(a, rules: stand) { $0.departed = ["b": 20] }),
            ("bridge is missing", plan(("a", 2, 10), bridge: "br0"), state(a, rules: .known(listing([10: 10])))),
            (
                "to be a port", plan(("a", 2, 10), bridge: "br0"),
                state(a, rules: .known(listing([10: 10]))) { $0.bridges = ["br0": bridge("br0")] }
            ),
            (
                "is a port", plan(("a", 2, 10), bridge: "br0"),
                state(device("a", id: 10) { $0.masterIndex = 9 }, rules: .known(listing([10: 10]))) {
                    $0.bridges = ["br0": bridge("br0")]
                }
            ),
            (
                "numbers that cannot be", plan(("a", 2, 10), ("b", 3, 10), ("c", 3, 30), ("d", 1, 40), ("e", 5, 4095)),
                state(a, rules: stand)
            ),
        ]
    }

    @Test("SCH-101 what is done at an uplink, for each case of what is wanted and what there is")
    func table() {
        var text = ""
        for (name, plan, state) in Self.cases {
            let result = UplinkPlan(plan, state)
            text += "\(name)\n"
            if result.steps.isEmpty { text += "    nothing is to be done\n" }
            for step in result.steps { text += "    \(step.words)\n" }
            for failure in result.failures { text += "    ! \(failure.subject): \(failure.message); \(failure.hint)\n" }
        }
        Snapshot.expect(text, matches: "UplinkPlan.txt")
    }

    @Test(
        "SCH-102 a device's address has the local bit, is no group's, and is another for each channel and uplink of one maker"
    )
    func addresses() {
        let uplinks = [0x0200_0000_AA01, 0x3CFD_FE00_0010, 0x3CFD_FE00_0011, 0x0200_0100_AA01].map {
            HardwareAddress($0)
        }
        var all = Set(uplinks)
        for uplink in uplinks.prefix(3) {
            for scid in UInt16(2)...167 {
                let address = UplinkPlan.address(uplink: uplink, scid: scid)
                #expect(address.octets[0] & 3 == 2, "\(address)")
                #expect(all.insert(address).inserted || uplink == uplinks[0], "\(address) of \(uplink) and \(scid)")
            }
        }
        #expect(UplinkPlan.address(uplink: uplinks[1], scid: 2).description == "3e:fd:fc:00:00:10")
    }
}

extension UplinkStep {
    /// The step as the snapshot has it.
    var words: String {
        switch self {
        case .mark(let name, _): "mark \(name) as evbd's"
        case .delete(let name, _): "delete \(name)"
        case .setDown(let name, _): "set \(name) down"
        case .create(let device):
            "create \(device.name), id \(device.vid), address \(device.address?.description ?? "-")"
        case .setMTU(let name, _, let mtu): "set MTU of \(name) to \(mtu)"
        case .setMaster(let name, _, let bridge): "make \(name) a port of bridge \(bridge)"
        case .readRules: "read the rules"
        case .installRules(_, let rules):
            "install rules: "
                + (rules.devices.isEmpty
                    ? "no S-tag passes"
                    : rules.devices.sorted { $0.key < $1.key }.map { "S-VLAN \($0.key) is id \($0.value)" }.joined(
                        separator: ", "))
        case .readForwarding: "read the rule for forwarded frames"
        case .installForwarding: "install the rule for forwarded frames"
        case .setUp(let name, _): "set \(name) up"
        }
    }
}
