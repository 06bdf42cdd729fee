internal import TerminalText

/// The rule for labels: the free text by which people know a VSI.
package enum VSILabel {
    /// The longest label in characters (Unicode scalars), and in octets.
    package static let longest = 64
    package static let longestOctets = 256

    /// The rule in words, as the remedy for a label that breaks it.
    package static let rule =
        "give 1 to \(longest) characters that a terminal shows, without spaces at the ends; an empty text removes the label"

    /// What is wrong with a label, as the rest of a sentence that begins with the label.
    ///
    /// - Returns: nil for a label that may be used. An empty text is none.
    package static func problem(with label: String) -> String? {
        let scalars = label.unicodeScalars
        guard let first = scalars.first, let last = scalars.last else { return "is empty" }
        if scalars.count > longest || label.utf8.count > longestOctets {
            return "is longer than \(longest) characters"
        }
        if !scalars.allSatisfy(\.isShownAsIs) { return "has a character that is not shown" }
        if first.properties.isWhitespace || last.properties.isWhitespace { return "begins or ends with a space" }
        return nil
    }
}
