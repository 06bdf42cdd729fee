internal import EVBLog
internal import Logging
internal import TerminalText

/// A line of the log: its text, and its facts as fields for the journal.
///
/// Everything in it is shown as ``printable(_:longest:)`` shows it, in text and in the fields.
struct LogEntry {
    /// A field of the journal, under the name that it has there.
    struct Field: Equatable {
        var name: String
        var value: String
    }

    /// Characters of one value, and of one message: what a peer says is not longer, and what is longer is of no use in a log.
    private static let longestValue = 4096
    /// Values of one fact that are written, such as the addresses of a VSI.
    private static let valuesMax = 8

    var level: Logger.Level
    /// The message, and behind it the facts as `key=value`.
    var text: String
    /// PORT, VSI and what else is known, without those that every line has.
    var fields: [Field] = []
    var alert: LogAlert?

    /// An entry of text alone.
    init(level: Logger.Level, text: String, fields: [Field] = [], alert: LogAlert? = nil) {
        self.level = level
        self.text = text
        self.fields = fields
        self.alert = alert
    }

    /// An entry of a message and its metadata.
    init(level: Logger.Level, message: String, metadata: Logger.Metadata) {
        self.level = level
        text = printable(message, longest: Self.longestValue)
        text.reserveCapacity(text.utf8.count + 32 * metadata.count)
        fields.reserveCapacity(metadata.count)
        let facts = metadata.map { (place: Self.place($0.key), key: $0.key, value: $0.value) }
        for (_, key, value) in facts.sorted(by: { ($0.place, $0.key) < ($1.place, $1.key) }) {
            guard key != LogAlert.key else {
                alert = LogAlert(rawValue: "\(value)")
                continue
            }
            let (name, values) = (Self.fieldName(key), Self.values(value))
            for value in values { fields.append(Field(name: name, value: value)) }
            if !values.isEmpty, key != Self.fieldOnly {
                append(key, values.count == 1 ? values[0] : values.joined(separator: ","))
            }
        }
    }

    /// Appends a fact to the text.
    private mutating func append(_ key: String, _ value: String) {
        let isQuoted = value.utf8.contains(UInt8(ascii: " "))
        text += " "
        text += key
        text += isQuoted ? "=\"" : "="
        text += value
        if isQuoted { text += "\"" }
    }

    private static func values(_ value: Logger.Metadata.Value) -> [String] {
        guard case .array(let all) = value else { return [printable("\(value)", longest: longestValue)] }
        let rest = all.count > valuesMax ? ["and \(all.count - valuesMax) more"] : []
        return all.prefix(valuesMax).map { printable("\($0)", longest: longestValue) } + rest
    }

    // MARK: Keys

    /// Facts stand in this order, then others by their names.
    private static let first = ["port", "reason", "vsi", "mac", "link", "type", "manager"]
    /// The message says it in words.
    private static let fieldOnly = "to"
    /// Facts that have one name in the journal, whatever they are called in a line.
    private static let names = [
        "port": "PORT", "vsi": "VSI", "link": "LINK", "mac": "MAC", "address": "MAC", "type": "TYPE",
        "manager": "MANAGER", "who": "WHO", "reason": "REASON", "error": "REASON", "problem": "REASON",
        "cause": "REASON", "from": "EVBD_FROM", "to": "EVBD_TO",
    ]

    private static func place(_ key: String) -> Int {
        first.firstIndex(of: key) ?? (key == "who" ? first.count + 1 : first.count)
    }

    /// PORT for `port`, EVBD_COUNT for `count`: a field's name has capitals, digits and underscores.
    static func fieldName(_ key: String) -> String {
        names[key]
            ?? "EVBD_"
            + key.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? String($0) : "_" }.joined()
    }

    // MARK: As the journal takes it

    /// The entry in the journal's native protocol.
    var octets: [UInt8] {
        var entry: [UInt8] = []
        Self.append("MESSAGE", text, to: &entry)
        Self.append("PRIORITY", "\(level.syslogPriority)", to: &entry)
        Self.append("SYSLOG_IDENTIFIER", "evbd", to: &entry)
        if let alert { Self.append("MESSAGE_ID", alert.messageID, to: &entry) }
        for field in fields { Self.append(field.name, field.value, to: &entry) }
        return entry
    }

    /// A field on a line of its own; a value with newlines goes with its length in front.
    static func append(_ name: String, _ value: String, to entry: inout [UInt8]) {
        entry += Array(name.utf8)
        let octets = Array(value.utf8)
        if octets.contains(0x0A) {
            entry.append(0x0A)
            entry += (0..<8).map { UInt8(truncatingIfNeeded: octets.count >> (8 * $0)) }
        } else {
            entry.append(UInt8(ascii: "="))
        }
        entry += octets
        entry.append(0x0A)
    }
}

extension Logger.Level {
    /// The level of syslog(3).
    var syslogPriority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
