/// A bounds-checked cursor over octets that came from a wire.
///
/// This file is the only place in `EVBWire` that touches memory by address. Every read but ``rest()`` goes through
/// ``take(_:_:)``, which compares with what is left before anything is loaded, so a length that a peer chose can end in a ``WireError``
/// and in nothing else. A nested structure is read through ``child(_:_:)``, whose reads cannot leave it.
///
/// The reader borrows the caller's buffer and must not outlive it.
struct ByteReader {
    private let octets: UnsafeRawBufferPointer
    private var position: Int
    private let end: Int

    /// Reads all of `octets`.
    init(_ octets: UnsafeRawBufferPointer) {
        self.init(octets, position: 0, end: octets.count)
    }

    private init(_ octets: UnsafeRawBufferPointer, position: Int, end: Int) {
        self.octets = octets
        self.position = position
        self.end = end
    }

    /// How many octets are left.
    var remaining: Int { end - position }

    /// Steps over `count` octets and gives the index of the first, or fails if fewer are left.
    private mutating func take(_ count: Int, _ field: WireField) throws(WireError) -> Int {
        guard count >= 0, count <= remaining else { throw .truncated(field) }
        defer { position += count }
        return position
    }

    mutating func uint8(_ field: WireField) throws(WireError) -> UInt8 {
        octets[try take(1, field)]
    }

    mutating func uint16(_ field: WireField) throws(WireError) -> UInt16 {
        UInt16(truncatingIfNeeded: try bigEndian(2, field))
    }

    mutating func uint24(_ field: WireField) throws(WireError) -> UInt32 {
        UInt32(truncatingIfNeeded: try bigEndian(3, field))
    }

    mutating func uint32(_ field: WireField) throws(WireError) -> UInt32 {
        UInt32(truncatingIfNeeded: try bigEndian(4, field))
    }

    mutating func uint64(_ field: WireField) throws(WireError) -> UInt64 {
        try bigEndian(8, field)
    }

    mutating func macAddress(_ field: WireField) throws(WireError) -> MACAddress {
        MACAddress(truncating: try bigEndian(6, field))
    }

    /// Copies `count` octets out.
    mutating func bytes(_ count: Int, _ field: WireField) throws(WireError) -> [UInt8] {
        let start = try take(count, field)
        return [UInt8](octets[start..<start + count])
    }

    /// Copies out all that is left.
    mutating func rest() -> [UInt8] {
        defer { position = end }
        return [UInt8](octets[position..<end])
    }

    /// A reader of the next `count` octets alone; this one steps over them.
    mutating func child(_ count: Int, _ field: WireField) throws(WireError) -> ByteReader {
        let start = try take(count, field)
        return ByteReader(octets, position: start, end: start + count)
    }

    private mutating func bigEndian(_ count: Int, _ field: WireField) throws(WireError) -> UInt64 {
        let start = try take(count, field)
        var value: UInt64 = 0
        for index in start..<start + count {
            value = value << 8 | UInt64(octets[index])
        }
        return value
    }
}

/// Builds the octets of a frame, big-endian.
struct ByteWriter {
    private(set) var octets: [UInt8] = []

    init(reserving capacity: Int = 0) {
        octets.reserveCapacity(capacity)
    }

    mutating func uint8(_ value: UInt8) {
        octets.append(value)
    }

    mutating func uint16(_ value: UInt16) {
        octets.append(UInt8(truncatingIfNeeded: value >> 8))
        octets.append(UInt8(truncatingIfNeeded: value))
    }

    mutating func uint24(_ value: UInt32) {
        bigEndian(UInt64(value), 3)
    }

    mutating func uint32(_ value: UInt32) {
        bigEndian(UInt64(value), 4)
    }

    mutating func uint64(_ value: UInt64) {
        bigEndian(value, 8)
    }

    mutating func macAddress(_ value: MACAddress) {
        bigEndian(value.rawValue, 6)
    }

    mutating func bytes(_ value: [UInt8]) {
        octets.append(contentsOf: value)
    }

    /// Appends zeros until there are at least `count` octets.
    mutating func pad(to count: Int) {
        while octets.count < count { octets.append(0) }
    }

    private mutating func bigEndian(_ value: UInt64, _ count: Int) {
        var shift = UInt64(8 * count)
        while shift > 0 {
            shift -= 8
            octets.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
