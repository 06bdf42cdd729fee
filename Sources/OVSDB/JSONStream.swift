internal import JSON

/// Splits a stream of JSON objects, which follow each other without a delimiter, into its objects.
///
/// Pure. What is kept is bounded by the longest object that is taken.
package struct JSONStream: Sendable {
    /// Why a stream is not read any further.
    package enum Mistake: Error, Equatable, CustomStringConvertible {
        /// Something else than an object stands between two objects.
        case noObject(UInt8)
        /// An object is longer than the limit, in octets.
        case tooLong(limit: Int)
        /// An object is nested deeper than JSON is read.
        case tooDeep

        package var description: String {
            switch self {
            case .noObject(let octet): "octet \(octet) where a JSON object begins"
            case .tooLong(let limit): "a message of more than \(limit) octets"
            case .tooDeep: "a message that is nested deeper than \(JSONValue.maximumDepth) levels"
            }
        }
    }

    /// Octets of the longest object that is taken.
    package let limit: Int
    private var buffer: [UInt8] = []
    /// Where the object in hand begins, and how far it was looked at.
    private var start = 0
    private var scanned = 0
    private var depth = 0
    private var isInText = false
    private var isEscaped = false

    package init(limit: Int) { self.limit = limit }

    /// Octets that are kept of an object that is not complete.
    package var pendingCount: Int { buffer.count - start }

    /// Takes the next octets of the stream.
    package mutating func append(_ octets: some Sequence<UInt8>) {
        if start > 0 {
            buffer.removeFirst(start)
            scanned -= start
            start = 0
        }
        buffer.append(contentsOf: octets)
    }

    /// The next object that is complete; nil where none is.
    ///
    /// - Throws: `Mistake`; the stream has no more objects then.
    package mutating func next() throws(Mistake) -> [UInt8]? {
        while scanned < buffer.count {
            let octet = buffer[scanned]
            if depth == 0, try begin(octet) { continue }
            scanned += 1
            if isInText { readText(octet) } else { try readStructure(octet) }
            guard scanned - start <= limit else { throw .tooLong(limit: limit) }
            guard depth == 0 else { continue }
            defer { start = scanned }
            return Array(buffer[start..<scanned])
        }
        return nil
    }

    /// Looks at an octet between two objects.
    ///
    /// - Returns: Whether it is white space, which is skipped.
    private mutating func begin(_ octet: UInt8) throws(Mistake) -> Bool {
        switch octet {
        case 0x20, 0x09, 0x0A, 0x0D:
            scanned += 1
            start = scanned
            return true
        case UInt8(ascii: "{"): return false
        default: throw .noObject(octet)
        }
    }

    private mutating func readText(_ octet: UInt8) {
        if isEscaped {
            isEscaped = false
        } else if octet == UInt8(ascii: "\\") {
            isEscaped = true
        } else if octet == UInt8(ascii: "\"") {
            isInText = false
        }
    }

    private mutating func readStructure(_ octet: UInt8) throws(Mistake) {
        switch octet {
        case UInt8(ascii: "\""): isInText = true
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            depth += 1
            guard depth <= JSONValue.maximumDepth else { throw .tooDeep }
        case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
        default: break
        }
    }
}
