// Asks for and changes the filters of tc at a link. libnl's route library has no classic packet filter as a match, so that the
// attributes are put here; Tests/NetlinkTests compares them with those of tc(8).

internal import CLinux
internal import CNetlink
internal import Glibc

/// The clsact discipline of links and the filters there, by synchronous requests over one socket.
///
/// Changes need CAP_NET_ADMIN. For one thread; every method throws `NetlinkError`, of kind `notFound` where the link is not there.
package final class TrafficControl {
    private let requests: RequestSocket

    /// Opens the socket.
    package init() throws(NetlinkError) {
        requests = try RequestSocket()
    }

    /// What stands at a link. Asks for the disciplines of all links, as the kernel has no other answer: one for a single link it sends
    /// to all who listen to news.
    package func listing(index: Int32) throws(NetlinkError) -> TrafficListing {
        let discipline = try discipline(index: index)
        return TrafficListing(discipline: discipline, filters: try filters(index: index))
    }

    /// The filters at both hooks of a link; none where the link has no discipline for them.
    package func filters(index: Int32) throws(NetlinkError) -> [TrafficFilter] {
        var filters: [TrafficFilter] = []
        for hook in TrafficFilter.Hook.allCases {
            var found: [TrafficFilter] = []
            try requests.dump(
                "list the filters of \(Links.name(ofIndex: index))", start: { found = [] },
                request: { Self.message(RTM_GETTFILTER, NLM_F_DUMP, index, parent: hook.parent) },
                reader: { header in if let filter = TrafficFilter(message: header, hook) { found.append(filter) } })
            filters += found
        }
        return filters
    }

    private func discipline(index: Int32) throws(NetlinkError) -> IngressDiscipline {
        var found = IngressDiscipline.none
        try requests.dump(
            "list the disciplines of \(Links.name(ofIndex: index))", start: { found = .none },
            request: { Self.message(RTM_GETQDISC, NLM_F_DUMP, index, parent: 0) },
            reader: { header in
                guard let kind = TrafficFilter.discipline(header, index, Self.disciplineParent) else { return }
                found = kind == "clsact" ? .clsact : .other(kind)
            })
        return found
    }

    /// Gives a link the clsact discipline.
    ///
    /// - Throws: `NetlinkError` of kind `exists` where there is another discipline at ingress.
    package func addDiscipline(index: Int32) throws(NetlinkError) {
        try requests.perform(
            Self.disciplineMessage(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index),
            "add a clsact discipline to \(Links.name(ofIndex: index))")
    }

    /// Takes the clsact discipline of a link away, with all filters there.
    package func removeDiscipline(index: Int32) throws(NetlinkError) {
        try requests.perform(
            Self.disciplineMessage(RTM_DELQDISC, 0, index),
            "remove the clsact discipline of \(Links.name(ofIndex: index))")
    }

    /// Puts a filter in, or in place of the one that has its preference and handle.
    package func put(_ filter: TrafficFilter, index: Int32) throws(NetlinkError) {
        guard let message = Self.addition(of: filter, index: index) else {
            throw NetlinkError(
                operation: "add a filter", kind: .invalid, code: EINVAL, reason: "Not a filter to be put")
        }
        try requests.perform(message, "add filter \(filter.words) of \(Links.name(ofIndex: index))")
    }

    /// Takes a filter away.
    package func remove(_ filter: TrafficFilter, index: Int32) throws(NetlinkError) {
        try requests.perform(
            Self.removal(of: filter, index: index), "remove filter \(filter.words) of \(Links.name(ofIndex: index))")
    }

    // MARK: Messages

    /// TC_H_CLSACT, which is TC_H_INGRESS, and the handle of the discipline there.
    static let disciplineParent: UInt32 = 0xFFFF_FFF1
    private static let disciplineHandle: UInt32 = 0xFFFF_0000

    private static func message(
        _ type: Int, _ flags: Int32, _ index: Int32, parent: UInt32, handle: UInt32 = 0, info: UInt32 = 0
    ) -> LinkMessage {
        var traffic = tcmsg()
        traffic.tcm_ifindex = index
        traffic.tcm_parent = parent
        traffic.tcm_handle = handle
        traffic.tcm_info = info
        return LinkMessage(type: type, flags: flags, traffic: traffic)
    }

    static func disciplineMessage(_ type: Int, _ flags: Int32, _ index: Int32) -> LinkMessage {
        let message = message(type, flags, index, parent: disciplineParent, handle: disciplineHandle)
        message.put(Int(TCA_KIND), "clsact")
        return message
    }

    private static func filterMessage(_ type: Int, _ flags: Int32, _ index: Int32, _ filter: TrafficFilter)
        -> LinkMessage
    {
        let info = UInt32(filter.preference) << 16 | UInt32(filter.etherType.bigEndian)
        let message = message(
            type, flags, index, parent: filter.hook.parent, handle: filter.handle, info: info)
        message.put(Int(TCA_KIND), filter.kind)
        return message
    }

    static func addition(of filter: TrafficFilter, index: Int32) -> LinkMessage? {
        guard filter.match != .other, filter.action != .other else { return nil }
        let message = filterMessage(RTM_NEWTFILTER, NLM_F_CREATE, index, filter)
        message.nest(Int(TCA_OPTIONS)) {
            switch filter.match {
            case .program(let instructions):
                message.nest(Int(TCA_BPF_ACT)) { put(filter.action, message) }
                message.put(Int(TCA_BPF_OPS_LEN), UInt16(truncatingIfNeeded: instructions.count))
                message.put(Int(TCA_BPF_OPS), TrafficFilter.octets(of: instructions))
                message.put(Int(TCA_BPF_FLAGS_GEN), UInt32(TCA_CLS_FLAGS_SKIP_HW))
            case .serviceVLAN(let vlan):
                message.put(Int(TCA_FLOWER_KEY_VLAN_ID), vlan)
                message.nest(Int(TCA_FLOWER_ACT)) { put(filter.action, message) }
                // In software: what a card does in its place depends on the card.
                message.put(Int(TCA_FLOWER_FLAGS), UInt32(TCA_CLS_FLAGS_SKIP_HW))
                message.put(Int(TCA_FLOWER_KEY_ETH_TYPE), filter.etherType.bigEndian)
            case .other: break
            }
        }
        return message
    }

    static func removal(of filter: TrafficFilter, index: Int32) -> LinkMessage {
        filterMessage(RTM_DELTFILTER, 0, index, filter)
    }

    private static func put(_ action: TrafficFilter.Action, _ message: borrowing LinkMessage) {
        let pointer = message.pointer
        // The first action of the list.
        let first = nla_nest_start(pointer, 1)
        switch action {
        case .drop, .other:
            var drop = tc_gact()
            drop.action = TrafficFilter.Verdict.drop
            message.put(Int(TCA_ACT_KIND), "gact")
            message.nest(Int(TCA_ACT_OPTIONS)) { put(Int(TCA_GACT_PARMS), &drop, message) }
        case .removeTag, .setServiceVLAN:
            var change = tc_vlan()
            change.action = TrafficFilter.Verdict.next
            change.v_action = action == .removeTag ? TCA_VLAN_ACT_POP : TCA_VLAN_ACT_MODIFY
            message.put(Int(TCA_ACT_KIND), "vlan")
            message.nest(Int(TCA_ACT_OPTIONS)) {
                put(Int(TCA_VLAN_PARMS), &change, message)
                guard case .setServiceVLAN(let vlan) = action else { return }
                message.put(Int(TCA_VLAN_PUSH_VLAN_ID), vlan)
                message.put(Int(TCA_VLAN_PUSH_VLAN_PROTOCOL), VLANTagType.service.rawValue.bigEndian)
            }
        }
        nla_nest_end(pointer, first)
    }

    private static func put<Value: BitwiseCopyable>(_ type: Int, _ value: inout Value, _ message: borrowing LinkMessage)
    {
        nla_put(message.pointer, Int32(type), Int32(MemoryLayout<Value>.size), &value)
    }
}

