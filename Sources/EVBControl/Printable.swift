/// Shows a text of a stranger on one line of a terminal: escapes what could move its cursor or change its colours.
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
        if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) {
            shown += scalar.escaped(asASCII: true)
        } else {
            shown.unicodeScalars.append(scalar)
        }
    }
    return shown
}
