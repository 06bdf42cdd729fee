internal import EVBPorts
internal import EVBProtocol
internal import EVBWire
internal import Glibc
internal import JSON

// The short way through what ``StoredVSI/encoded`` writes: at a start there may be many thousands.

extension StoredVSI {
    /// Reads a VSI whose members are all there, in the order and with the octets of ``encoded``.
    ///
    /// - Returns: nil for anything else, valid or not: ``init(parsing:)`` then says what it is.
    init?(scanning octets: UnsafeBufferPointer<UInt8>) {
        guard let scanner = StoredVSIScanner(octets) else { return nil }
        self.init(scanner)
    }

    private init?(_ scanner: StoredVSIScanner) {
        var scanner = scanner
        guard scanner.take("{\"version\":1,\"port\":\""), let port = scanner.text(),
            scanner.take(",\"vsiID\":\""), let vsiID = scanner.octets().flatMap({ VSIID(uuid: $0) }),
            scanner.take(",\"target\":\""), let target = scanner.word(in: Self.targets),
            scanner.take(",\"hint\":\""), let hint = scanner.word(in: Self.hints),
            scanner.take(",\"persistence\":\""), let persistence = scanner.word(in: Self.persistences),
            scanner.take(",\"managerID\":["), let managerID = scanner.managerID(),
            scanner.take(",\"typeID\":"), let typeID = scanner.natural(to: 0xFF_FFFF),
            scanner.take(",\"typeVersion\":"), let typeVersion = scanner.natural(to: 0xFF),
            scanner.take(",\"filters\":["), let filter = scanner.filter(),
            scanner.take(",\"organizational\":[],\"owner\":\""), let ownerWord = scanner.text(),
            scanner.take(",\"eventPort\":"), let eventPort = scanner.natural(to: UInt64(UInt32.max)),
            let owner = RequestOwner(stored: ownerWord, eventPort: UInt32(eventPort)),
            scanner.take(",\"isGranted\":"), let isGranted = scanner.flag(),
            scanner.take(",\"isWithdrawn\":"), let isWithdrawn = scanner.flag(),
            scanner.take(",\"isLinkElsewhere\":"), let isLinkElsewhere = scanner.flag()
        else { return nil }
        self.port = port
        request = EVBProtocol.VSIRequest(
            vsiID: vsiID, target: target, managerID: managerID, typeID: UInt32(typeID),
            typeVersion: UInt8(typeVersion), filter: filter, hint: hint, persistence: persistence)
        self.owner = owner
        (self.isGranted, self.isWithdrawn, self.isLinkElsewhere) = (isGranted, isWithdrawn, isLinkElsewhere)
        guard !scanner.isLast("}") else { return }
        guard takeRest(scanner.rest) else { return nil }
    }

    /// Takes the members that not every VSI has.
    private mutating func takeRest(_ rest: [UInt8]) -> Bool {
        guard rest.first == UInt8(ascii: ",") else { return false }
        var document = Document()
        var isKnown = true
        do throws(JSONError) {
            var reader = JSONReader(([UInt8(ascii: "{")] + rest.dropFirst())[...])
            try reader.object { (key, value) throws(JSONError) in
                isKnown = isKnown && ["adopted", "link", "label"].contains(key)
                try document.read(key, &value)
            }
            try reader.end()
        } catch {
            return false
        }
        guard isKnown else { return false }
        do throws(Mistake) {
            link = try Self.link(document.link)
        } catch {
            return false
        }
        (adopted, label) = (document.adopted, Self.label(document.label))
        return true
    }
}

/// Where the reader of a stored VSI is.
private struct StoredVSIScanner {
    private let base: UnsafePointer<UInt8>
    private let count: Int
    private var place = 0

    init?(_ octets: UnsafeBufferPointer<UInt8>) {
        guard let base = octets.baseAddress else { return nil }
        (self.base, count) = (base, octets.count)
    }

