internal import LinuxSystem

/// A line of the journal: what its VSI is to be, a checksum, and the VSI as JSON.
///
/// `w 0123abcd {"version":1,...}` and an end of line. The mark is no part of what the checksum is of: it is overwritten in place.
enum JournalLine {
    /// What the VSI of a line is to be. No two of the octets differ in one bit alone.
    enum Mark: UInt8, CaseIterable {
        case wanted = 0x77  // w
        /// The bridge has granted it.
        case granted = 0x47  // G
        /// Its manager wants it no more; what is left of it is to go.
        case withdrawn = 0x64  // d
        case withdrawnAfterGrant = 0x72  // r
        /// The line does not count any more.
        case gone = 0x2D  // -

        init(isGranted: Bool, isWithdrawn: Bool) {
            switch (isGranted, isWithdrawn) {
            case (false, false): self = .wanted
            case (true, false): self = .granted
            case (false, true): self = .withdrawn
            case (true, true): self = .withdrawnAfterGrant
            }
        }

        var isGranted: Bool { self == .granted || self == .withdrawnAfterGrant }
        var isWithdrawn: Bool { self == .withdrawn || self == .withdrawnAfterGrant }
    }

    /// The first line of a file, without the version that follows.
    static let heading = Array("evbd-vsis ".utf8)
    static let version = 1
    /// Octets before the JSON.
    private static let prefixLength = 11
    /// Octets of the longest line that is looked at: a filter and organizational TLVs as long as they can be.
    static let lengthMax = 65_536
    private static let newline = UInt8(ascii: "\n")

    static var firstLine: [UInt8] { heading + Array("\(version)\n".utf8) }

    /// The line of a VSI, with its end.
    static func encode(_ vsi: StoredVSI) -> [UInt8] {
        let json = vsi.encoded
        var line: [UInt8] = []
        line.reserveCapacity(prefixLength + json.count + 1)
        line.append(Mark(isGranted: vsi.isGranted, isWithdrawn: vsi.isWithdrawn).rawValue)
        line.append(UInt8(ascii: " "))
        line.append(contentsOf: digits(of: checksum(json[...])))
        line.append(UInt8(ascii: " "))
        line.append(contentsOf: json)
        line.append(newline)
        return line
    }

    /// Reads a line without its end.
    ///
    /// - Returns: the VSI; nil where the line does not count any more.
    static func decode(_ line: ArraySlice<UInt8>) throws(StoredVSI.Mistake) -> StoredVSI? {
        try decode(line, checksum: checksum(line.dropFirst(prefixLength)))
    }

    /// The same where the checksum of what is behind its prefix has been worked out.
    static func decode(_ line: ArraySlice<UInt8>, checksum: UInt32) throws(StoredVSI.Mistake) -> StoredVSI? {
        guard line.count > prefixLength, line.count <= lengthMax, let mark = Mark(rawValue: line[line.startIndex])
        else {
            throw .notJSON
        }
        let json = line.dropFirst(prefixLength)
        guard line[line.startIndex + 1] == UInt8(ascii: " "), line[json.startIndex - 1] == UInt8(ascii: " "),
            areDigits(line[(line.startIndex + 2)..<(json.startIndex - 1)], of: checksum)
        else { throw .notJSON }
        guard mark != .gone else { return nil }
        var vsi = try StoredVSI(decoding: json)
        (vsi.isGranted, vsi.isWithdrawn) = (mark.isGranted, mark.isWithdrawn)
        return vsi
    }

    /// That of no octets.
    private static let start: UInt32 = 0x811C_9DC5

    /// FNV-1a, which a change of any one octet changes.
    private static func checksum(_ octets: ArraySlice<UInt8>) -> UInt32 {
        octets.withUnsafeBufferPointer { checksum($0, from: 0, start) }
    }

    private static func checksum(_ octets: UnsafeBufferPointer<UInt8>, from place: Int, _ begun: UInt32) -> UInt32 {
        octets[place...].reduce(begun) { step($0, $1) }
    }

    @inline(__always) private static func step(_ checksum: UInt32, _ octet: UInt8) -> UInt32 {
        (checksum ^ UInt32(octet)) &* 0x0100_0193
    }

    /// Lines whose checksums are worked out at a time.
    static let linesAtOnce = 4

    /// The checksums of lines without their ends. Each step of one waits for the step before: those of four lines take the time of one.
    static func checksums(_ lines: [FileLines.Line]) -> [UInt32] {
        let texts = lines.map { $0.octets.dropFirst(prefixLength) }
        guard texts.count == linesAtOnce else { return texts.map { checksum($0) } }
        return texts[0].withUnsafeBufferPointer { first in
            texts[1].withUnsafeBufferPointer { second in
                texts[2].withUnsafeBufferPointer { third in
                    texts[3].withUnsafeBufferPointer { checksums(first, second, third, $0) }
                }
            }
        }
    }

    private static func checksums(
        _ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>,
        _ third: UnsafeBufferPointer<UInt8>, _ fourth: UnsafeBufferPointer<UInt8>
    ) -> [UInt32] {
        let common = min(first.count, second.count, third.count, fourth.count)
        var (one, two, three, four) = (start, start, start, start)
        for place in 0..<common {
            one = step(one, first[place])
            two = step(two, second[place])
            three = step(three, third[place])
            four = step(four, fourth[place])
        }
        return [
            checksum(first, from: common, one), checksum(second, from: common, two),
            checksum(third, from: common, three), checksum(fourth, from: common, four),
        ]
    }

    private static func digits(of checksum: UInt32) -> [UInt8] { (0..<8).map { digit(of: checksum, at: $0) } }

    private static func areDigits(_ octets: ArraySlice<UInt8>, of checksum: UInt32) -> Bool {
        var place = 0
        for octet in octets {
            guard place < 8, octet == digit(of: checksum, at: place) else { return false }
            place += 1
        }
        return place == 8
    }

    private static func digit(of checksum: UInt32, at place: Int) -> UInt8 {
        let digit = UInt8(truncatingIfNeeded: checksum >> UInt32(28 - 4 * place)) & 15
        return digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
    }
}
