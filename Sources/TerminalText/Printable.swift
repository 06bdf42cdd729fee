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
    if text.utf8.count <= longest, text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return text }
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

/// Appends what ``printable(_:longest:)`` gives, without a text of it where all may be shown as it is.
package func appendPrintable(_ text: String, longest: Int, to octets: inout [UInt8]) {
    var text = text
    let isShownAsIs = text.withUTF8 { text in
        guard text.count <= longest, text.allSatisfy({ (0x20...0x7E).contains($0) }) else { return false }
        octets.append(contentsOf: text)
        return true
    }
    if !isShownAsIs { octets.append(contentsOf: printable(text, longest: longest).utf8) }
}

/// Shows a text of several lines as ``printable(_:longest:)`` shows one line; its line ends are kept.
package func printableLines(_ text: String) -> String {
    text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }
        .joined(separator: "\n")
}

/// How many columns of a terminal a printable text takes: marks that stand on another character take none, East Asian wide
/// characters and emoji two.
package func displayWidth(_ text: String) -> Int {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
    var width = 0
    for scalar in text.unicodeScalars { width += displayWidth(scalar) }
    return width
}

private func displayWidth(_ scalar: Unicode.Scalar) -> Int {
    if scalar.value < 0x300 { return 1 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: break
    }
    let isWide =
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
            0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
            true
        default: false
        }
    return isWide ? 2 : 1
}

/// The beginning of a printable text that fits a number of columns, with an ellipsis where something is missing.
package func shortened(_ text: String, columns: Int) -> String {
    guard displayWidth(text) > columns else { return text }
    var (shown, width) = ("", 0)
    for character in text {
        let taken = displayWidth(String(character))
        guard width + taken < columns else { break }
        shown.append(character)
        width += taken
    }
    return columns < 1 ? "" : shown + "\u{2026}"
}
