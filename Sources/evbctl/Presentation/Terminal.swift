// The two streams of evbctl.

internal import Glibc

enum Terminal {
    /// A presenter for standard output: with colour on a terminal, unless NO_COLOR or a dumb terminal says otherwise.
    static var presenter: Presenter {
        let wanted = getenv("NO_COLOR").map { $0.pointee == 0 } ?? true
        let capable = getenv("TERM").map { String(cString: $0) != "dumb" } ?? false
        return Presenter(colour: isatty(STDOUT_FILENO) == 1 && wanted && capable)
    }

    /// Shows lines on standard output.
    static func show(_ text: String) {
        print(text)
    }

    /// Brings what was shown to whoever reads, which a pipe would otherwise hold back.
    static func flush() {
        fflush(nil)
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