extension TrafficFilter.Hook {
    /// TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) and the same of TC_H_MIN_EGRESS.
    var parent: UInt32 { self == .ingress ? 0xFFFF_FFF2 : 0xFFFF_FFF3 }
}

extension TrafficFilter {
    /// TC_ACT_SHOT and TC_ACT_UNSPEC, with which the next filter has its turn.
    enum Verdict {
        static let drop: Int32 = 2
        static let next: Int32 = -1
    }

    /// ETH_P_ALL for a program, which looks for itself: Linux 6.1 says protocol 0 of what a packet socket sends on a macvlan.
    var etherType: UInt16 { if case .program = match { 3 } else { VLANTagType.service.rawValue } }

    var kind: String { if case .program = match { "bpf" } else { "flower" } }

    var words: String { "\(kind) 0x\(String(handle, radix: 16)) at \(hook)" }

    static func octets(of instructions: [FilterInstruction]) -> [UInt8] {
        instructions.flatMap { one in
            withUnsafeBytes(of: one.code) { Array($0) } + [one.ifTrue, one.ifFalse]
                + withUnsafeBytes(of: one.value) { Array($0) }
        }
    }

    /// The kind of discipline that an RTM_NEWQDISC message tells of; nil for another message, link or parent.
    static func discipline(_ header: UnsafeMutablePointer<nlmsghdr>, _ index: Int32, _ parent: UInt32) -> String? {
        guard let attributes = attributes(header, RTM_NEWQDISC), let payload = nlmsg_data(header) else { return nil }
        let traffic = payload.loadUnaligned(as: tcmsg.self)
        guard traffic.tcm_ifindex == index, traffic.tcm_parent == parent else { return nil }
        var kind: String?
        attributes.forEach { if $0.type == Int(TCA_KIND) { kind = $0.string } }
        return kind
    }

