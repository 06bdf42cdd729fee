extension Collection<UInt8> {
    /// Where some octets stand first.
    ///
    /// (The library's own search is in its module for regular expressions, which would be a twentieth of a daemon.)
    ///
    /// - Parameter part: What is looked for; nothing at all is found at the beginning.
    /// - Returns: nil where they do not stand.
    package func range(of part: some Collection<UInt8>) -> Range<Index>? {
        var start = startIndex
        while true {
            var end = start
            var rest = part[...]
            while let octet = rest.first, end != endIndex, self[end] == octet {
                formIndex(after: &end)
                rest.removeFirst()
            }
            if rest.isEmpty { return start..<end }
            if end == endIndex { return nil }
            formIndex(after: &start)
        }
    }
}
