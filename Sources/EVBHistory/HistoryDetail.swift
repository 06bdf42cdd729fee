/// The details of events, in fewer octets: what most of them are made of is one octet each.
///
/// The octets that stand for it are those that UTF-8 never has, so that any other text is as it was.
enum HistoryDetail {
    /// What one octet stands for.
    private struct Phrase {
        let code: UInt8
        let text: StaticString

        init(_ code: UInt8, _ text: StaticString) { (self.code, self.text) = (code, text) }
    }

    private static let user = Phrase(0xC0, "user 0, process ")
    private static let evbctl = Phrase(0xC1, " (evbctl): ")
    private static let libvirt = Phrase(0xF5, "libvirt (netlink port ")
    private static let asks = Phrase(0xF6, "): ")
    private static let associateType = Phrase(0xF7, "associate, type ")
    private static let associate = Phrase(0xF8, "associate")
    private static let preAssociate = Phrase(0xF9, "pre-associate")
    private static let deAssociate = Phrase(0xFA, "de-associate")
    private static let vlan = Phrase(0xFB, ", vlan=")
    private static let forClient = Phrase(0xFC, ", for a client of the control socket")
    private static let forLibvirt = Phrase(0xFD, ", for libvirt")
    private static let all = [
        user, evbctl, libvirt, asks, associateType, associate, preAssociate, deAssociate, vlan, forClient, forLibvirt,
    ]
    /// Stands for an address as filters have it, whose six octets follow.
    private static let address: UInt8 = 0xFF
    private static let beforeAddress: StaticString = ", mac="
    private static let behindAddress: StaticString = ",vlan="
    private static let addressLength = 17

    private typealias Octets = UnsafeBufferPointer<UInt8>

    static func packed(_ text: String) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: text.utf8.count) { packed, count in count = pack(text, into: packed) }
    }

    /// Packs a text into memory for as many octets as it has.
    ///
    /// - Returns: how many octets that takes.
    static func pack(_ text: String, into packed: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var (text, count) = (text, 0)
        text.withUTF8 { text in
            var place = 0
            while place < text.count {
                let octet = text[place]
                if mayBegin(octet) {
                    let rest = Octets(rebasing: text[place...])
                    if octet == UInt8(ascii: ","), let value = firstAddress(in: rest) {
                        packed[count] = address
                        for number in 0..<6 {
                            packed[count + 1 + number] = UInt8(truncatingIfNeeded: value >> UInt64(40 - 8 * number))
                        }
                        count += 7
                        place += beforeAddress.utf8CodeUnitCount + addressLength + behindAddress.utf8CodeUnitCount
                        continue
                    }
                    if let phrase = firstPhrase(in: rest) {
                        packed[count] = phrase.code
                        count += 1
                        place += phrase.text.utf8CodeUnitCount
                        continue
                    }
                }
                packed[count] = octet
                count += 1
                place += 1
            }
        }
        return count
    }

    static func text(_ packed: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        var octets = packed.makeIterator()
        while let octet = octets.next() {
            if octet == address {
                append(beforeAddress, to: &text)
                for number in 0..<6 {
                    if number > 0 { text.append(UInt8(ascii: ":")) }
                    let octet = octets.next() ?? 0
                    text += [digit(octet >> 4), digit(octet & 15)]
                }
                append(behindAddress, to: &text)
            } else if let phrase = all.first(where: { $0.code == octet }) {
                append(phrase.text, to: &text)
            } else {
                text.append(octet)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func append(_ phrase: StaticString, to text: inout [UInt8]) {
        text.append(contentsOf: Octets(start: phrase.utf8Start, count: phrase.utf8CodeUnitCount))
    }

    /// What phrases and addresses begin with, a bit for each: space, `)` and `,`; `a`, `d`, `l`, `p` and `u`.
    private static let beginnings: (UInt64, UInt64) = (
        1 << 32 | 1 << 41 | 1 << 44, 1 << 33 | 1 << 36 | 1 << 44 | 1 << 48 | 1 << 53
    )

    /// Whether a phrase or an address may begin with an octet.
    private static func mayBegin(_ octet: UInt8) -> Bool {
        octet < 128 && (octet < 64 ? beginnings.0 : beginnings.1) >> UInt64(octet & 63) & 1 != 0
    }

    /// The phrase that a text begins with; the longer one where one begins like another.
    private static func firstPhrase(in text: Octets) -> Phrase? {
        switch text[0] {
        case UInt8(ascii: " "): first(of: evbctl, in: text)
        case UInt8(ascii: ")"): first(of: asks, in: text)
        case UInt8(ascii: ","):
            first(of: vlan, in: text) ?? first(of: forClient, in: text) ?? first(of: forLibvirt, in: text)
        case UInt8(ascii: "a"): first(of: associateType, in: text) ?? first(of: associate, in: text)
        case UInt8(ascii: "d"): first(of: deAssociate, in: text)
        case UInt8(ascii: "l"): first(of: libvirt, in: text)
        case UInt8(ascii: "p"): first(of: preAssociate, in: text)
        case UInt8(ascii: "u"): first(of: user, in: text)
        default: nil
        }
    }

    private static func first(of phrase: Phrase, in text: Octets) -> Phrase? {
        begins(text, with: phrase.text) ? phrase : nil
    }

    /// The address that a text begins with, written as addresses are: it is written so again.
    private static func firstAddress(in text: Octets) -> UInt64? {
        let start = beforeAddress.utf8CodeUnitCount
        guard begins(text, with: beforeAddress), text.count >= start + addressLength else { return nil }
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

    private static func begins(_ text: Octets, with start: StaticString) -> Bool {
        let count = start.utf8CodeUnitCount
        guard text.count >= count else { return false }
        for place in 0..<count where text[place] != start.utf8Start[place] { return false }
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
