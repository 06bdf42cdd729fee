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
        UInt64(bigEndian: octets.loadUnaligned(fromByteOffset: try take(8, field), as: UInt64.self))
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

    /// Copies out all that is left, into memory that is there.
    mutating func rest(into memory: inout [UInt8]) {
        memory.removeAll(keepingCapacity: true)
        memory.append(contentsOf: octets[position..<end])
        position = end
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
///
/// The memory that is reserved is written in place; more is had when it is needed.
struct ByteWriter {
    private var memory: [UInt8]
    /// Octets that have been written.
    private(set) var count = 0

    init(reserving capacity: Int = 0) { memory = [UInt8](repeating: 0, count: capacity) }

    /// Begins again in the memory that there is.
    mutating func restart(reserving capacity: Int) {
        count = 0
        reserve(capacity)
    }

    /// Looks at what has been written where it is.
    func withWritten<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        memory.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }

    /// What has been written. Nothing is copied where as much was reserved.
    var octets: [UInt8] { count == memory.count ? memory : Array(memory[..<count]) }

    mutating func uint8(_ value: UInt8) { store(value, 1) }

    mutating func uint16(_ value: UInt16) { store(value.bigEndian, 2) }

    mutating func uint24(_ value: UInt32) {
        uint8(UInt8(truncatingIfNeeded: value >> 16))
        uint16(UInt16(truncatingIfNeeded: value))
    }

    mutating func uint32(_ value: UInt32) { store(value.bigEndian, 4) }

    mutating func uint64(_ value: UInt64) { store(value.bigEndian, 8) }

    mutating func macAddress(_ value: MACAddress) {
        uint16(UInt16(truncatingIfNeeded: value.rawValue >> 32))
        uint32(UInt32(truncatingIfNeeded: value.rawValue))
    }

    mutating func bytes(_ value: [UInt8]) {
        reserve(value.count)
        memory.withUnsafeMutableBytes { memory in
            value.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: $0) }
        }
        count += value.count
    }

    /// Writes a number in the place of two octets that are there.
    mutating func set(_ value: UInt16, at place: Int) {
        precondition(place >= 0 && place + 2 <= count)
        memory.withUnsafeMutableBytes { $0.storeBytes(of: value.bigEndian, toByteOffset: place, as: UInt16.self) }
    }

    /// Appends zeros until there are at least `count` octets.
    mutating func pad(to count: Int) {
        while self.count < count { uint8(0) }
    }

    private mutating func store<Number: BitwiseCopyable>(_ number: Number, _ length: Int) {
        reserve(length)
        let start = count
        memory.withUnsafeMutableBytes { $0.storeBytes(of: number, toByteOffset: start, as: Number.self) }
        count += length
    }

    private mutating func reserve(_ length: Int) {
        guard count + length > memory.count else { return }
        memory += [UInt8](repeating: 0, count: max(count + length - memory.count, memory.count, 32))
    }
}

/// Compares octets eight at a time.
enum OctetComparison {
    /// Whether both have the same octets in a range.
    ///
    /// - Precondition: both have as many octets.
    static func areSame(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer, in range: Range<Int>) -> Bool {
        precondition(range.lowerBound >= 0 && range.upperBound <= min(one.count, other.count))
        var place = range.lowerBound
        while place + 8 <= range.upperBound {
            guard
                one.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                    == other.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            else { return false }
            place += 8
        }
        while place < range.upperBound {
            guard one[place] == other[place] else { return false }
            place += 1
        }
        return true
    }
}
