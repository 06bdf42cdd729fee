// The rules of an uplink, pure: which S-tags it takes and sends. All of them stand at the uplink itself:
//
// ingress  guard      drops S-tags of no channel, and any second S-tag behind one (rules G1 and G3)
//          priority   takes an S-tag without a VLAN off
//          one for each channel whose device has another VLAN id than the cable: SVID -> id
// egress   guard      drops S-tags in the octets, which are a machine's own: a channel device's tag is beside the frame until the card
//                     has it (rule G2, for macvlans in containers too); and tags beside a frame that are no channel device's
//          one for each such channel: id -> SVID
//
// A guard is one program, so that it changes as a whole. Filters of others stand before and behind as they like: only dropped frames
// are not shown to the later ones.

package import Netlink

/// What S-tags an uplink takes and sends.
package struct UplinkRules: Hashable, Sendable {
    /// The VLAN on the cable -> the VLAN id of the channel's device.
    package var devices: [UInt16: UInt16]

    package init(devices: [UInt16: UInt16] = [:]) { self.devices = devices }

    /// Turns of the filters. Few others stand before 3, and of what does 1 and 2 are for the administrator to take.
    package static let guardPreference: UInt16 = 3
    package static let translationPreference: UInt16 = 4
    /// The upper half of the handles of evbd's filters: the letters EV.
    static let handles: UInt32 = 0x4556_0000
    /// The handle of a guard says whether evbd has made the discipline that it stands in: that goes with the last rule then.
    static let guardOfOwnDiscipline = handles | 0xE002
    static let guardOfOthersDiscipline = handles | 0xE001

    /// Whether a filter is evbd's.
    package static func isOwn(_ filter: TrafficFilter) -> Bool {
        filter.handle & 0xFFFF_0000 == handles
            && (filter.preference == guardPreference || filter.preference == translationPreference)
    }

    /// Whether a listing lacks a filter of evbd's that an earlier one has.
    static func isPoorer(_ listing: TrafficListing, than last: TrafficListing) -> Bool {
        last.filters.contains { isOwn($0) && !listing.filters.contains($0) }
    }

    /// All filters of these rules.
    package func filters(guardHandle: UInt32) -> [TrafficFilter] {
        [guardFilter(.ingress, devices.keys, guardHandle), guardFilter(.egress, devices.values, guardHandle)]
            + translations
    }

    private func guardFilter(
        _ hook: TrafficFilter.Hook, _ allowed: some Collection<UInt16>, _ handle: UInt32
    ) -> TrafficFilter {
        let program = hook == .ingress ? TagProgram.ingress(allowed) : TagProgram.egress(allowed)
        return TrafficFilter(
            hook: hook, preference: Self.guardPreference, handle: handle, match: .program(program), action: .drop)
    }

    private var translations: [TrafficFilter] {
        let pairs = devices.filter { $0.key != $0.value }.sorted { $0.key < $1.key }
        return [Self.translation(.ingress, 0, .removeTag)]
            + pairs.map { Self.translation(.ingress, $0.key, .setServiceVLAN($0.value)) }
            + pairs.map { Self.translation(.egress, $0.value, .setServiceVLAN($0.key)) }
    }

    private static func translation(
        _ hook: TrafficFilter.Hook, _ vlan: UInt16, _ action: TrafficFilter.Action
    ) -> TrafficFilter {
        TrafficFilter(
            hook: hook, preference: translationPreference, handle: handles | UInt32(vlan), match: .serviceVLAN(vlan),
            action: action)
    }

    // MARK: Changes

    package enum Change: Equatable, Sendable {
        case addDiscipline
        case put(TrafficFilter)
        case remove(TrafficFilter)
        case removeDiscipline
    }

    private struct Slot: Hashable {
        let hook: TrafficFilter.Hook
        let preference: UInt16
        let handle: UInt32

        init(_ filter: TrafficFilter) {
            (hook, preference, handle) = (filter.hook, filter.preference, filter.handle)
        }
    }

    /// Whether the rules stand, and no other rule of evbd's.
    package func stand(in listing: TrafficListing) -> Bool { changes(from: listing).isEmpty }

    /// What makes a listing have these rules, in its order. No frame goes into a wrong channel meanwhile: what a guard lets through
    /// is only what is the same before and after, until all translations are as they are to be.
    package func changes(from listing: TrafficListing) -> [Change] {
        let own = listing.filters.filter(Self.isOwn)
        let hasOwnDiscipline =
            listing.discipline == .none || own.contains { $0.handle == Self.guardOfOwnDiscipline }
        let handle = hasOwnDiscipline ? Self.guardOfOwnDiscipline : Self.guardOfOthersDiscipline
        let wanted = filters(guardHandle: handle)
        let present = Dictionary(own.map { (Slot($0), $0) }) { first, _ in first }
        let slots = Set(wanted.map { Slot($0) })
        let stale = own.filter { !slots.contains(Slot($0)) }
        let isGuard = { (filter: TrafficFilter) in filter.preference == Self.guardPreference }
        let missing = wanted.filter { !isGuard($0) && present[Slot($0)] != $0 }

        var changes: [Change] = listing.discipline == .none ? [.addDiscipline] : []
        var guards = present
        let isTranslating = !missing.isEmpty || stale.contains { !isGuard($0) }
        if isTranslating {
            let kept = UplinkRules(devices: devices.filter { isUnchanged($0, missing, stale, present) })
            for narrow in kept.filters(guardHandle: handle) where isGuard(narrow) && guards[Slot(narrow)] != narrow {
                changes.append(.put(narrow))
                guards[Slot(narrow)] = narrow
            }
        }
        changes += stale.map { .remove($0) } + missing.map { .put($0) }
        changes += wanted.filter { isGuard($0) && guards[Slot($0)] != $0 }.map { .put($0) }
        return changes
    }

    /// Whether a channel's frames go the same way before the change, during it and after it.
    private func isUnchanged(
        _ pair: (key: UInt16, value: UInt16), _ missing: [TrafficFilter], _ stale: [TrafficFilter],
        _ present: [Slot: TrafficFilter]
    ) -> Bool {
        let (svid, id) = pair
        return !(missing + stale).contains { filter in
            filter.preference == Self.translationPreference
                && filter.handle == Self.handles | UInt32(filter.hook == .ingress ? svid : id)
        }
    }

    /// What takes all rules of evbd's back. A discipline that evbd has made goes too, unless another program uses it by now.
    package static func removal(from listing: TrafficListing) -> [Change] {
        let own = listing.filters.filter(isOwn)
        guard !own.isEmpty else { return [] }
        let isAlone = own.count == listing.filters.count
        if isAlone, own.contains(where: { $0.handle == guardOfOwnDiscipline }) { return [.removeDiscipline] }
        // The guards last: a translation alone leads into wrong channels.
        return own.sorted { $0.preference > $1.preference }.map { .remove($0) }
    }
}

