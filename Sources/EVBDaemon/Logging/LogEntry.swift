internal import EVBLog
internal import Logging
internal import TerminalText

/// A line of the log: its text, and its facts as fields for the journal.
///
/// Everything in it is shown as ``printable(_:longest:)`` shows it, in text and in the fields. It is written straight into octets: thousands
/// of lines may come at once.
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
    /// The message; what a stranger may have put there is printable already.
    private var message: String
    /// What stands behind the message as `key=value`, and in fields of the journal.
    private var facts = LogFacts()
    /// Fields of the journal that the message has in words.
    private var fields: [Field] = []
    private var alert: LogAlert?

    /// An entry of text alone.
    init(level: Logger.Level, text: String, fields: [Field] = [], alert: LogAlert? = nil) {
        self.level = level
        message = text
        self.fields = fields
        self.alert = alert
    }

    /// An entry of a message and its facts.
    init(level: Logger.Level, message: String, facts: LogFacts) {
        self.level = level
        self.message = printable(message, longest: Self.longestValue)
        self.facts = facts
        if case .text(let name)? = facts[.other(LogAlert.key)] { alert = LogAlert(rawValue: name) }
    }

    // MARK: As text

    /// The message says it in words.
    private static let fieldOnly = "to"

    /// The message, and behind it the facts.
    var text: [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(message.utf8.count + 40 * facts.all.count)
        appendText(to: &octets)
        return octets
    }

    /// Appends the message, and behind it the facts.
    func appendText(to octets: inout [UInt8]) {
        octets.append(contentsOf: message.utf8)
        for fact in facts.all {
            if case .other(let name) = fact.key, name == Self.fieldOnly || name == LogAlert.key { continue }
            let former = octets.count
            octets.append(UInt8(ascii: " "))
            octets.append(contentsOf: fact.key.name.utf8)
            octets.append(UInt8(ascii: "="))
            let start = octets.count
            var isFirst = true
            Self.forEachValue(fact.value) { value in
                if !isFirst { octets.append(UInt8(ascii: ",")) }
                isFirst = false
                appendPrintable(value, longest: Self.longestValue, to: &octets)
            }
            // A list without an element says nothing.
            if isFirst { octets.removeSubrange(former...) }
            Self.quote(from: start, &octets)
        }
    }

    /// Puts a value into quotes where it could be taken for more than one, as a name from the wire may be meant to be.
    private static func quote(from start: Int, _ octets: inout [UInt8]) {
        let quote = UInt8(ascii: "\"")
        guard start < octets.count, octets[start...].contains(where: { $0 == quote || $0 == UInt8(ascii: " ") }) else {
            return
        }
        if octets[start...].contains(quote) {
            octets.replaceSubrange(
                start..., with: octets[start...].flatMap { $0 == quote ? [UInt8(ascii: "\\"), $0] : [$0] })
        }
        octets.insert(quote, at: start)
        octets.append(quote)
    }

    private static func forEachValue(_ value: LogFacts.Value, _ body: (String) -> Void) {
        switch value {
        case .text(let text): body(text)
        case .list(let texts):
            for text in texts.prefix(valuesMax) { body(text) }
            if texts.count > valuesMax { body("and \(texts.count - valuesMax) more") }
        }
    }

    // MARK: As the journal takes it

    /// The entry in the journal's native protocol.
    var octets: [UInt8] {
        let text = text
        var entry: [UInt8] = []
        entry.reserveCapacity(2 * text.count + 128)
        Self.append("MESSAGE", text, to: &entry)
        Self.append("PRIORITY", "\(level.syslogPriority)", to: &entry)
        Self.append("SYSLOG_IDENTIFIER", "evbd", to: &entry)
        if let alert { Self.append("MESSAGE_ID", alert.messageID, to: &entry) }
        for fact in facts.all where fact.key != .other(LogAlert.key) {
            let name = fact.key.journalField
            Self.forEachValue(fact.value) {
                Self.append(name, printable($0, longest: Self.longestValue), to: &entry)
            }
        }
        for field in fields { Self.append(field.name, field.value, to: &entry) }
        return entry
    }

    private static func append(_ name: String, _ value: String, to entry: inout [UInt8]) {
        var value = value
        value.withUTF8 { append(name, $0, to: &entry) }
    }

    /// A field on a line of its own; a value with newlines goes with its length in front.
    private static func append(_ name: String, _ value: some Collection<UInt8>, to entry: inout [UInt8]) {
        entry.append(contentsOf: name.utf8)
        if value.contains(0x0A) {
            entry.append(0x0A)
            for place in 0..<8 { entry.append(UInt8(truncatingIfNeeded: value.count >> (8 * place))) }
        } else {
            entry.append(UInt8(ascii: "="))
        }
        entry.append(contentsOf: value)
        entry.append(0x0A)
    }
}

extension LogFacts.Key {
    /// PORT for `port`, EVBD_COUNT for `count`: a field's name has capitals, digits and underscores. Some facts have one name in the
    /// journal, whatever they are called in a line.
    var journalField: String {
        switch self {
        case .port: "PORT"
        case .reason, .other("error"), .other("problem"), .other("cause"): "REASON"
        case .vsi: "VSI"
        case .mac, .other("address"): "MAC"
        case .link: "LINK"
        case .type: "TYPE"
        case .manager: "MANAGER"
        case .who: "WHO"
        case .other("from"): "EVBD_FROM"
        case .other("to"): "EVBD_TO"
        case .other(let name):
            "EVBD_"
                + name.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? String($0) : "_" }.joined()
        }
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
