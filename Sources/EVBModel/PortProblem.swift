public import JSON

/// Something that is wrong on a port now, and that an operator has to put right.
public struct PortProblem: Codable, Sendable, Equatable {
    /// What is wrong.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// Stations on two ports keep one VSI alive.
        case vsiContest = "vsi-contest"
        /// A VSI asks for an address that another VSI holds.
        case addressConflict = "address-conflict"
        /// The bridge reflects frames to a station that relays between its machines itself, and does not ask for that.
        case reflectsUnasked = "reflects-unasked"
        /// The bridge reflects frames into the Linux bridge or Open vSwitch that a station's port is in.
        case reflectsIntoBridge = "reflects-into-bridge"
        /// Another program speaks LLDP under the peer's name and address.
        case secondLLDPSpeaker = "second-lldp-speaker"
    }

    /// What is wrong.
    public var kind: Kind
    /// The VSI that is asked for; nil where it is about no VSI.
    @Nullable public var vsiID: String?
    /// The other port of a contest, or the port of the VSI that holds the address; nil where there is none.
    @Nullable public var otherPort: String?
    /// The VSI that holds the address; nil in a contest.
    @Nullable public var otherVSIID: String?
    /// The address; nil in a contest.
    @Nullable public var address: String?
    /// What is wrong, for people.
    public var message: String
    /// What to do about it.
    public var hint: String

    /// Makes a problem.
    public init(
        kind: Kind, vsiID: String? = nil, otherPort: String? = nil, otherVSIID: String? = nil, address: String? = nil,
        message: String, hint: String
    ) {
        self.kind = kind
        self._vsiID = Nullable(wrappedValue: vsiID)
        self._otherPort = Nullable(wrappedValue: otherPort)
        self._otherVSIID = Nullable(wrappedValue: otherVSIID)
        self._address = Nullable(wrappedValue: address)
        self.message = message
        self.hint = hint
    }
}