/// Programs of the classic packet filter that say which frames to drop.
enum TagProgram {
    // BPF_LD with BPF_W and BPF_H, BPF_ABS; BPF_ALU|BPF_AND|BPF_K; BPF_JMP|BPF_JEQ|BPF_K; BPF_RET|BPF_K.
    private static let (loadWord, loadHalf): (UInt16, UInt16) = (0x20, 0x28)
    private static let (and, equal, end): (UInt16, UInt16, UInt16) = (0x54, 0x15, 0x06)
    /// SKF_AD_OFF with SKF_AD_VLAN_TAG, SKF_AD_VLAN_TAG_PRESENT and SKF_AD_VLAN_TPID: the tag beside the frame.
    private static let (tag, tagPresent, tagType): (UInt32, UInt32, UInt32) = (0xFFFF_F02C, 0xFFFF_F030, 0xFFFF_F03C)
    private static let typeOffset: UInt32 = 12
    private static let service = UInt32(VLANTagType.service.rawValue)

    /// Drops an S-tag whose VLAN is neither 0 nor allowed, and what has a second S-tag.
    static func ingress(_ allowed: some Collection<UInt16>) -> [FilterInstruction] {
        let vlans = [0] + allowed.sorted()
        let count = UInt8(truncatingIfNeeded: vlans.count)
        return [
            FilterInstruction(loadWord, tagPresent),
            FilterInstruction(equal, 0, ifTrue: count &+ 7),
            FilterInstruction(loadWord, tagType),
            FilterInstruction(equal, service, ifFalse: count &+ 5),
            FilterInstruction(loadHalf, typeOffset),
            FilterInstruction(equal, service, ifTrue: count &+ 2),
        ] + dropUnless(vlans)
    }

    /// Drops an S-tag in the octets, and one beside the frame whose VLAN is not allowed.
    static func egress(_ allowed: some Collection<UInt16>) -> [FilterInstruction] {
        let vlans = allowed.sorted()
        let count = UInt8(truncatingIfNeeded: vlans.count)
        return [
            FilterInstruction(loadHalf, typeOffset),
            FilterInstruction(equal, service, ifTrue: count &+ 6),
            FilterInstruction(loadWord, tagPresent),
            FilterInstruction(equal, 0, ifTrue: count &+ 5),
            FilterInstruction(loadWord, tagType),
            FilterInstruction(equal, service, ifFalse: count &+ 3),
        ] + dropUnless(vlans)
    }

    private static func dropUnless(_ vlans: [UInt16]) -> [FilterInstruction] {
        [FilterInstruction(loadWord, tag), FilterInstruction(and, 0x0FFF)]
            + vlans.enumerated().map { position, vlan in
                FilterInstruction(equal, UInt32(vlan), ifTrue: UInt8(truncatingIfNeeded: vlans.count - position))
            } + [FilterInstruction(end, .max), FilterInstruction(end, 0)]
    }
}
