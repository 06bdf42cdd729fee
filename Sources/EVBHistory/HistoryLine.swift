internal import EVBModel
internal import EVBWire

/// An event of a VSI as a line of a file: fields with tabs between them. A later line with the same VSI and number is in its place.
package enum HistoryLine {
    private static let tab = UInt8(ascii: "\t")
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
        guard line.count <= lengthMax else { return nil }
        let fields = line.split(separator: tab, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard fields.count == 9, let port = unescaped(fields[0]), !port.isEmpty, let vsiID = VSIID(fields[1]),
            let number = natural(fields[2]), number > 0, let first = natural(fields[3]),
            let last = natural(fields[4]), let count = natural(fields[5]), count > 0,
            let kind = VSIHistoryEvent.Kind(rawValue: fields[6])
        else { return nil }
        var event = HistoryEvent(number: number, first: first, last: last, count: count, kind: kind)
        if !fields[7].isEmpty {
            guard let reason = VSIReason(rawValue: fields[7]) else { return nil }
            event.reason = reason
        }
        if !fields[8].isEmpty {
            guard fields[8].hasPrefix(":"), let detail = unescaped(String(fields[8].dropFirst())) else { return nil }
            event.detail = detail
        }
        return (event, HistoryKey(port: port, vsiID: vsiID))
    }

    private static func natural(_ text: String) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        // Whatever the file says can be counted on from, and be subtracted.
        return Int(text).flatMap { $0 <= numberMax ? $0 : nil }
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

    private static func unescaped(_ text: String) -> String? {
        guard text.utf8.contains(UInt8(ascii: "\\")) else { return text }
        var octets: [UInt8] = []
        var isEscape = false
        for octet in text.utf8 {
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
