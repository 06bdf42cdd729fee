internal import TerminalText

/// The rule for names of network interfaces that clients, managers and configurations give.
///
/// The kernel's own (`dev_valid_name`), without what the kernel expands (`%`), and without what a terminal does not show.
package enum InterfaceName {
    /// The longest name in octets: IFNAMSIZ less the closing NUL.
    package static let longest = 15

    /// The longest alternative name in octets: ALTIFNAMSIZ less the closing NUL.
    package static let longestAlternative = 127

    /// The rule in words, as the remedy for a name that breaks it.
    package static let rule = rule(longest)
    /// The same for the name of a port, which may be an alternative one.
    package static let ruleOfPorts = rule(longestAlternative)

    private static func rule(_ longest: Int) -> String {
        "give 1 to \(longest) octets without /, :, %, white space, control and invisible characters, and not . or .."
    }

    /// What is wrong with a name, as the rest of a sentence that begins with the name.
    ///
    /// - Returns: nil for a name that may be used.
    package static func problem(with name: String) -> String? { problem(with: name, longest: longest) }

    /// What is wrong with the name of a port, which may be an alternative name of its interface.
    package static func problem(withPort name: String) -> String? { problem(with: name, longest: longestAlternative) }

    private static func problem(with name: String, longest: Int) -> String? {
        if name.isEmpty { return "is empty" }
        if name.utf8.count > longest { return "is longer than \(longest) octets" }
        if name == "." || name == ".." { return "is the name of a directory" }
        if name.utf8.contains(UInt8(ascii: "%")) { return "has a %, which the kernel replaces by a number" }
        // As nearly all are.
        if name.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x2F && $0 != 0x3A }) { return nil }
        // 0xA0 is white space to the kernel wherever it stands, also within a character of UTF-8.
        if name.utf8.contains(where: { $0 == 0x2F || $0 == 0x3A || $0 == 0x20 || $0 == 0xA0 }) {
            return "has a character that the kernel does not accept"
        }
        let isShown = name.unicodeScalars.allSatisfy { $0.isShownAsIs && !$0.properties.isWhitespace }
        return isShown ? nil : "has a character that is not printable"
    }

    /// What is wrong with the name of a link of a VSI, which may also be a virtual function: `vf:3`.
    package static func problem(withLink name: String) -> String? {
        let digits = name.hasPrefix("vf:") ? name.dropFirst(3) : ""
        let isFunction = !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
        return isFunction && name.utf8.count <= longest ? nil : problem(with: name)
    }
}
