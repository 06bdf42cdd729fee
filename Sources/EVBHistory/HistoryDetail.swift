/// The details of events, in fewer octets: what most of them are made of is one octet each.
///
/// The octets that stand for it are those that UTF-8 never has, so that any other text is as it was.
enum HistoryDetail {
    /// What one octet stands for. Where one begins like another, the longer one comes first.
    private static let phrases: [(code: UInt8, text: [UInt8])] = [
        (0xC0, Array("user 0, process ".utf8)), (0xC1, Array(" (evbctl): ".utf8)),
        (0xF5, Array("libvirt (netlink port ".utf8)), (0xF6, Array("): ".utf8)),
        (0xF7, Array("associate, type ".utf8)), (0xF8, Array("associate".utf8)), (0xF9, Array("pre-associate".utf8)),
        (0xFA, Array("de-associate".utf8)), (0xFB, Array(", vlan=".utf8)),
        (0xFC, Array(", for a client of the control socket".utf8)), (0xFD, Array(", for libvirt".utf8)),
    ]
    /// Stands for an address as filters have it, whose six octets follow.
    private static let address: UInt8 = 0xFF
    private static let beforeAddress = Array(", mac=".utf8)
    private static let behindAddress = Array(",vlan=".utf8)
    private static let addressLength = 17

    private typealias Octets = UnsafeBufferPointer<UInt8>

    static func packed(_ text: String) -> [UInt8] {
        var (text, packed) = (text, [UInt8]())
        packed.reserveCapacity(text.utf8.count)
        text.withUTF8 { text in
            var place = 0
            while place < text.count {
                place += packFirst(of: Octets(rebasing: text[place...]), into: &packed)
            }
        }
        return packed
    }

    static func text(_ packed: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        var octets = packed.makeIterator()
        while let octet = octets.next() {
            if octet == address {
                text += beforeAddress
                for number in 0..<6 {
                    if number > 0 { text.append(UInt8(ascii: ":")) }
                    let octet = octets.next() ?? 0
                    text += [digit(octet >> 4), digit(octet & 15)]
                }
                text += behindAddress
            } else if octet == 0xC0 || octet == 0xC1 || octet >= 0xF5 {
                text += phrases.first { $0.code == octet }?.text ?? []
            } else {
                text.append(octet)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: how many octets of the text that was.
    private static func packFirst(of text: Octets, into packed: inout [UInt8]) -> Int {
        switch text[0] {
        // What one of them may begin with.
        case UInt8(ascii: ","), UInt8(ascii: " "), UInt8(ascii: ")"), UInt8(ascii: "a"), UInt8(ascii: "d"),
            UInt8(ascii: "l"),
            UInt8(ascii: "p"), UInt8(ascii: "u"):
            if let value = firstAddress(in: text) {
                packed.append(address)
                for number in 0..<6 { packed.append(UInt8(truncatingIfNeeded: value >> UInt64(40 - 8 * number))) }
                return beforeAddress.count + addressLength + behindAddress.count
            }
            if let phrase = phrases.first(where: { begins(text, with: $0.text) }) {
                packed.append(phrase.code)
                return phrase.text.count
            }
        default: break
        }
        packed.append(text[0])
        return 1
    }

    /// The address that a text begins with, written as addresses are: it is written so again.
    private static func firstAddress(in text: Octets) -> UInt64? {
        let start = beforeAddress.count
        guard begins(text, with: beforeAddress), text.count >= start + addressLength + behindAddress.count else {
            return nil
        }
        var value: UInt64 = 0
        for place in 0..<addressLength {
            let octet = text[start + place]
            if place % 3 == 2 {
                guard octet == UInt8(ascii: ":") else { return nil }
            } else {
                guard let digit = digit(octet) else { return nil }
                value = value << 4 | UInt64(digit)
            }
        }
        return begins(Octets(rebasing: text[(start + addressLength)...]), with: behindAddress) ? value : nil
    }

    private static func begins(_ text: Octets, with start: [UInt8]) -> Bool {
        guard text.count >= start.count, text[0] == start[0] else { return false }
        for place in start.indices where text[place] != start[place] { return false }
        return true
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    private static func digit(_ octet: UInt8) -> UInt8? {
        switch octet {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): octet - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): octet - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
