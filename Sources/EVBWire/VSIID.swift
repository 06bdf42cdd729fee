/// How the 16 octets of a VSIID are to be read (802.1Q 41.2.6).
public struct VSIIDFormat: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let ipv4 = VSIIDFormat(rawValue: 1)
    public static let ipv6 = VSIIDFormat(rawValue: 2)
    public static let mac = VSIIDFormat(rawValue: 3)
    public static let local = VSIIDFormat(rawValue: 4)
    public static let uuid = VSIIDFormat(rawValue: 5)

    /// Reads what ``name`` gives.
    init?(name: Substring) {
        let known: [VSIIDFormat] = [.ipv4, .ipv6, .mac, .local, .uuid]
        if let format = known.first(where: { $0.name == name }) {
            self = format
        } else {
            guard name.hasPrefix("unknown-"), let code = UInt8(name.dropFirst(8)) else { return nil }
            self.init(rawValue: code)
        }
    }

    /// The format's name in commands and in JSON: `ipv4`, `ipv6`, `mac`, `local`, `uuid`, or `unknown-N`.
    public var name: String {
        switch self {
        case .ipv4: "ipv4"
        case .ipv6: "ipv6"
        case .mac: "mac"
        case .local: "local"
        case .uuid: "uuid"
        default: "unknown-\(rawValue)"
        }
    }
}

/// The name of a virtual station interface (802.1Q 41.2.7): a format and 16 octets. Together they are a VSI's only key.
public struct VSIID: Hashable, Sendable {
    // As words of four octets: a table of names has 20 octets of each then, and not 24. The format last: what else a type has of few
    // octets fits beside it.
    @usableFromInline let highWords: Words
    @usableFromInline let lowWords: Words
    public let format: VSIIDFormat

    /// A number of eight octets that can stand at each fourth.
    @usableFromInline struct Words: Hashable, Sendable {
        // In the order of the processor, for which both are one number.
        @usableFromInline let least: UInt32
        @usableFromInline let most: UInt32

        @inlinable init(_ number: UInt64) {
            (least, most) = (UInt32(truncatingIfNeeded: number), UInt32(truncatingIfNeeded: number >> 32))
        }

        @inlinable var number: UInt64 { UInt64(most) << 32 | UInt64(least) }
    }

    /// Octets 0 to 7, big-endian.
    @inlinable public var high: UInt64 { highWords.number }
    /// Octets 8 to 15, big-endian.
    @inlinable public var low: UInt64 { lowWords.number }

    /// Joins a format and sixteen octets given as two numbers.
    @inlinable public init(format: VSIIDFormat, high: UInt64, low: UInt64) {
        self.format = format
        highWords = Words(high)
        lowWords = Words(low)
    }

    @inlinable public static func == (left: VSIID, right: VSIID) -> Bool {
        left.low == right.low && left.high == right.high && left.format == right.format
    }

    /// Joins a format and octets; nil unless there are sixteen.
    public init?(format: VSIIDFormat, octets: some Collection<UInt8>) {
        guard let words = SixteenOctets.words(octets) else { return nil }
        self.init(format: format, high: words.high, low: words.low)
    }

    /// What tables ask for; Swift makes it by SipHash where a type has none.
    public func _rawHashValue(seed: Int) -> Int { KeyedHash.value(high, low, format.rawValue, seed: seed) }

    /// The sixteen octets in the order of transmission.
    public var octets: [UInt8] { SixteenOctets.octets(high: high, low: low) }

    init(from reader: inout ByteReader) throws(WireError) {
        let format = VSIIDFormat(rawValue: try reader.uint8(.associationTLV))
        let high = try reader.uint64(.associationTLV)
        self.init(format: format, high: high, low: try reader.uint64(.associationTLV))
    }

    func write(to writer: inout ByteWriter) {
        writer.uint8(format.rawValue)
        writer.uint64(high)
        writer.uint64(low)
    }
}

