/// The shape of a filter's entries (802.1Q 41.2.8).
public enum FilterFormat: UInt8, Sendable, Hashable, CaseIterable {
    case vid = 1
    case macVID = 2
    case groupVID = 3
    case groupMACVID = 4

    /// Octets of one entry.
    public var entryLength: Int {
        switch self {
        case .vid: 2
        case .macVID: 8
        case .groupVID: 6
        case .groupMACVID: 12
        }
    }

    /// The most entries that fit the nine bits of length of one TLV.
    public var entriesMax: Int {
        (TLVHeader.lengthMax - VSITLV.fixedLength) / entryLength
    }

    /// Whether entries carry a MAC address.
    public var hasMACAddress: Bool { self == .macVID || self == .groupMACVID }

    /// Whether entries carry a group ID, which both sides must be capable of (BGID and SGID).
    public var hasGroupID: Bool { self == .groupVID || self == .groupMACVID }

    /// The format for entries of a given shape.
    public init(hasMACAddress: Bool, hasGroupID: Bool) {
        self =
            switch (hasMACAddress, hasGroupID) {
            case (false, false): .vid
            case (true, false): .macVID
            case (false, true): .groupVID
            case (true, true): .groupMACVID
            }
    }
}

/// One entry of a VSI's filter: which of its frames, in which VLAN.
///
/// There are tens of thousands: it has two octets more than on the wire.
public struct FilterEntry: Hashable, Sendable {
    private var group: UInt32 = 0
    private var addressLow: UInt32 = 0
    private var addressHigh: UInt16 = 0
    /// The VLAN, 0 to 4095. 0, the null VID, asks the bridge to fill in the VLAN of the VSI's type.
    public var vid: UInt16
    private var priority: UInt8
    private var shape: FilterFormat

    /// A priority of which the PS bit says that none is meant.
    private static let noPriority = UInt8.max

    /// Joins the fields of an entry; values beyond a field's bits lose their high bits.
    public init(vid: UInt16, pcp: UInt8? = nil, macAddress: MACAddress? = nil, groupID: UInt32? = nil) {
        self.vid = vid & 0x0FFF
        priority = pcp.map { $0 & 0x07 } ?? Self.noPriority
        shape = FilterFormat(hasMACAddress: macAddress != nil, hasGroupID: groupID != nil)
        set(macAddress)
        group = groupID ?? 0
    }

    /// The source MAC address of the VSI's frames, in the formats that carry one.
    public var macAddress: MACAddress? {
        get { shape.hasMACAddress ? MACAddress(truncating: UInt64(addressHigh) << 32 | UInt64(addressLow)) : nil }
        set {
            shape = FilterFormat(hasMACAddress: newValue != nil, hasGroupID: shape.hasGroupID)
            set(newValue)
        }
    }

    /// The group ID, in the formats that carry one.
    public var groupID: UInt32? {
        get { shape.hasGroupID ? group : nil }
        set {
            shape = FilterFormat(hasMACAddress: shape.hasMACAddress, hasGroupID: newValue != nil)
            group = newValue ?? 0
        }
    }

    /// The default priority code point, 0 to 7; nil when the PS bit says that none is meant.
    public var pcp: UInt8? {
        get { priority == Self.noPriority ? nil : priority }
        set { priority = newValue.map { $0 & 0x07 } ?? Self.noPriority }
    }

    private mutating func set(_ address: MACAddress?) {
        let value = address?.rawValue ?? 0
        addressLow = UInt32(truncatingIfNeeded: value)
        addressHigh = UInt16(truncatingIfNeeded: value >> 32)
    }

    fileprivate init(format: FilterFormat, from reader: inout ByteReader) throws(WireError) {
        let group = format.hasGroupID ? try reader.uint32(.filterInfo) : nil
        let address = format.hasMACAddress ? try reader.macAddress(.filterInfo) : nil
        let word = try reader.uint16(.filterInfo)
        let pcp = word & 0x8000 != 0 ? UInt8(truncatingIfNeeded: word >> 12 & 0x07) : nil
        self.init(vid: word, pcp: pcp, macAddress: address, groupID: group)
    }

