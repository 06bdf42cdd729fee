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
        octets.append(contentsOf: key.vsiID.description.utf8)
        for number in [event.number, event.first, event.last, event.count] {
            octets.append(tab)
            octets.append(contentsOf: String(number).utf8)
        }
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
