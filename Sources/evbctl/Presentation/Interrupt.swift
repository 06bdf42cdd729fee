// What Ctrl-C does. A handler may only write what was made ready before, and end.

internal import Glibc

enum Interrupt {
    /// What the handler writes: octets that stay where they are until the process ends.
    private struct Words {
        var octets: UnsafeMutablePointer<UInt8>?
        var count = 0
    }

    nonisolated(unsafe) private static var onTerminal = Words()
    nonisolated(unsafe) private static var onError = Words()

    /// SIGINT and SIGTERM end evbctl with status 0: an end is what the user waits for.
    static func endsWell() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in
                Interrupt.write(STDOUT_FILENO, Interrupt.onTerminal)
                _exit(0)
            }
        }
    }

    /// SIGINT and SIGTERM are noted, so that what is under way is brought to a good end; the second one ends evbctl at once.
    static func isNoted() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { number in
                Interrupt.isDue = true
                signal(number, SIG_DFL)
            }
        }
    }

    /// Whether a signal was noted.
    nonisolated(unsafe) private(set) static var isDue = false

    /// SIGINT says some words and ends evbctl as it does by default, so that a shell knows of it.
    static func says(_ text: String) {
        onError = words(text)
        signal(SIGINT) { number in
            Interrupt.write(STDERR_FILENO, Interrupt.onError)
            signal(number, SIG_DFL)
            raise(number)
        }
    }

    /// SIGINT is what it is by default.
    static func isDefault() { signal(SIGINT, SIG_DFL) }

    /// What ``endsWell()`` writes on standard output.
    static func onEnd(_ text: String) { onTerminal = words(text) }

    private static func words(_ text: String) -> Words {
        let octets = Array(text.utf8)
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(octets.count, 1))
        memory.update(from: octets, count: octets.count)
        return Words(octets: memory, count: octets.count)
    }

    private static func write(_ descriptor: Int32, _ words: Words) {
        guard let octets = words.octets else { return }
        _ = Glibc.write(descriptor, octets, words.count)
    }
}
