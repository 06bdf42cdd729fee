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
        let fields = [
            escaped(key.port), key.vsiID.description, "\(event.number)", "\(event.first)", "\(event.last)",
            "\(event.count)", event.kind.rawValue, event.reason?.rawValue ?? "",
            event.detail.map { ":" + escaped($0) } ?? "",
        ]
        return Array((fields.joined(separator: "\t") + "\n").utf8)
    }

    /// Reads a line without its end; nil for one that makes no sense.
    package static func decode(_ line: some Collection<UInt8>) -> (event: HistoryEvent, key: HistoryKey)? {
        var decoder = HistoryLineDecoder()
        return Array(line).withUnsafeBufferPointer { decoder.decode($0) }
    }

    private static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\\") }) else { return text }
        var octets: [UInt8] = []
        for octet in text.utf8 {
            switch octet {
            case UInt8(ascii: "\\"): octets += Array("\\\\".utf8)
            case tab: octets += Array("\\t".utf8)
            case UInt8(ascii: "\n"): octets += Array("\\n".utf8)
            // No other control character means anything here.
            case ..<0x20: octets.append(UInt8(ascii: "?"))
            default: octets.append(octet)
            }
        }
        return String(decoding: octets, as: UTF8.self)
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
