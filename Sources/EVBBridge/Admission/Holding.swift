// What a VSI holds on a bridge port, as a line of text. Values only.

internal import EVBProtocol
internal import EVBWire

/// What one VSI holds on one bridge port, as it is kept for the next run of evbd.
package struct Holding: Hashable, Sendable {
    /// An address in a VLAN; 0 is the VLAN of untagged frames.
    struct Address: Hashable, Sendable {
        let mac: MACAddress
        let vid: UInt16
        /// Whether the VSI's type lets others have it too.
        let isShared: Bool
    }

    /// How the VSI is there.
    enum State: String, Hashable, Sendable, CaseIterable {
        case associated
        /// It holds its addresses, and is not associated.
        case reserved
        /// It was associated there, and is on another port now: ``VSIPlaces`` knows it as a former port.
        case lost
    }

    let holder: AddressLedger.Holder
    let state: State
    let addresses: [Address]
}

/// A line of the journal: something is held from here on, or nothing any more.
///
/// `+ PORT VSIID STATE MAC/VID MAC/VID/shared .` or `- PORT VSIID .`; the dot tells that the line is whole.
enum HoldingChange: Hashable {
    case held(Holding)
    case ended(AddressLedger.Holder)

    /// Octets of the longest line that is looked at: a filter is as long as a TLV can be, at most.
    static let lengthMax = 65_536

    /// The line, with its end.
    var line: [UInt8] {
        var line: [UInt8] = []
        switch self {
        case .held(let holding):
            line.reserveCapacity(96 + holding.addresses.count * 22)
            Self.write("+ ", holding.holder, to: &line)
            line.append(UInt8(ascii: " "))
            line += holding.state.rawValue.utf8
            for address in holding.addresses { Self.write(address, to: &line) }
        case .ended(let holder): Self.write("- ", holder, to: &line)
        }
        line += " .\n".utf8
        return line
    }

    /// Reads a line without its end; nil for what evbd has not written, or not to the end.
    init?(_ line: ArraySlice<UInt8>) {
        guard line.count <= Self.lengthMax else { return nil }
        let words = line.split(separator: UInt8(ascii: " "))
        func text(_ place: Int) -> String { String(decoding: words[place], as: UTF8.self) }
        guard words.count >= 4, words[words.count - 1].elementsEqual(".".utf8), let vsiID = VSIID(text(2)) else {
            return nil
        }
        let holder = AddressLedger.Holder(vsiID: vsiID, port: text(1))
        switch text(0) {
        case "-" where words.count == 4: self = .ended(holder)
        case "+" where words.count >= 5:
            guard let state = Holding.State(rawValue: text(3)) else { return nil }
            var addresses: [Holding.Address] = []
            for word in words[4..<(words.count - 1)] {
                guard let address = Self.address(word) else { return nil }
                addresses.append(address)
            }
            self = .held(Holding(holder: holder, state: state, addresses: addresses))
        default: return nil
        }
    }

    // By hand: there may be ten thousand VSIs in a burst, and a quarter of a million addresses.

    private static func write(_ sign: StaticString, _ holder: AddressLedger.Holder, to line: inout [UInt8]) {
        sign.withUTF8Buffer { line += $0 }
        line += holder.port.utf8
        line.append(UInt8(ascii: " "))
        guard holder.vsiID.format == .uuid else {
            line += holder.vsiID.description.utf8
            return
        }
        for place in 0..<16 {
            let word = place < 8 ? holder.vsiID.high : holder.vsiID.low
            if place == 4 || place == 6 || place == 8 || place == 10 { line.append(UInt8(ascii: "-")) }
            write(UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * (place % 8))), to: &line)
        }
    }

    /// Two hexadecimal digits.
    private static func write(_ octet: UInt8, to line: inout [UInt8]) {
        func digit(_ value: UInt8) -> UInt8 {
            value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "a") &- 10 &+ value
        }
        line.append(digit(octet >> 4))
        line.append(digit(octet & 15))
    }

    private static func write(_ address: Holding.Address, to line: inout [UInt8]) {
        for place in 0..<6 {
            line.append(place == 0 ? UInt8(ascii: " ") : UInt8(ascii: ":"))
            write(UInt8(truncatingIfNeeded: address.mac.rawValue >> UInt64(40 - 8 * place)), to: &line)
        }
        line.append(UInt8(ascii: "/"))
        line += String(address.vid).utf8
        if address.isShared { line += "/shared".utf8 }
    }

    private static func address(_ word: ArraySlice<UInt8>) -> Holding.Address? {
        let parts = word.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2 || (parts.count == 3 && parts[2].elementsEqual("shared".utf8)) else { return nil }
        guard parts[0].count == 17, let vid = UInt16(String(decoding: parts[1], as: UTF8.self)), vid <= 0xFFF else {
            return nil
        }
        var value: UInt64 = 0
        for (place, octet) in parts[0].enumerated() {
            guard place % 3 != 2 else {
                guard octet == UInt8(ascii: ":") else { return nil }
                continue
            }
            let digit: UInt8
            switch octet {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = octet &- UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = octet &- UInt8(ascii: "a") &+ 10
            default: return nil
            }
            value = value << 4 | UInt64(digit)
        }
        return Holding.Address(mac: MACAddress(truncating: value), vid: vid, isShared: parts.count == 3)
    }
}
