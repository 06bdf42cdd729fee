/// Writes captures in the format pcapng (draft-ietf-opsawg-pcapng): octets block by block, in little endian. A file that ends after any of
/// its blocks is whole.
public enum PcapngWriter {
    /// Which way a frame went.
    public enum Direction: UInt32, Sendable {
        case inbound = 1
        case outbound = 2
    }

    /// Octets of an option that its length field can tell.
    private static let optionMax = 65_535
    private static let ethernet: UInt16 = 1

    /// The block that begins a file.
    ///
    /// - Parameters:
    ///   - hardware: what the machine is; nil for nothing.
    ///   - system: the operating system.
    ///   - application: what writes the file.
    /// - Returns: the octets.
    public static func section(hardware: String? = nil, system: String? = nil, application: String) -> [UInt8] {
        var body = little(0x1A2B_3C4D as UInt32) + little(1 as UInt16) + little(0 as UInt16)
        // The length of the section is not known before its end.
        body += little(UInt64.max)
        if let hardware { body += option(2, hardware) }
        if let system { body += option(3, system) }
        body += option(4, application) + endOfOptions
        return block(0x0A0D_0D0A, body)
    }

    /// The block of the one Ethernet interface, number 0, whose times are in nanoseconds.
    ///
    /// - Parameters:
    ///   - name: the interface.
    ///   - description: what it is, for people.
    ///   - address: its six octets; nil where it has none.
    ///   - frameLengthMax: octets of the longest frame that is kept.
    /// - Returns: the octets.
    public static func interface(
        name: String, description: String, address: [UInt8]? = nil, frameLengthMax: UInt32
    ) -> [UInt8] {
        var body = little(ethernet) + little(0 as UInt16) + little(frameLengthMax)
        body += option(2, name) + option(3, description)
        if let address, address.count == 6 { body += option(6, address) }
        // 10^-9 seconds.
        body += option(9, [9]) + endOfOptions
        return block(1, body)
    }

    /// The block of a frame on interface 0.
    ///
    /// - Parameters:
    ///   - octets: the frame, or as much of it as there is.
    ///   - length: its octets on the wire, at least as many.
    ///   - nanoseconds: its time, since 1970 (UTC).
    ///   - direction: which way it went.
    ///   - lost: frames that are missing between the one before and this one.
    ///   - comment: what is known of it; of a long text the first 64 KiB.
    /// - Returns: the octets.
    public static func frame(
        _ octets: [UInt8], length: Int, nanoseconds: UInt64, direction: Direction, lost: UInt64 = 0,
        comment: String = ""
    ) -> [UInt8] {
        var body = little(0 as UInt32) + time(nanoseconds)
        body += little(UInt32(clamping: octets.count)) + little(UInt32(clamping: max(length, octets.count)))
        body += padded(octets)
        if !comment.isEmpty { body += option(1, comment) }
        body += option(2, little(direction.rawValue | reception(octets, direction) << 2))
        if lost > 0 { body += option(4, little(lost)) }
        return block(6, body + endOfOptions)
    }

    /// How a frame that came in was addressed, by its destination: 1 to one station, 2 to a group, 3 to all; 0 is not told.
    private static func reception(_ octets: [UInt8], _ direction: Direction) -> UInt32 {
        guard direction == .inbound, octets.count >= 6 else { return 0 }
        if octets[..<6].allSatisfy({ $0 == 0xFF }) { return 3 }
        return octets[0] & 1 == 1 ? 2 : 1
    }

    /// What is known of interface 0 when the capture ends.
    public struct Statistics: Sendable, Equatable {
        /// Begin and end in nanoseconds since 1970 (UTC).
        public var began: UInt64
        public var ended: UInt64
        /// Frames that were captured, those that were lost among them.
        public var received: UInt64
        /// Frames that were captured and are not in the file, for want of room.
        public var lost: UInt64
        /// Frames that the kernel dropped before.
        public var dropped: UInt64
        public var comment: String

        public init(
            began: UInt64, ended: UInt64, received: UInt64, lost: UInt64, dropped: UInt64, comment: String = ""
        ) {
            self.began = began
            self.ended = ended
            self.received = received
            self.lost = lost
            self.dropped = dropped
            self.comment = comment
        }
    }

    /// The block with which a capture ends.
    public static func statistics(_ statistics: Statistics) -> [UInt8] {
        var body = little(0 as UInt32) + time(statistics.ended)
        if !statistics.comment.isEmpty { body += option(1, statistics.comment) }
        body += option(2, time(statistics.began)) + option(3, time(statistics.ended))
        body += option(4, little(statistics.received)) + option(5, little(statistics.lost))
        body += option(7, little(statistics.dropped))
        body += option(8, little(statistics.received &- statistics.lost))
        return block(5, body + endOfOptions)
    }

    // MARK: Parts

    private static let endOfOptions: [UInt8] = [0, 0, 0, 0]

    /// A block with its length at both ends.
    private static func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
        let length = little(UInt32(clamping: body.count + 12))
        return little(type) + length + body + length
    }

    private static func option(_ code: UInt16, _ text: String) -> [UInt8] {
        var octets = Array(text.utf8.prefix(optionMax))
        // Not in the middle of a character.
        while !octets.isEmpty, String(validating: octets, as: UTF8.self) == nil { octets.removeLast() }
        return option(code, octets)
    }

    private static func option(_ code: UInt16, _ octets: [UInt8]) -> [UInt8] {
        little(code) + little(UInt16(clamping: octets.count)) + padded(octets)
    }

    /// Up to the next multiple of four octets.
    private static func padded(_ octets: [UInt8]) -> [UInt8] {
        octets + [UInt8](repeating: 0, count: (4 - octets.count % 4) % 4)
    }

    /// The high half of a time stands first, in whichever order the octets of each half are.
    private static func time(_ nanoseconds: UInt64) -> [UInt8] {
        little(UInt32(truncatingIfNeeded: nanoseconds >> 32)) + little(UInt32(truncatingIfNeeded: nanoseconds))
    }

    private static func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
}
