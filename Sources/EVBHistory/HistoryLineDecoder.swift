internal import EVBModel
internal import EVBWire

/// Reads lines as ``HistoryLine`` writes them, straight from their octets. It keeps what the next line is likely to say again.
package struct HistoryLineDecoder {
    private typealias Octets = UnsafeBufferPointer<UInt8>

    private static let fieldCount = 9
    private static let kinds = VSIHistoryEvent.Kind.allCases.map { (name: Array($0.rawValue.utf8), value: $0) }
    private static let reasons = VSIReason.allCases.map { (name: Array($0.rawValue.utf8), value: $0) }

    /// The port of the line before, as it was written and as it is called.
    private var port = (octets: [UInt8](), name: "")

    package init() {}

    /// Reads the lines of a file.
    ///
    /// - Parameters:
    ///   - octets: the lines, each with its end. What is behind the last end is no line.
    ///   - line: is called with each line; with nil for one that makes no sense.
    package mutating func decodeAll(
        _ octets: UnsafeBufferPointer<UInt8>, _ line: ((event: HistoryEvent, key: HistoryKey)?) -> Void
    ) {
        var start = 0
        while let end = Self.place(of: UInt8(ascii: "\n"), in: octets, from: start) {
            line(decode(Octets(rebasing: octets[start..<end])))
            start = end + 1
        }
    }

    /// Reads a line without its end; nil for one that makes no sense.
    mutating func decode(_ line: UnsafeBufferPointer<UInt8>) -> (event: HistoryEvent, key: HistoryKey)? {
        guard line.count <= HistoryLine.lengthMax, !line.isEmpty else { return nil }
        return withUnsafeTemporaryAllocation(of: Octets.self, capacity: Self.fieldCount) { fields in
            var (count, start) = (0, 0)
            while count < Self.fieldCount {
                let end = Self.place(of: HistoryLine.tab, in: line, from: start)
                fields.initializeElement(at: count, to: Octets(rebasing: line[start..<(end ?? line.count)]))
                count += 1
                guard let end else { break }
                // A field too many.
                guard count < Self.fieldCount else { return nil }
                start = end + 1
            }
            return count == Self.fieldCount ? decode(fields: UnsafeBufferPointer(fields)) : nil
        }
    }

    private mutating func decode(
        fields: UnsafeBufferPointer<Octets>
    ) -> (event: HistoryEvent, key: HistoryKey)? {
        guard let port = name(ofPort: fields[0]),
            let vsiID = VSIID(uuid: fields[1]) ?? VSIID(String(decoding: fields[1], as: UTF8.self)),
            let number = Self.natural(fields[2]), number > 0, let first = Self.natural(fields[3]),
            let last = Self.natural(fields[4]), let count = Self.natural(fields[5]), count > 0,
            let kind = Self.value(fields[6], in: Self.kinds)
        else { return nil }
        var event = HistoryEvent(number: number, first: first, last: last, count: count, kind: kind)
        if !fields[7].isEmpty {
            guard let reason = Self.value(fields[7], in: Self.reasons) else { return nil }
            event.reason = reason
        }
        if !fields[8].isEmpty {
            guard fields[8].first == UInt8(ascii: ":"),
                let detail = HistoryLine.unescaped(Octets(rebasing: fields[8].dropFirst()))
            else { return nil }
            event.detail = detail
        }
        return (event, HistoryKey(port: port, vsiID: vsiID))
    }

    private mutating func name(ofPort octets: Octets) -> String? {
        if Self.isEqual(octets, port.octets) { return port.name.isEmpty ? nil : port.name }
        guard let name = HistoryLine.unescaped(octets), !name.isEmpty else { return nil }
        port = (Array(octets), name)
        return name
    }

    private static func place(of octet: UInt8, in octets: Octets, from start: Int) -> Int? {
        var place = start
        while place < octets.count {
            if octets[place] == octet { return place }
            place += 1
        }
        return nil
    }

    private static func isEqual(_ octets: Octets, _ others: [UInt8]) -> Bool {
        octets.count == others.count && octets.elementsEqual(others)
    }

    private static func value<Value>(_ name: Octets, in words: [(name: [UInt8], value: Value)]) -> Value? {
        words.first { isEqual(name, $0.name) }?.value
    }

    private static func natural(_ digits: Octets) -> Int? {
        // Whatever the file says can be counted on from, and be subtracted.
        guard !digits.isEmpty else { return nil }
        var number = 0
        for octet in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) else { return nil }
            number = number * 10 + Int(octet - UInt8(ascii: "0"))
            guard number <= HistoryLine.numberMax else { return nil }
        }
        return number
    }
}
