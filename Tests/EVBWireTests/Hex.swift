import EVBWire

/// Octets written as pairs of hexadecimal digits; one argument is one line of a golden frame and bears a comment.
func golden(_ lines: String...) -> [UInt8] {
    lines.flatMap { line in
        line.split(separator: " ").map { pair -> UInt8 in
            guard pair.utf8.count == 2, let octet = UInt8(pair, radix: 16) else {
                preconditionFailure("'\(pair)' in a golden frame is no octet")
            }
            return octet
        }
    }
}

/// Octets for the message of a failed expectation.
func hex(_ octets: some Sequence<UInt8>) -> String {
    octets.map { ($0 < 0x10 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}

/// `count` zero octets, as in the padding of a frame.
func zeros(_ count: Int) -> [UInt8] {
    [UInt8](repeating: 0, count: count)
}

/// A TLV of LLDP or VDP, built without the code under test.
func tlv(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
    precondition(type < 128 && value.count < 512)
    return [type << 1 | UInt8(value.count >> 8), UInt8(value.count & 0xFF)] + value
}

/// Where each TLV of a chain ends, found without the code under test; stops behind an end TLV.
func boundaries(_ chain: [UInt8]) -> [Int] {
    var ends: [Int] = []
    var position = 0
    while position + 2 <= chain.count {
        let isEnd = chain[position] >> 1 == 0
        position += 2 + Int(chain[position] & 1) << 8 + Int(chain[position + 1])
        guard position <= chain.count else { break }
        ends.append(position)
        if isEnd { break }
    }
    return ends
}

/// A filter that has to be right.
func filter(_ entries: FilterEntry...) -> FilterInfo {
    do {
        return try FilterInfo(checking: entries)
    } catch {
        preconditionFailure("a golden filter is refused: \(error)")
    }
}

/// The error that `body` throws, or nil.
func wireError(_ body: () throws(WireError) -> Void) -> WireError? {
    do {
        try body()
        return nil
    } catch {
        return error
    }
}

/// The error that a frame is refused with, or nil.
func refusal(of frame: [UInt8]) -> WireError? {
    wireError { () throws(WireError) in _ = try Frame(decoding: frame) }
}

extension Frame {
    /// The LLDPDU in it.
    var lldpdu: LLDPDU? {
        if case .lldp(let lldpdu) = payload { lldpdu } else { nil }
    }

    /// The ECPDU in it.
    var ecpdu: ECPDU? {
        if case .ecp(let ecpdu) = payload { ecpdu } else { nil }
    }

    /// The draft's ECPDU in it.
    var draftECPDU: DraftECPDU? {
        if case .draftECP(let ecpdu) = payload { ecpdu } else { nil }
    }
}
