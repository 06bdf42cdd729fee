// What is to be done next at an uplink, pure: what is wanted is compared with what the kernel has.

package import LinuxSystem
package import Netlink

/// One change of an uplink's devices or rules.
package enum UplinkStep: Hashable, Sendable {
    /// Gives a device of an earlier evbd, which ended before it could do so, its alias.
    case mark(String, index: Int32)
    case delete(String, index: Int32)
    case setDown(String, index: Int32)
    case create(VLANDevice)
    case setMTU(String, index: Int32, UInt32)
    case setMaster(String, index: Int32, bridgeIndex: Int32)
    case readRules(index: Int32)
    case installRules(index: Int32, UplinkRules)
    case readForwarding
    case installForwarding
    case setUp(String, index: Int32)

    /// Whether the step is about rules: such a step is taken alone.
    package var isAboutRules: Bool {
        switch self {
        case .readRules, .installRules, .readForwarding, .installForwarding: true
        default: false
        }
    }

    /// The device or uplink that the step is about.
    package func subject(uplink: String) -> String {
        switch self {
        case .mark(let name, _), .delete(let name, _), .setDown(let name, _), .setMTU(let name, _, _),
            .setMaster(let name, _, _), .setUp(let name, _):
            name
        case .create(let device): device.name
        case .readRules, .installRules, .readForwarding, .installForwarding: uplink
        }
    }
}

/// What the kernel has, as far as it was told.
package struct UplinkState: Sendable {
    /// The rules at the uplink.
    package enum Rules: Equatable, Sendable {
        /// Not read yet, or to be read again.
        case unknown(last: TrafficListing?)
        case known(TrafficListing)
        /// They could not be read or made, and are tried again later.
        case failed
    }

    /// The rule for what a bridge forwards to the uplink.
    package enum Forwarding: Equatable, Sendable {
        case unknown
        case absent
        case present
        /// As with the other rules.
        case failed
    }

    package var uplink: Link?
    /// Whether the uplink is a port of a bridge.
    package var isBridgePort = false
    package var forwarding = Forwarding.unknown
    /// The devices of the plan's names, and all of evbd's at this uplink.
    package var devices: [String: Link] = [:]
    /// The bridges of the plan's names.
    package var bridges: [String: Link] = [:]
    /// The VLAN ids of all S-VLAN devices at the uplink.
    package var usedIDs: Set<UInt16> = []
    /// Devices that have gone to other network namespaces since evbd began, with their VLAN ids.
    package var departed: [String: UInt16] = [:]
    package var rules = Rules.unknown(last: nil)

    package init() {}
}

