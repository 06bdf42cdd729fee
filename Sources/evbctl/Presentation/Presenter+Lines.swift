internal import TerminalText

extension Presenter {
    /// A sentence in one style, in as many lines as the terminal needs: broken between words, all but the first indented. Where the
    /// width is not known, as in a pipe, it is one line.
    func sentence(_ text: String, _ style: Style) -> String {
        Self.lines(printable(text), width: width).map { Cell($0, style).rendered(colour: colour) }
            .joined(separator: "\n")
    }

    /// - Parameters:
    ///   - text: what may be shown.
    ///   - width: columns; a word that has more is a line of its own.
    /// - Returns: the lines; nothing of the text is lost but the spaces at which it was broken.
    static func lines(_ text: String, width: Int?) -> [String] {
        guard let width, displayWidth(text) > width else { return [text] }
        let indent = "  "
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if !line.isEmpty, displayWidth(line) + 1 + displayWidth(String(word)) > width {
                lines.append(line)
                line = indent + word
            } else {
                line += line.isEmpty ? String(word) : " " + word
            }
        }
        return lines + [line]
    }
}
