// Filters of tc at a link, as values: what S-tags a link takes and sends, and what they are changed to. `TrafficControl` puts
// them there and reads them back.

/// A filter at the clsact discipline of a link.
package struct TrafficFilter: Sendable, Hashable {
    /// Which frames of the link the filter sees.
    package enum Hook: Sendable, Hashable, CaseIterable {
        /// Received frames, before VLAN devices, macvlans and bridges get them.
        case ingress
        /// Frames that leave, those of VLAN devices and macvlans on the link too.
        case egress
    }

    /// Which frames are meant.
    package enum Match: Sendable, Hashable {
        /// Those for which a program of the classic packet filter returns something else than 0.
        case program([FilterInstruction])
        /// Those whose outermost tag is an S-tag with this VLAN.
        case serviceVLAN(UInt16)
        /// Another kind of match, or one that could not be read.
        case other
    }

    /// What becomes of such a frame.
    package enum Action: Sendable, Hashable {
        case drop
        /// The tag is taken off; later filters see the frame too.
        case removeTag
        /// The S-tag gets another VLAN, and keeps its priority; later filters see the frame too.
        case setServiceVLAN(UInt16)
        /// Another action, or one that could not be read.
        case other
    }

    package var hook: Hook
    /// The filter's turn: the lowest number is first.
    package var preference: UInt16
    /// The filter's number among those of the same preference; not 0.
    package var handle: UInt32
    package var match: Match
    package var action: Action

    package init(hook: Hook, preference: UInt16, handle: UInt32, match: Match, action: Action) {
        self.hook = hook
        self.preference = preference
        self.handle = handle
        self.match = match
        self.action = action
    }
}

/// An instruction of the classic packet filter, as `struct sock_filter`.
package struct FilterInstruction: Sendable, Hashable {
    package var code: UInt16
    package var ifTrue: UInt8
    package var ifFalse: UInt8
    package var value: UInt32

    package init(_ code: UInt16, _ value: UInt32, ifTrue: UInt8 = 0, ifFalse: UInt8 = 0) {
        self.code = code
        self.ifTrue = ifTrue
        self.ifFalse = ifFalse
        self.value = value
    }
}

/// The discipline at the ingress hook of a link. There is at most one.
package enum IngressDiscipline: Sendable, Hashable {
    case none
    /// Has filters for both hooks.
    case clsact
    /// Another one, which has no filters for frames that leave.
    case other(String)
}

/// What the kernel has at a link.
package struct TrafficListing: Sendable, Equatable {
    package var discipline: IngressDiscipline
    /// All filters at both hooks, in their order, those of other programs among them.
    package var filters: [TrafficFilter]

    package init(discipline: IngressDiscipline = .none, filters: [TrafficFilter] = []) {
        self.discipline = discipline
        self.filters = filters
    }
}
