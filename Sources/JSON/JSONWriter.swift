internal import TerminalText

/// Writes JSON of a known shape as octets, member after member, without a value of it in between.
///
/// The caller closes what it opens. Texts are written as ``JSONValue/compact`` writes them. The octets are in memory of the writer's own,
/// and are put there a member at a time: an array's checks for each of a key's five pieces took half of a list's time.
package struct JSONWriter: ~Copyable {
    private var memory: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    /// How many octets have been written.
    package private(set) var count = 0
    /// A comma goes before the next member or item.
    private var isContinued = false

    package init(reserving capacity: Int = 512) {
        memory = .allocate(capacity: capacity)
        self.capacity = capacity
    }

    deinit { memory.deallocate() }

    /// A copy of what has been written.
    package var octets: [UInt8] { withOctets { Array($0) } }

    /// Looks at what has been written, where it is.
    package func withOctets<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        body(UnsafeBufferPointer(start: memory, count: count))
    }

    /// Sees to it that so many octets fit, and tells where the next one goes.
    @inline(__always) private mutating func room(for more: Int) -> UnsafeMutablePointer<UInt8> {
        if capacity - count < more { grow(by: more) }
        return memory + count
    }

    private mutating func grow(by more: Int) {
        let larger = max(2 * capacity, count + more)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        moved.update(from: memory, count: count)
        memory.deallocate()
        (memory, capacity) = (moved, larger)
    }

    private mutating func append(_ octet: UInt8) {
        room(for: 1).pointee = octet
        count += 1
    }

    private mutating func append(_ octets: UnsafeBufferPointer<UInt8>) {
        guard let start = octets.baseAddress else { return }
        room(for: octets.count).update(from: start, count: octets.count)
        count += octets.count
    }

    /// Writes an object; `members` writes its members.
    package mutating func object(_ members: (inout JSONWriter) -> Void) {
        enclosed(UInt8(ascii: "{"), UInt8(ascii: "}"), members)
    }

    /// Writes a list, an item for each element.
    ///
    /// It is inlinable, as its steps for unknown types would cost more than what is written.
    @inlinable package mutating func list<Element>(
        _ elements: some Sequence<Element>, _ item: (inout JSONWriter, Element) -> Void
    ) {
        enclosed(UInt8(ascii: "["), UInt8(ascii: "]")) { writer in
            for element in elements {
                writer.separate()
                item(&writer, element)
            }
        }
    }

    /// Writes a list of so many items; `item` writes the one at a place.
    package mutating func list(count: Int, _ item: (inout JSONWriter, Int) -> Void) {
        enclosed(UInt8(ascii: "["), UInt8(ascii: "]")) { writer in
            for place in 0..<count {
                writer.separate()
                item(&writer, place)
            }
        }
    }

    /// Begins a member of the object in hand. Its value is written next.
    ///
    /// - Parameter name: plain ASCII that needs no escapes.
    package mutating func key(_ name: StaticString) {
        let length = name.utf8CodeUnitCount
        var end = room(for: length + 4)
        if isContinued {
            end.pointee = UInt8(ascii: ",")
            end += 1
        }
        end[0] = UInt8(ascii: "\"")
        (end + 1).update(from: name.utf8Start, count: length)
        end[length + 1] = UInt8(ascii: "\"")
        end[length + 2] = UInt8(ascii: ":")
        count = end + length + 3 - memory
        isContinued = false
    }

    /// Begins a member whose name is known only now.
    package mutating func key(_ name: String) {
        separate()
        value(name)
        append(UInt8(ascii: ":"))
        isContinued = false
    }

    /// Writes a value of any shape.
    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let flag): self.value(flag)
        case .number(let literal): self.value(octets: Array(literal.utf8))
        case .string(let text): self.value(text)
        case .array(let items): list(items) { $0.value($1) }
        case .object(let members):
            object { writer in
                for member in members {
                    writer.key(member.key)
                    writer.value(member.value)
                }
            }
        }
    }

    package mutating func value(_ number: Int) {
        isContinued = true
        if (0...9).contains(number) { return append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number)) }
        // Nineteen digits and a sign at most, written from the last one on.
        var digits = number < 0 ? 1 : 0
        var rest = number.magnitude
        repeat {
            digits += 1
            rest /= 10
        } while rest > 0
        let start = room(for: digits)
        if number < 0 { start.pointee = UInt8(ascii: "-") }
        rest = number.magnitude
        var place = digits
        repeat {
            place -= 1
            start[place] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        count += digits
    }

    package mutating func value(_ flag: Bool) { word(flag ? "true" : "false") }

    package mutating func null() { word("null") }

    package mutating func value(_ text: String) {
        let isWritten = text.utf8.withContiguousStorageIfAvailable { writePlain($0) } ?? false
        if !isWritten { value(octets: Array(JSONValue.string(text).compact.utf8)) }
        isContinued = true
    }

    /// Writes a text that needs no escapes; false for any other, of which nothing is written.
    private mutating func writePlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let length = text.count
        let start = room(for: length + 2)
        start.pointee = UInt8(ascii: "\"")
        for place in 0..<length {
            let octet = text[place]
            // One comparison for what is below 0x20 and what is above 0x7E.
            if octet &- 0x20 > 0x5E || octet == 0x22 || octet == 0x5C { return false }
            start[place + 1] = octet
        }
        start[length + 1] = UInt8(ascii: "\"")
        count += length + 2
        return true
    }

    /// Writes a text of which it is known that it needs no escapes, such as an address.
    ///
    /// - Parameters:
    ///   - most: how many octets it has at the most.
    ///   - text: writes it, and tells how many octets it has.
    package mutating func value(most: Int, _ text: (UnsafeMutableBufferPointer<UInt8>) -> Int) {
        let start = room(for: most + 2)
        start.pointee = UInt8(ascii: "\"")
        let length = text(UnsafeMutableBufferPointer(start: start + 1, count: most))
        precondition((0...most).contains(length))
        start[length + 1] = UInt8(ascii: "\"")
        count += length + 2
        isContinued = true
    }

    private mutating func word(_ word: StaticString) {
        append(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
        isContinued = true
    }

    /// Writes the next item of the list in hand, if `item` has one.
    ///
    /// - Returns: what `item` says; where that is false it must have written nothing.
    package mutating func item(_ item: (inout JSONWriter) -> Bool) -> Bool {
        let (before, wasContinued) = (count, isContinued)
        separate()
        guard !item(&self) else { return true }
        (count, isContinued) = (before, wasContinued)
        return false
    }

    @usableFromInline mutating func separate() {
        if isContinued { append(UInt8(ascii: ",")) }
        isContinued = false
    }

    @usableFromInline mutating func enclosed(
        _ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void
    ) {
        append(open)
        isContinued = false
        body(&self)
        append(close)
        isContinued = true
    }

    /// Writes octets as they are, such as the beginning of a message whose list is written item by item. What follows them is the first
    /// member or item of something.
    package mutating func begin(_ octets: StaticString) {
        append(UnsafeBufferPointer(start: octets.utf8Start, count: octets.utf8CodeUnitCount))
        isContinued = false
    }
}

