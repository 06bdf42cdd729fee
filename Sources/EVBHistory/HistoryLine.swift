internal import EVBModel
internal import EVBWire

/// An event of a VSI as a line of a file: fields with tabs between them. A later line with the same VSI and number is in its place.
package enum HistoryLine {
    static let tab = UInt8(ascii: "\t")
    /// Octets of the longest line.
    package static let lengthMax = 1024
    /// The greatest number that a field may have; times in milliseconds reach it in some 280,000 years.
    package static let numberMax = 1 << 53

    package static func encode(_ event: HistoryEvent, _ key: HistoryKey) -> [UInt8] {
        var line: [UInt8] = []
        append(event, key, to: &line)
        return line
    }

    /// Appends the line of an event, with its end. The file of thousands of VSIs is written in one go, so that no field is a text of its own.
    package static func append(_ event: HistoryEvent, _ key: HistoryKey, to octets: inout [UInt8]) {
        append(escaping: key.port, to: &octets)
        octets.append(tab)
        append(key.vsiID, to: &octets)
        append(behindTab: event.number, to: &octets)
        append(behindTab: event.first, to: &octets)
        append(behindTab: event.last, to: &octets)
        append(behindTab: event.count, to: &octets)
        octets.append(tab)
        octets.append(contentsOf: event.kind.rawValue.utf8)
        octets.append(tab)
        if let reason = event.reason { octets.append(contentsOf: reason.rawValue.utf8) }
        octets.append(tab)
        if let detail = event.detail {
            octets.append(UInt8(ascii: ":"))
            append(escaping: detail, to: &octets)
        }
        octets.append(UInt8(ascii: "\n"))
    }

    private static func append(_ vsiID: VSIID, to octets: inout [UInt8]) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: VSIID.uuidMax) { memory in
            let count = vsiID.writeUUID(to: memory)
            guard count > 0 else { return octets.append(contentsOf: vsiID.description.utf8) }
            octets.append(contentsOf: UnsafeBufferPointer(rebasing: memory[..<count]))
        }
    }

    /// Appends a number and the tab before it.
    private static func append(behindTab number: Int, to octets: inout [UInt8]) {
        // A tab, a sign, and nineteen digits at most, written from the last one on.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 21) { memory in
            var (start, rest) = (memory.count, number.magnitude)
            repeat {
                start -= 1
                memory[start] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            if number < 0 {
                start -= 1
                memory[start] = UInt8(ascii: "-")
            }
            start -= 1
            memory[start] = tab
            octets.append(contentsOf: UnsafeBufferPointer(rebasing: memory[start...]))
        }
    }

    /// Reads a line without its end; nil for one that makes no sense.
    package static func decode(_ line: some Collection<UInt8>) -> (event: HistoryEvent, key: HistoryKey)? {
        var decoder = HistoryLineDecoder()
        return Array(line).withUnsafeBufferPointer { decoder.decode($0) }
    }

    private static func append(escaping text: String, to octets: inout [UInt8]) {
        var text = text
        text.withUTF8 { text in
            guard text.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\\") }) else {
                return octets.append(contentsOf: text)
            }
            for octet in text {
                switch octet {
                case UInt8(ascii: "\\"): octets.append(contentsOf: "\\\\".utf8)
                case tab: octets.append(contentsOf: "\\t".utf8)
                case UInt8(ascii: "\n"): octets.append(contentsOf: "\\n".utf8)
                // No other control character means anything here.
                case ..<0x20: octets.append(UInt8(ascii: "?"))
                default: octets.append(octet)
                }
            }
        }
    }

    static func unescaped(_ text: UnsafeBufferPointer<UInt8>) -> String? {
        guard text.contains(UInt8(ascii: "\\")) else { return String(decoding: text, as: UTF8.self) }
        var octets: [UInt8] = []
        var isEscape = false
        for octet in text {
            if isEscape {
                switch octet {
                case UInt8(ascii: "\\"): octets.append(octet)
                case UInt8(ascii: "t"): octets.append(tab)
                case UInt8(ascii: "n"): octets.append(UInt8(ascii: "\n"))
                default: return nil
                }
                isEscape = false
            } else if octet == UInt8(ascii: "\\") {
                isEscape = true
            } else {
                octets.append(octet)
            }
        }
        return isEscape ? nil : String(decoding: octets, as: UTF8.self)
    }
}
