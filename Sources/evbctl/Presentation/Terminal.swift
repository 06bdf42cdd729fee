// The two streams of evbctl.

internal import Glibc

enum Terminal {
    /// A presenter for standard output: with colour on a terminal, unless NO_COLOR or a dumb terminal says otherwise.
    static var presenter: Presenter {
        let wanted = getenv("NO_COLOR").map { $0.pointee == 0 } ?? true
        let capable = getenv("TERM").map { String(cString: $0) != "dumb" } ?? false
        return Presenter(colour: isTerminal && wanted && capable, width: width)
    }

    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Columns of the terminal at standard output; nil where it goes elsewhere or does not know.
    private static var width: Int? {
        var size = winsize()
        guard isTerminal, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    /// Shows lines on standard output.
    static func show(_ text: String) {
        print(text)
    }

    /// Brings what was shown to whoever reads, which a pipe would otherwise hold back.
    static func flush() {
        fflush(nil)
    }

    /// Leaves what is on the screen, for one that is drawn again and again.
    static func takeScreen() {
        Interrupt.onEnd("\u{1B}[?25h\u{1B}[?1049l")
        print("\u{1B}[?1049h\u{1B}[?25l", terminator: "")
        isOurs = true
    }

    /// Shows again what was on the screen before ``takeScreen()``.
    static func giveScreenBack() {
        guard isOurs else { return }
        isOurs = false
        print("\u{1B}[?25h\u{1B}[?1049l", terminator: "")
        flush()
    }

    nonisolated(unsafe) private static var isOurs = false

    /// Draws lines over those that were drawn before; elsewhere than on a screen, below them.
    static func draw(_ text: String) {
        guard isOurs else {
            print(text + "\n")
            return
        }
        var size = winsize()
        let rows = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_row > 1 ? Int(size.ws_row) : .max
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(rows)
        print("\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\n") + "\u{1B}[J", terminator: "")
    }

    /// Shows lines on standard error.
    static func complain(_ text: String) {
        flush()
        var rest = Array((text + "\n").utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            // There is nobody left to tell that standard error cannot be written.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
