internal import TerminalText

/// Writes JSON of a known shape as octets, member after member, without a value of it in between.
///
/// The caller closes what it opens. Texts are written as ``JSONValue/compact`` writes them.
package struct JSONWriter {
    package private(set) var octets: [UInt8] = []
    /// A comma goes before the next member or item.
    private var isContinued = false

    package init(reserving capacity: Int = 512) { octets.reserveCapacity(capacity) }

    /// Writes an object; `members` writes its members.
    package mutating func object(_ members: (inout JSONWriter) -> Void) { enclosed("{", "}", members) }

    /// Writes a list, an item for each element.
    ///
    /// It is inlinable, as its steps for unknown types would cost more than what is written.
    @inlinable package mutating func list<Element>(
        _ elements: some Sequence<Element>, _ item: (inout JSONWriter, Element) -> Void
    ) {
        enclosed("[", "]") { writer in
            for element in elements {
                writer.separate()
                item(&writer, element)
            }
        }
    }

    /// Writes a list of so many items; `item` writes the one at a place.
    package mutating func list(count: Int, _ item: (inout JSONWriter, Int) -> Void) {
        enclosed("[", "]") { writer in
            for place in 0..<count {
                writer.separate()
                item(&writer, place)
            }
        }
    }

    /// Begins a member of the object in hand. Its value is written next.
    package mutating func key(_ name: StaticString) {
        separate()
        octets.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { octets.append(contentsOf: $0) }
        octets.append(UInt8(ascii: "\""))
        octets.append(UInt8(ascii: ":"))
        isContinued = false
    }

    /// Begins a member whose name is known only now.
    package mutating func key(_ name: String) {
        separate()
        value(name)
        octets.append(UInt8(ascii: ":"))
        isContinued = false
    }

    /// Writes a value of any shape.
    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let flag): self.value(flag)
        case .number(let literal):
            octets.append(contentsOf: literal.utf8)
            isContinued = true
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
        if (0...9).contains(number) { return octets.append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number)) }
        if number < 0 { octets.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        let start = octets.count
        repeat {
            octets.append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        octets[start...].reverse()
    }

    package mutating func value(_ flag: Bool) { word(flag ? "true" : "false") }

    package mutating func null() { word("null") }

    package mutating func value(_ text: String) {
        var text = text
        let isPlain = text.withUTF8 { octets in
            octets.allSatisfy { (0x20...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }
        }
        if isPlain {
            octets.append(UInt8(ascii: "\""))
            text.withUTF8 { octets.append(contentsOf: $0) }
            octets.append(UInt8(ascii: "\""))
        } else {
            octets.append(contentsOf: JSONValue.string(text).compact.utf8)
        }
        isContinued = true
    }

    private mutating func word(_ word: StaticString) {
        word.withUTF8Buffer { octets.append(contentsOf: $0) }
        isContinued = true
    }

    @usableFromInline mutating func separate() {
        if isContinued { octets.append(UInt8(ascii: ",")) }
        isContinued = false
    }

    @usableFromInline mutating func enclosed(
        _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONWriter) -> Void
    ) {
        octets.append(UInt8(truncatingIfNeeded: open.value))
        isContinued = false
        body(&self)
        octets.append(UInt8(truncatingIfNeeded: close.value))
        isContinued = true
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

    /// Writes a member that is null where it has no value.
    package mutating func member(_ name: StaticString, orNull value: String?) {
        key(name)
        if let value { self.value(value) } else { null() }
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
        octets.append(contentsOf: json)
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

    /// A value as octets.
    package static func octets(of value: some JSONWritable) -> [UInt8] {
        var writer = JSONWriter()
        value.write(to: &writer)
        return writer.octets
    }
}