/// What is to be done, and what cannot be.
package struct UplinkPlan: Equatable {
    /// The first of these is to be done now; the others may be others by then.
    package var steps: [UplinkStep] = []
    package var failures: [ChannelFailure] = []

    /// The alias of the devices that evbd makes.
    package static let alias = "evbd S-channel"

    /// The address of a channel's device: that of the uplink with the local bit, and the channel's number in its front half, where cards
    /// of one maker do not differ.
    package static func address(uplink: HardwareAddress, scid: UInt16) -> HardwareAddress {
        let local: UInt64 = 0x0200_0000_0000
        let group: UInt64 = 0x0100_0000_0000
        return HardwareAddress((uplink.value | local) & ~group ^ UInt64(scid) << 24)
    }

    package init(_ plan: ChannelPlan, _ state: UplinkState) {
        guard let uplink = state.uplink else {
            failures = [
                ChannelFailure(
                    subject: plan.uplink, message: "there is no interface \(plan.uplink)",
                    hint: "create it, or correct the configuration")
            ]
            return
        }
        let channels = accept(plan)
        var placed: [Placed] = []
        var missing: [ChannelPlan.Channel] = []
        for channel in channels {
            if let link = state.devices[channel.name] {
                if let reason = Self.objection(to: link, channel, uplink) {
                    refuse(link, reason, uplink)
                } else {
                    placed.append(Placed(channel: channel, link: link))
                }
            } else if state.departed[channel.name] == nil {
                missing.append(channel)
            }
        }
        remove(channels, state, uplink)
        let areRulesFailed = state.rules == .failed || state.isBridgePort && state.forwarding == .failed
        for one in placed where one.link.isUp && (one.channel.svid == nil || areRulesFailed) {
            steps.append(.setDown(one.channel.name, index: one.link.index))
        }
        create(missing, state, uplink)
        adjust(placed, state, uplink)
        let rules = Self.rules(channels, placed, state)
        let areStanding = settle(rules, state, uplink)
        guard uplink.isUp, areStanding else { return }
        for one in placed where !one.link.isUp && one.channel.svid != nil {
            steps.append(.setUp(one.channel.name, index: one.link.index))
        }
    }

    private struct Placed {
        let channel: ChannelPlan.Channel
        let link: Link
    }

    // MARK: Channels

    /// The channels that can be; the others are failures.
    private mutating func accept(_ plan: ChannelPlan) -> [ChannelPlan.Channel] {
        var (names, numbers, vlans): (Set<String>, Set<UInt16>, Set<UInt16>) = ([plan.uplink], [], [])
        var accepted: [ChannelPlan.Channel] = []
        for var channel in plan.channels {
            guard names.insert(channel.name).inserted, numbers.insert(channel.scid).inserted else {
                fail(channel.name, "channel \(channel.scid) has the name or number of another", "give each its own")
                continue
            }
            guard accepted.count < ChannelPlan.channelsMax, (2...4094).contains(channel.scid) else {
                fail(
                    channel.name, "channel \(channel.scid) is more than an uplink has",
                    "an uplink has at most \(ChannelPlan.channelsMax) channels, numbered from 2 on")
                continue
            }
            if let svid = channel.svid, !(2...4094).contains(svid) || !vlans.insert(svid).inserted {
                fail(
                    channel.name, "S-VLAN \(svid) is no channel's or another channel's",
                    "an S-VLAN is a number from 2 to 4094, and belongs to one channel")
                channel.svid = nil
            }
            accepted.append(channel)
        }
        return accepted
    }

    private mutating func fail(_ subject: String, _ message: String, _ hint: String) {
        failures.append(ChannelFailure(subject: subject, message: message, hint: hint))
    }

    /// Why a link of a channel's name is not the channel's device; nil if it is.
    private static func objection(to link: Link, _ channel: ChannelPlan.Channel, _ uplink: Link) -> String? {
        guard isServiceDevice(link, of: uplink) else {
            return "interface \(link.name) exists and is no 802.1ad VLAN device of \(uplink.name)"
        }
        guard isOwn(link) || link.address == uplink.address.map({ address(uplink: $0, scid: channel.scid) }) else {
            return "interface \(link.name) exists and was not made by evbd"
        }
        return nil
    }

    private static func isOwn(_ link: Link) -> Bool { link.alias == alias }

    package static func isServiceDevice(_ link: Link, of uplink: Link) -> Bool {
        link.kind == "vlan" && link.parentIndex == uplink.index && link.vlanProtocol == VLANTagType.service.rawValue
    }

    private mutating func refuse(_ link: Link, _ reason: String, _ uplink: Link) {
        let isServing = Self.isServiceDevice(link, of: uplink)
        let alias = isServing ? ", or give it to evbd: ip link set \(link.name) alias '\(Self.alias)'" : ""
        fail(
            link.name, reason,
            "delete or rename it (ip link delete \(link.name)), or give the channel another name\(alias)")
    }

    // MARK: Devices

    private mutating func remove(_ channels: [ChannelPlan.Channel], _ state: UplinkState, _ uplink: Link) {
        let names = Set(channels.map(\.name))
        for (name, link) in state.devices.sorted(by: { $0.key < $1.key })
        where !names.contains(name) && Self.isOwn(link) && Self.isServiceDevice(link, of: uplink) {
            steps.append(.delete(name, index: link.index))
        }
    }

    private mutating func create(_ channels: [ChannelPlan.Channel], _ state: UplinkState, _ uplink: Link) {
        var used = state.usedIDs.union(state.departed.values)
        let given = Set(channels.compactMap(\.svid))
        var spare = UInt16(4094)
        for channel in channels {
            // A channel without an S-VLAN gets a device all the same: what is on it may wait for the channel.
            var id = channel.svid ?? 0
            if id == 0 || used.contains(id) {
                while spare > 1, used.contains(spare) || given.contains(spare) { spare -= 1 }
                id = spare
            }
            guard id > 1 else {
                fail(channel.name, "no VLAN id is free at \(uplink.name)", "delete VLAN devices that nothing uses")
                continue
            }
            used.insert(id)
            steps.append(
                .create(
                    VLANDevice(
                        name: channel.name, parentIndex: uplink.index, vid: id, alias: Self.alias, tagType: .service,
                        address: uplink.address.map { Self.address(uplink: $0, scid: channel.scid) })))
        }
    }

    private mutating func adjust(_ placed: [Placed], _ state: UplinkState, _ uplink: Link) {
        for one in placed {
            let (channel, link) = (one.channel, one.link)
            if !Self.isOwn(link) { steps.append(.mark(channel.name, index: link.index)) }
            // The kernel lowers it together with the uplink's.
            if link.mtu < uplink.mtu { steps.append(.setMTU(channel.name, index: link.index, uplink.mtu)) }
            guard let name = channel.bridge else { continue }
            guard let bridge = state.bridges[name], bridge.kind == "bridge" else {
                fail(
                    channel.name, "there is no bridge \(name)",
                    "create it (ip link add \(name) type bridge), or correct the configuration")
                continue
            }
            if link.masterIndex != bridge.index {
                steps.append(.setMaster(channel.name, index: link.index, bridgeIndex: bridge.index))
            }
        }
    }

    // MARK: Rules

    private static func rules(
        _ channels: [ChannelPlan.Channel], _ placed: [Placed], _ state: UplinkState
    ) -> UplinkRules {
        var rules = UplinkRules()
        for one in placed { if let svid = one.channel.svid { rules.devices[svid] = one.link.vlanID } }
        for channel in channels {
            if let svid = channel.svid, let id = state.departed[channel.name] { rules.devices[svid] = id }
        }
        return rules
    }

    /// - Returns: Whether the rules stand.
    private mutating func settle(_ rules: UplinkRules, _ state: UplinkState, _ uplink: Link) -> Bool {
        switch state.rules {
        case .failed: return false
        case .unknown: steps.append(.readRules(index: uplink.index))
        case .known(let listing):
            if rules.stand(in: listing) { return isForwardingSettled(state) }
            steps.append(.installRules(index: uplink.index, rules))
        }
        return false
    }

    private mutating func isForwardingSettled(_ state: UplinkState) -> Bool {
        guard state.isBridgePort else { return true }
        switch state.forwarding {
        case .present: return true
        case .failed: break
        case .unknown: steps.append(.readForwarding)
        case .absent: steps.append(.installForwarding)
        }
        return false
    }
}
