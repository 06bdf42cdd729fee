/// A text that is put together from short parts, as octets: a `String` that grows takes three times as long. Each request and each step of it
/// has such texts in the history and in the log.
package struct TextBuilder {
    private var octets: [UInt8] = []

    /// An empty text with room for so many octets.
    package init(reserving capacity: Int = 64) { octets.reserveCapacity(capacity) }

    /// Appends a text.
    package mutating func add(_ text: String) { octets.append(contentsOf: text.utf8) }

    /// Appends a number in decimal digits.
    package mutating func add(_ number: Int) {
        if number < 0 { octets.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        let start = octets.count
        repeat {
            octets.append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        octets[start...].reverse()
    }

    /// What was appended.
    package var text: String { String(decoding: octets, as: UTF8.self) }
}