extension VSIID: LosslessStringConvertible {
    /// Reads a VSIID as ``description`` writes it: a bare UUID, or `uuid:`, `ipv4:`, `ipv6:`, `mac:` or `local:` and the
    /// name in its usual form, for `local:` 32 hexadecimal digits.
    public init?(_ text: String) {
        // As nearly all are written.
        if let words = SixteenOctets.words(uuid: text.utf8) {
            self.init(format: .uuid, high: words.high, low: words.low)
            return
        }
        let lowercase = text.lowercased()
        guard let colon = lowercase.firstIndex(of: ":") else {
            self.init(uuid: lowercase)
            return
        }
        let name = String(lowercase[lowercase.index(after: colon)...])
        let prefix = lowercase[..<colon]
        // Octets that do not suit their format, and formats without a name of their own, are written as they are.
        if prefix != "uuid", let octets = SixteenOctets.octets(hexadecimal: name) {
            guard let format = VSIIDFormat(name: prefix) else { return nil }
            self.init(format: format, octets: octets)
            return
        }
        switch prefix {
        case "uuid": self.init(uuid: name)
        case "ipv4":
            // 802.1Q leaves the place of four octets in sixteen to be looked up; lldpad takes the mapped form of RFC 4291.
            guard let address = IPAddress.ipv4(name) else { return nil }
            self.init(format: .ipv4, high: 0, low: 0xFFFF_0000_0000 | UInt64(address))
        case "ipv6":
            guard let octets = IPAddress.ipv6(name) else { return nil }
            self.init(format: .ipv6, octets: octets)
        case "mac":
            guard let address = MACAddress(name) else { return nil }
            self.init(format: .mac, high: 0, low: address.rawValue)
        default: return nil
        }
    }

    /// Reads a bare UUID; nil for any other text.
    package init?(uuid text: UnsafeBufferPointer<UInt8>) {
        guard text.count == 36, let words = SixteenOctets.words(uuid: text) else { return nil }
        self.init(format: .uuid, high: words.high, low: words.low)
    }

    private init?(uuid text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map(\.count)
        guard parts == [8, 4, 4, 4, 12] || parts == [32] else { return nil }
        guard let octets = SixteenOctets.octets(hexadecimal: text.filter { $0 != "-" }) else { return nil }
        self.init(format: .uuid, octets: octets)
    }

    /// Octets that the memory for ``writeUUID(to:)`` has at the least.
    package static let uuidMax = 48

    /// Writes a UUID as ``description`` has it.
    ///
    /// - Returns: how many octets were written: 0 for an ID of another format.
    package func writeUUID(to memory: UnsafeMutableBufferPointer<UInt8>) -> Int {
        format == .uuid ? SixteenOctets.writeUUID(high: high, low: low, to: memory) : 0
    }

    public var description: String {
        switch format {
        case .uuid: return SixteenOctets.uuid(high: high, low: low)
        case .mac where high == 0 && low >> 48 == 0: return "mac:\(MACAddress(truncating: low))"
        case .ipv4 where high == 0 && low >> 32 == 0xFFFF:
            return "ipv4:" + octets.suffix(4).map { String($0) }.joined(separator: ".")
        case .ipv6: return "ipv6:" + IPAddress.text(ipv6: octets)
        default: return "\(format.name):" + octets.map(hexadecimal).joined()
        }
    }
}

/// Sixteen octets, which VSIIDs and manager IDs are made of.
enum SixteenOctets {
    static func words(_ octets: some Collection<UInt8>) -> (high: UInt64, low: UInt64)? {
        guard octets.count == 16 else { return nil }
        let words = octets.withContiguousStorageIfAvailable { octets in
            let raw = UnsafeRawBufferPointer(octets)
            return (
                high: UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        if let words { return words }
        let high = octets.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        let low = octets.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
        return (high, low)
    }

    static func octets(high: UInt64, low: UInt64) -> [UInt8] {
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian), Array.init)
    }

    /// Reads exactly 32 hexadecimal digits.
    static func octets(hexadecimal text: String) -> [UInt8]? {
        // ASCII alone: Character.hexDigitValue knows the full-width digits too.
        let digits = text.compactMap { $0.isASCII ? $0.hexDigitValue : nil }
        guard digits.count == 32, text.count == 32 else { return nil }
        return stride(from: 0, to: 32, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    static func uuid(high: UInt64, low: UInt64) -> String {
        HexadecimalText.text(16, separator: "-", after: isUUIDGroupEnd) { place in
            UInt8(truncatingIfNeeded: (place < 8 ? high : low) >> UInt64(56 - 8 * (place % 8)))
        }
    }

    /// Writes the same where it belongs.
    static func writeUUID(high: UInt64, low: UInt64, to memory: UnsafeMutableBufferPointer<UInt8>) -> Int {
        HexadecimalText.write(
            16, separator: "-", after: isUUIDGroupEnd,
            { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - 8 * ($0 % 8))) }, to: memory)
    }

    /// Reads a UUID with its hyphens.
    static func words(uuid text: some Collection<UInt8>) -> (high: UInt64, low: UInt64)? {
        guard text.count == 36 else { return nil }
        return HexadecimalText.value(of: text, octets: 16, separator: "-", after: isUUIDGroupEnd)
    }

    private static func isUUIDGroupEnd(_ place: Int) -> Bool { place == 3 || place == 5 || place == 7 || place == 9 }
}