    private static func attributes(_ header: UnsafeMutablePointer<nlmsghdr>, _ type: Int) -> Attributes? {
        let length = Int32(MemoryLayout<tcmsg>.size)
        guard Int(header.pointee.nlmsg_type) == type, nlmsg_valid_hdr(header, length) != 0 else { return nil }
        return Attributes(first: nlmsg_attrdata(header, length), length: nlmsg_attrlen(header, length))
    }

    /// Reads an RTM_NEWTFILTER message; nil for another, and for one that stands for all filters of a preference.
    init?(message header: UnsafeMutablePointer<nlmsghdr>, _ hook: Hook) {
        guard let attributes = Self.attributes(header, RTM_NEWTFILTER), let payload = nlmsg_data(header) else {
            return nil
        }
        let traffic = payload.loadUnaligned(as: tcmsg.self)
        guard traffic.tcm_handle != 0 else { return nil }
        self.init(
            hook: hook, preference: UInt16(truncatingIfNeeded: traffic.tcm_info >> 16), handle: traffic.tcm_handle,
            match: .other, action: .other)
        let etherType = UInt16(bigEndian: UInt16(truncatingIfNeeded: traffic.tcm_info))
        var kind = ""
        var isInFirstChain = true
        attributes.forEach { attribute in
            switch attribute.type {
            case Int(TCA_KIND): kind = attribute.string
            case Int(TCA_CHAIN): isInFirstChain = attribute.uint32 == 0
            case Int(TCA_OPTIONS) where kind == "bpf": takeProgram(attribute.nested)
            case Int(TCA_OPTIONS) where kind == "flower": takeKey(attribute.nested)
            default: break
            }
        }
        guard isInFirstChain, etherType == self.etherType else {
            match = .other
            return
        }
    }

    private mutating func takeProgram(_ attributes: Attributes) {
        attributes.forEach { attribute in
            switch attribute.type {
            case Int(TCA_BPF_OPS):
                let octets = attribute.octets
                match = .program(
                    stride(from: 0, to: octets.count & ~7, by: 8).map { start in
                        FilterInstruction(
                            octets.loadUnaligned(fromByteOffset: start, as: UInt16.self),
                            octets.loadUnaligned(fromByteOffset: start + 4, as: UInt32.self),
                            ifTrue: octets[start + 2], ifFalse: octets[start + 3])
                    })
            case Int(TCA_BPF_ACT): takeActions(attribute.nested)
            default: break
            }
        }
    }

    private mutating func takeKey(_ attributes: Attributes) {
        var isForeign = false
        attributes.forEach { attribute in
            switch attribute.type {
            case Int(TCA_FLOWER_KEY_VLAN_ID): match = attribute.uint16.map { .serviceVLAN($0) } ?? .other
            case Int(TCA_FLOWER_ACT): takeActions(attribute.nested)
            case Int(TCA_FLOWER_KEY_ETH_TYPE), Int(TCA_FLOWER_FLAGS), Int(TCA_FLOWER_IN_HW_COUNT): break
            default: isForeign = true
            }
        }
        if isForeign { match = .other }
    }

    private mutating func takeActions(_ attributes: Attributes) {
        var actions: [Action] = []
        attributes.forEach { actions.append(Self.action($0.nested)) }
        action = actions.count == 1 ? actions[0] : .other
    }

    private static func action(_ attributes: Attributes) -> Action {
        var (kind, action) = ("", Action.other)
        attributes.forEach { attribute in
            switch attribute.type {
            case Int(TCA_ACT_KIND): kind = attribute.string
            case Int(TCA_ACT_OPTIONS) where kind == "gact":
                attribute.nested.forEach { detail in
                    guard detail.type == Int(TCA_GACT_PARMS), detail.octets.count >= MemoryLayout<tc_gact>.size else {
                        return
                    }
                    let isDrop = detail.octets.loadUnaligned(as: tc_gact.self).action == Verdict.drop
                    action = isDrop ? .drop : .other
                }
            case Int(TCA_ACT_OPTIONS) where kind == "vlan": action = tagAction(attribute.nested)
            default: break
            }
        }
        return action
    }

    private static func tagAction(_ attributes: Attributes) -> Action {
        var change: tc_vlan?
        var (vlan, tagType): (UInt16?, UInt16?)
        attributes.forEach { detail in
            switch detail.type {
            case Int(TCA_VLAN_PARMS) where detail.octets.count >= MemoryLayout<tc_vlan>.size:
                change = detail.octets.loadUnaligned(as: tc_vlan.self)
            case Int(TCA_VLAN_PUSH_VLAN_ID): vlan = detail.uint16
            case Int(TCA_VLAN_PUSH_VLAN_PROTOCOL): tagType = detail.uint16.map(UInt16.init(bigEndian:))
            default: break
            }
        }
        switch (change?.v_action, change?.action) {
        case (TCA_VLAN_ACT_POP, Verdict.next): return .removeTag
        case (TCA_VLAN_ACT_MODIFY, Verdict.next) where tagType == VLANTagType.service.rawValue:
            return vlan.map { .setServiceVLAN($0) } ?? .other
        default: return .other
        }
    }
}