    var rest: [UInt8] { Array(UnsafeBufferPointer(start: base + place, count: count - place)) }

    /// Whether these octets are next.
    mutating func take(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard count - place >= length, memcmp(base + place, text.utf8Start, length) == 0 else { return false }
        place += length
        return true
    }

    /// Whether these octets are all that is left.
    mutating func isLast(_ text: StaticString) -> Bool { count - place == text.utf8CodeUnitCount && take(text) }

    /// The octets up to a quotation mark, where none of them means anything but itself.
    mutating func octets() -> UnsafeBufferPointer<UInt8>? {
        let start = place
        while place < count {
            let octet = base[place]
            place += 1
            if octet == UInt8(ascii: "\"") {
                return UnsafeBufferPointer(start: base + start, count: place - 1 - start)
            }
            guard (0x20...0x7E).contains(octet), octet != UInt8(ascii: "\\") else { return nil }
        }
        return nil
    }

    mutating func text() -> String? { octets().map { String(decoding: $0, as: UTF8.self) } }

    mutating func word<Value>(in words: [(String, Value)]) -> Value? {
        guard let octets = octets() else { return nil }
        return words.first { $0.0.utf8.count == octets.count && Self.isText($0.0, octets) }?.1
    }

    /// Whether a text has these octets, which are as many.
    private static func isText(_ text: String, _ octets: UnsafeBufferPointer<UInt8>) -> Bool {
        var text = text
        return text.withUTF8 { text in
            guard let text = text.baseAddress, let base = octets.baseAddress else { return false }
            return memcmp(text, base, octets.count) == 0
        }
    }

    mutating func flag() -> Bool? { take("true") ? true : take("false") ? false : nil }

    mutating func natural(to most: UInt64) -> UInt64? {
        let start = place
        var number: UInt64 = 0
        while place < count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(base[place]), place - start < 10 {
            number = number * 10 + UInt64(base[place] - UInt8(ascii: "0"))
            place += 1
        }
        // JSON has no number that begins with a zero.
        let isWhole = place == start + 1 || place > start && base[start] != UInt8(ascii: "0")
        return isWhole && number <= most ? number : nil
    }

    /// A manager ID up to its end, without what opens the list.
    mutating func managerID() -> VSIManagerID? {
        var words: (UInt64, UInt64) = (0, 0)
        for number in 0..<16 {
            guard number == 0 || take(","), let octet = natural(to: 0xFF) else { return nil }
            words = (words.0 << 8 | words.1 >> 56, words.1 << 8 | octet)
        }
        return take("]") ? VSIManagerID(high: words.0, low: words.1) : nil
    }

    /// A filter up to its end, without what opens the list.
    mutating func filter() -> FilterInfo? {
        guard let first = entry() else { return nil }
        if take("]") { return try? FilterInfo(checking: first) }
        var entries = [first]
        while take(",") {
            guard let entry = entry() else { return nil }
            entries.append(entry)
        }
        return take("]") ? try? FilterInfo(checking: entries) : nil
    }

    private mutating func entry() -> FilterEntry? {
        guard take("{\"mac\":") else { return nil }
        var address: MACAddress?
        if take("\"") {
            guard let read = octets().flatMap({ MACAddress(text: $0) }) else { return nil }
            address = read
        } else {
            guard take("null") else { return nil }
        }
        guard take(",\"vlan\":"), let vid = natural(to: 0xFFE), take(",\"pcp\":"), let pcp = optional(to: 7),
            take(",\"group\":"), let group = optional(to: UInt64(UInt32.max)), take("}")
        else { return nil }
        return FilterEntry(
            vid: UInt16(vid), pcp: pcp.map { UInt8($0) }, macAddress: address, groupID: group.map { UInt32($0) })
    }

    /// A number, or null; nil for neither.
    private mutating func optional(to most: UInt64) -> UInt64?? {
        if take("null") { return .some(nil) }
        return natural(to: most).map { .some($0) }
    }
}