    func write(format: FilterFormat, to writer: inout ByteWriter) {
        if format.hasGroupID { writer.uint32(groupID ?? 0) }
        if format.hasMACAddress { writer.macAddress(macAddress ?? MACAddress(truncating: 0)) }
        writer.uint16(vid & 0x0FFF | (pcp.map { 0x8000 | UInt16($0 & 0x07) << 12 } ?? 0))
    }
}

/// A VSI's filter (802.1Q 41.2.9): entries of one format.
public struct FilterInfo: Hashable, Sendable {
    public let entries: FilterEntries
    public let format: FilterFormat

    /// Why entries make no filter.
    public enum Mistake: Error, Equatable, Sendable {
        case noEntries
        case tooManyEntries(most: Int)
        /// Some entries have a MAC address or a group ID and others have none.
        case mixedFormats
        case vidOutOfRange(UInt16)
        case notIndividual(MACAddress)
        /// Format 1 allows the null VID as the only entry alone.
        case nullVIDNotAlone
        case doubled(FilterEntry)
    }

    /// Checks entries that a person or a program asks for, and finds their format.
    ///
    /// - Throws: what the standard does not allow: VID 4095, group addresses, a null VID beside others without MAC
    ///   addresses, more than one TLV can hold.
    public init(checking entries: [FilterEntry]) throws(Mistake) {
        guard let first = entries.first else { throw .noEntries }
        let format = FilterFormat(hasMACAddress: first.macAddress != nil, hasGroupID: first.groupID != nil)
        self.init(format: format, entries: entries)
        try check()
    }

    /// The same of a single entry, as nearly all filters have.
    package init(checking entry: FilterEntry) throws(Mistake) {
        format = FilterFormat(hasMACAddress: entry.macAddress != nil, hasGroupID: entry.groupID != nil)
        entries = FilterEntries(only: entry)
        try check()
    }

    /// Checks the entries, which may have come from a frame.
    ///
    /// - Throws: what ``init(checking:)`` throws.
    public func check() throws(Mistake) {
        guard !entries.isEmpty else { throw .noEntries }
        guard entries.count <= format.entriesMax else { throw .tooManyEntries(most: format.entriesMax) }
        var seen: Set<FilterEntry> = []
        for entry in entries {
            guard (entry.macAddress != nil) == format.hasMACAddress, (entry.groupID != nil) == format.hasGroupID else {
                throw .mixedFormats
            }
            guard entry.vid < 0x0FFF else { throw .vidOutOfRange(entry.vid) }
            if let address = entry.macAddress, !address.isIndividual { throw .notIndividual(address) }
            if format == .vid, entry.vid == 0, entries.count > 1 { throw .nullVIDNotAlone }
            guard entries.count == 1 || seen.insert(entry).inserted else { throw .doubled(entry) }
        }
    }

    /// Joins what was read from a frame, unchecked.
    init(format: FilterFormat, entries: [FilterEntry]) {
        self.format = format
        self.entries = FilterEntries(entries)
    }

    /// A filter of one entry that has neither a MAC address nor a group ID.
    package init(_ entry: FilterEntry) { self.init(format: .vid, entries: [entry]) }

    /// Octets of the entries in a TLV.
    var entriesLength: Int { entries.count * format.entryLength }

    /// Whether an entry asks the bridge for a VLAN.
    public var asksForVID: Bool { entries.contains { $0.vid == 0 } }

    /// Reads format, count and entries, which must fill what is left of the TLV exactly.
    init(from reader: inout ByteReader) throws(WireError) {
        let code = try reader.uint8(.filterInfo)
        guard let format = FilterFormat(rawValue: code) else { throw .unknownValue(.filterInfo, Int(code)) }
        let count = Int(try reader.uint16(.filterInfo))
        guard count * format.entryLength == reader.remaining else { throw .badLength(.filterInfo, reader.remaining) }
        self.format = format
        entries = try FilterEntries(count) { () throws(WireError) in try FilterEntry(format: format, from: &reader) }
    }

    func write(to writer: inout ByteWriter) {
        writer.uint8(format.rawValue)
        writer.uint16(UInt16(truncatingIfNeeded: entries.count))
        for entry in entries { entry.write(format: format, to: &writer) }
    }
}
