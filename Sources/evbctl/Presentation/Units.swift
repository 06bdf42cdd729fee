// Numbers as people read them.

enum Units {
    /// The time that an exponent of the EVB TLV stands for: 10 us x 2^exponent.
    ///
    /// - Parameter exponent: 0 to 31; what a stranger sends beyond is shown as a question mark.
    /// - Returns: such as `163.84 ms`.
    static func timer(exponent: Int) -> String {
        guard (0...31).contains(exponent) else { return "?" }
        let microseconds = 10 << exponent
        switch microseconds {
        case ..<1000: return "\(microseconds) us"
        case ..<1_000_000: return "\(hundredths(microseconds, of: 1000)) ms"
        default: return "\(hundredths(microseconds, of: 1_000_000)) s"
        }
    }

    private static func hundredths(_ value: Int, of unit: Int) -> String {
        let rounded = (value * 100 + unit / 2) / unit
        let fraction = rounded % 100
        return "\(rounded / 100)." + (fraction < 10 ? "0" : "") + "\(fraction)"
    }

    /// A span of time by its two largest units: `3 d 4 h`, `5 min 12 s`.
    static func uptime(seconds: Int) -> String {
        let parts = [
            (seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s"),
        ]
        let first = parts.firstIndex { $0.0 > 0 } ?? parts.count - 1
        return parts[first...].prefix(2).map { "\($0.0) \($0.1)" }.joined(separator: " ")
    }

    /// A short span of time, rounded up to whole seconds, such as `7 s` or `2 min 5 s`.
    static func seconds(milliseconds: Int) -> String {
        let whole = max(milliseconds, 0) / 1000
        return uptime(seconds: whole + (milliseconds > whole * 1000 ? 1 : 0))
    }

    /// A span of time, given in hundredths of a second, as ``uptime(seconds:)`` tells it.
    static func span(hundredths: Int) -> String { uptime(seconds: max(hundredths, 0) / 100) }

    /// A moment in UTC, as `2026-11-21T05:06:52.123456789Z`, given in nanoseconds since 1970.
    static func time(nanoseconds: Int) -> String {
        let text = time(milliseconds: nanoseconds / 1_000_000)
        guard nanoseconds >= 0, text.hasSuffix("Z") else { return text }
        let rest = "\(nanoseconds % 1_000_000)"
        return text.dropLast() + String(repeating: "0", count: 6 - rest.count) + rest + "Z"
    }

    /// A moment in UTC, as `2026-11-21T05:06:52.123Z`.
    ///
    /// - Parameter milliseconds: since 1970.
    /// - Returns: the moment after RFC 3339; years beyond 9999 are shown as a number of milliseconds.
    static func time(milliseconds: Int) -> String {
        guard (0..<253_402_300_800_000).contains(milliseconds) else { return "\(milliseconds) ms" }
        func digits(_ value: Int, _ count: Int) -> String {
            let text = "\(value)"
            return String(repeating: "0", count: max(count - text.count, 0)) + text
        }
        // Days to a date, by eras of 400 years that begin in March: the leap day is then the last of its year.
        let days = milliseconds / 86_400_000 + 719_468
        let dayOfEra = days % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + days / 146_097 * 400 + (month <= 2 ? 1 : 0)
        let rest = milliseconds % 86_400_000
        let date = "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))"
        let clock = [rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60].map { digits($0, 2) }
        return "\(date)T\(clock.joined(separator: ":")).\(digits(rest % 1000, 3))Z"
    }
}
