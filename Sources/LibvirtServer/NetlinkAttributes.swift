internal import EVBWire

// Netlink's own framing, host byte order, read without libnl: what a client sends has to be safe to read octet by octet.

/// A bounds-checked view of netlink octets in host byte order.
struct NetlinkReader {
    private let octets: [UInt8]
    private var position: Int
    private let end: Int

    init(_ octets: [UInt8]) {
        self.octets = octets
        position = 0
        end = octets.count
    }

    private init(_ octets: [UInt8], _ range: Range<Int>) {
        self.octets = octets
        position = range.lowerBound
        end = range.upperBound
    }

    var remaining: Int { end - position }

    /// The next `count` octets, or nil if there are fewer.
    mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= remaining else { return nil }
        defer { position += count }
        return octets[position..<position + count]
    }

    mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(_ type: Value.Type) -> Value? {
        let size = MemoryLayout<Value>.size
        guard size <= remaining else { return nil }
        defer { position += size }
        return octets.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Value.self) }
    }

    /// The next attribute: its type without the flags of nesting and byte order, and its payload.
    ///
    /// - Throws: `MalformedAttributes` when its length is less than its header's or more than is left.
    mutating func attribute() throws(MalformedAttributes) -> (type: UInt16, payload: NetlinkReader)? {
        guard remaining > 0 else { return nil }
        guard let length = integer(UInt16.self), let type = integer(UInt16.self) else { throw MalformedAttributes() }
        let count = Int(length) - 4
        guard count >= 0, count <= remaining else { throw MalformedAttributes() }
        let payload = NetlinkReader(octets, position..<position + count)
        position += min((count + 3) & ~3, remaining)
        return (type & 0x3FFF, payload)
    }

    /// What is left as text up to its first NUL.
    var text: String? {
        let bytes = octets[position..<end].prefix { $0 != 0 }
        return String(validating: bytes, as: UTF8.self)
    }
}

/// Attributes that do not fit into one another.
struct MalformedAttributes: Error, Equatable {}

/// Builds netlink octets in host byte order.
struct NetlinkWriter {
    private(set) var octets: [UInt8] = []

    mutating func integer(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value) { octets.append(contentsOf: $0) }
    }

    /// Appends octets that are laid out as the kernel has them.
    mutating func append(_ octets: Slice<UnsafeRawBufferPointer>) {
        self.octets.append(contentsOf: UnsafeRawBufferPointer(rebasing: octets))
    }

    mutating func bytes(_ value: some Sequence<UInt8>) {
        octets.append(contentsOf: value)
    }

    /// Appends a VSIID's sixteen octets.
    mutating func identifier(_ vsiID: VSIID) {
        integer(vsiID.high.bigEndian)
        integer(vsiID.low.bigEndian)
    }

    /// Appends an attribute whose payload `body` writes, padded to four octets.
    mutating func attribute(_ type: UInt16, _ body: (inout NetlinkWriter) -> Void) {
        let start = octets.count
        integer(UInt16(0))
        integer(type)
        // In place: an answer to a poll has a thousand of them.
        body(&self)
        let length = UInt16(truncatingIfNeeded: octets.count - start)
        withUnsafeBytes(of: length) {
            octets[start] = $0[0]
            octets[start + 1] = $0[1]
        }
        while octets.count % 4 != 0 { octets.append(0) }
    }

    /// A whole message: header, then what `body` writes; `capacity` is how many octets that is about.
    static func message(
        type: UInt16, flags: UInt16 = 0, sequence: UInt32, port: UInt32, capacity: Int = 256,
        _ body: (inout NetlinkWriter) -> Void
    ) -> [UInt8] {
        var message = NetlinkWriter()
        message.octets.reserveCapacity(capacity)
        message.integer(UInt32(0))
        message.integer(type)
        message.integer(flags)
        message.integer(sequence)
        message.integer(port)
        body(&message)
        let length = UInt32(truncatingIfNeeded: message.octets.count)
        message.octets.withUnsafeMutableBytes { $0.storeBytes(of: length, as: UInt32.self) }
        return message.octets
    }
}
