/// SCID: the number by which a station names an S-channel, 12 bits. 0 is reserved; 1 is the default channel, which has no S-tag.
public struct SCID: Hashable, Comparable, Sendable {
    public let rawValue: UInt16

    /// Takes the low 12 bits of `value`.
    public init(_ value: UInt16) { rawValue = value & 0x0FFF }

    /// The channel that is always there.
    public static let `default` = SCID(1)
    /// The numbers that a station gives to its other channels (42.4); what a peer uses may be larger.
    public static let own: ClosedRange<UInt16> = 2...167

    public static func < (left: SCID, right: SCID) -> Bool { left.rawValue < right.rawValue }
}

/// SVID: the VLAN ID in the S-tag of an S-channel, 12 bits.
public struct SVID: Hashable, Comparable, Sendable {
    public let rawValue: UInt16

    /// Takes the low 12 bits of `value`.
    public init(_ value: UInt16) { rawValue = value & 0x0FFF }

    /// None yet: a station asks the bridge to choose one.
    public static let unassigned = SVID(0)
    /// The default channel's, whose frames leave without a tag.
    public static let `default` = SVID(1)
    /// What a bridge may assign.
    public static let assignable: ClosedRange<UInt16> = 2...4094

    /// Whether a channel other than the default one may have it.
    public var isAssignable: Bool { Self.assignable.contains(rawValue) }

    public static func < (left: SVID, right: SVID) -> Bool { left.rawValue < right.rawValue }
}

/// An S-channel as CDCP names it: which one, and the S-tag of its frames.
public struct SChannelPair: Hashable, Sendable {
    public var scid: SCID
    public var svid: SVID

    /// Joins the two numbers.
    public init(_ scid: SCID, _ svid: SVID) {
        self.scid = scid
        self.svid = svid
    }

    /// The first pair of every CDCP TLV.
    public static let `default` = SChannelPair(.default, .default)
}

extension SCID: CustomStringConvertible {
    public var description: String { "\(rawValue)" }
}

extension SVID: CustomStringConvertible {
    public var description: String { "\(rawValue)" }
}

extension SChannelPair: CustomStringConvertible {
    public var description: String { "(\(scid),\(svid))" }
}
