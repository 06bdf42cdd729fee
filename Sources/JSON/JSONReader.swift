/// Reads JSON of a known shape in one pass, without a value of it in between.
///
/// Members that the caller does not know are passed over by ``skip()``. Where a key is given twice the caller is given both.
package struct JSONReader {
    private var parser: JSONParser
    private var depth = 0

    package init(_ octets: ArraySlice<UInt8>) {
        parser = JSONParser(octets: octets)
        parser.skipSpace()
    }

    /// Nothing but white space is left.
    package mutating func end() throws(JSONError) {
        parser.skipSpace()
        guard parser.isAtEnd else { throw parser.malformed }
    }

    /// Reads an object; `member` is called with each key and reads its value.
    package mutating func object(
        _ member: (String, inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        try enclosed("{", "}") { (reader) throws(JSONError) in
            let key = try reader.parser.string()
            reader.parser.skipSpace()
            guard reader.parser.take(UInt8(ascii: ":")) else { throw reader.parser.malformed }
            reader.parser.skipSpace()
            try member(key, &reader)
        }
    }

    /// Reads a list; `item` is called for each item and reads it.
    package mutating func list<Item>(
        _ item: (inout JSONReader) throws(JSONError) -> Item
    ) throws(JSONError) -> [Item] {
        var items: [Item] = []
        try enclosed("[", "]") { (reader) throws(JSONError) in items.append(try item(&reader)) }
        return items
    }

    package mutating func string() throws(JSONError) -> String { try parser.string() }

    /// Reads a whole number.
    package mutating func integer() throws(JSONError) -> Int {
        let malformed = parser.malformed
        guard let value = try parser.integer() else { throw malformed }
        return value
    }

    package mutating func bool() throws(JSONError) -> Bool {
        if parser.isAt(UInt8(ascii: "t")) {
            try parser.expect("true")
            return true
        }
        try parser.expect("false")
        return false
    }

    /// Reads null, or what `body` reads.
    package mutating func nullable<Value>(
        _ body: (inout JSONReader) throws(JSONError) -> Value
    ) throws(JSONError) -> Value? {
        guard parser.isAt(UInt8(ascii: "n")) else { return try body(&self) }
        try parser.expect("null")
        return nil
    }

    /// Reads a value of any shape and forgets it.
    package mutating func skip() throws(JSONError) { _ = try parser.value(depth: depth + 1) }

    private mutating func enclosed(
        _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ element: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        guard parser.take(UInt8(truncatingIfNeeded: open.value)) else { throw parser.malformed }
        depth += 1
        guard depth <= JSONValue.maximumDepth else { throw .tooDeep(offset: parser.offset) }
        parser.skipSpace()
        if !parser.take(UInt8(truncatingIfNeeded: close.value)) {
            repeat {
                parser.skipSpace()
                try element(&self)
                parser.skipSpace()
            } while parser.take(UInt8(ascii: ","))
            guard parser.take(UInt8(truncatingIfNeeded: close.value)) else { throw parser.malformed }
        }
        depth -= 1
    }
}