extension JSONWriter {
    /// Writes a member of the object in hand.
    package mutating func member(_ name: StaticString, _ value: String) {
        key(name)
        self.value(value)
    }

    package mutating func member(_ name: StaticString, _ value: Int) {
        key(name)
        self.value(value)
    }

    package mutating func member(_ name: StaticString, _ value: Bool) {
        key(name)
        self.value(value)
    }

    /// Writes a text, or null for none.
    package mutating func value(orNull text: String?) {
        if let text { value(text) } else { null() }
    }

    /// Writes a member that is null where it has no value.
    package mutating func member(_ name: StaticString, orNull value: String?) {
        key(name)
        self.value(orNull: value)
    }

    package mutating func member(_ name: StaticString, orNull value: Int?) {
        key(name)
        if let value { self.value(value) } else { null() }
    }
}

/// A value that writes itself as JSON, with the octets that ``JSONCoding/encode(_:)`` would give.
package protocol JSONWritable {
    func write(to writer: inout JSONWriter)
}

extension JSONWriter {
    /// Writes a value that is JSON already.
    package mutating func value(octets json: [UInt8]) {
        json.withUnsafeBufferPointer { append($0) }
        isContinued = true
    }

    /// Writes a member that writes itself.
    package mutating func member(_ name: StaticString, _ value: some JSONWritable) {
        key(name)
        value.write(to: &self)
    }

    /// Writes a member of which there are few: as the coders write it.
    package mutating func member(_ name: StaticString, coded value: some Encodable) {
        key(name)
        self.value(octets: JSONCoding.encode(value))
    }

    /// Writes a list that is empty nearly always; else as the coders write it.
    package mutating func member<Element: Encodable>(_ name: StaticString, seldom items: [Element]) {
        guard items.isEmpty else { return member(name, coded: items) }
        key(name)
        list(count: 0) { _, _ in }
    }

    /// A value as octets.
    package static func octets(of value: some JSONWritable) -> [UInt8] {
        var writer = JSONWriter()
        value.write(to: &writer)
        return writer.octets
    }
}
