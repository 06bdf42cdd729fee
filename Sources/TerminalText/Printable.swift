// What of a text may reach a terminal as it is. Everything that evbd and evbctl print goes through here.

extension Unicode.Scalar {
    /// Whether a terminal shows the scalar, and does nothing else with it.
    ///
    /// False for controls (C0, DEL, C1), for format characters (those of the bidirectional algorithm, which reorder the text
    /// around them, and those without a width), for line and paragraph separators, and for what Unicode has not assigned yet or
    /// has no glyph for.
    package var isShownAsIs: Bool {
        if value < 0x7F { return value >= 0x20 }
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: return false
        default: return !properties.isDefaultIgnorableCodePoint
        }
    }
}

/// Shows a text of a stranger on one line of a terminal: escapes what could move its cursor, change its colours, reorder the
/// text or hide in it.
///
/// - Parameters:
///   - text: any text.
///   - longest: after how many characters it is cut and an ellipsis put.
/// - Returns: printable text.
package func printable(_ text: String, longest: Int = .max) -> String {
    var shown = ""
    var count = 0
    for scalar in text.unicodeScalars {
        if count == longest { return shown + "..." }
        count += 1
        if scalar.isShownAsIs {
            shown.unicodeScalars.append(scalar)
        } else {
            shown += scalar.escaped(asASCII: true)
        }
    }
    return shown
}

/// Shows a text of several lines as ``printable(_:longest:)`` shows one line; its line ends are kept.
package func printableLines(_ text: String) -> String {
    text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }
        .joined(separator: "\n")
}
