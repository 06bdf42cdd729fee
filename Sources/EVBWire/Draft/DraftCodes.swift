// Codes of the draft that stand for values which the ratified VDP has too, or nearly.

extension VDPCommand {
    /// The command of the draft's mode octet: 0 to 3 in the order of the ratified 1 to 4; nil for any other.
    init?(draftMode: UInt8) {
        guard draftMode < 4 else { return nil }
        self.init(rawValue: draftMode + 1)
    }

    /// The draft's mode octet.
    var draftMode: UInt8 { rawValue - 1 }
}

extension VDPReason {
    /// The draft's 3: no such VSI type ID.
    public static let draftUnusedTypeID = VDPReason(rawValue: 11)
    /// The draft's 4: the VSI type ID is not allowed here.
    public static let draftTypeIDViolation = VDPReason(rawValue: 12)
    /// The draft's 5: the version of the VSI type is not allowed here.
    public static let draftTypeVersionViolation = VDPReason(rawValue: 13)
    /// The draft's 6: station and bridge do not know the same of the VSI.
    public static let draftOutOfSync = VDPReason(rawValue: 14)

    /// The reason of a response octet of the draft; nil beyond 6.
    ///
    /// 0 to 2 mean what they mean in the ratified VDP. 3 to 6 mean something else there, so they are kept as 11 to 14, which
    /// the ratified VDP reserves (802.1Q 41.2.3).
    public init?(draftCode: UInt8) {
        guard draftCode <= 6 else { return nil }
        self.init(rawValue: draftCode <= 2 ? draftCode : draftCode + 8)
    }

    /// The draft's response octet. A ratified reason that the draft lacks becomes the nearest that it has.
    public var draftCode: UInt8 {
        switch self {
        case .success, .invalidFormat, .insufficientResources: rawValue
        case .draftUnusedTypeID, .draftTypeIDViolation, .draftTypeVersionViolation, .draftOutOfSync: rawValue - 8
        case .invalidFilter: VDPReason.invalidFormat.rawValue
        default: VDPReason.insufficientResources.rawValue
        }
    }
}

extension VSIManagerID {
    /// The ID as the draft's one octet, if all the others are zero: the one at the front or the one at the end, wherever
    /// the port puts IDs of one octet.
    public var draftOctet: UInt8? {
        if low == 0, high & 0x00FF_FFFF_FFFF_FFFF == 0 { return UInt8(truncatingIfNeeded: high >> 56) }
        return high == 0 && low <= 0xFF ? UInt8(truncatingIfNeeded: low) : nil
    }

    /// The ID that the draft's one octet stands for.
    public init(draftOctet: UInt8) { self.init(short: draftOctet, placement: .first) }
}
