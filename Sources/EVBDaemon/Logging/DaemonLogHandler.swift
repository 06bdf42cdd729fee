internal import EVBPorts
package import Logging
internal import TerminalText

/// Writes log messages for whoever reads them: with fields to the journal under systemd, as lines to standard error else.
///
/// Everything in them is shown as ``printable(_:longest:)`` shows it, in text and in the fields.
package struct DaemonLogHandler: LogHandler {
    /// Characters of one value, and of one message: what a peer says is not longer, and what is longer is of no use in a log.
    private static let longestValue = 4096

    /// The level of all loggers, or this one's own once it is set.
    package var logLevel: Logger.Level {
        get { own ?? threshold.level }
        set { own = newValue }
    }
    private var own: Logger.Level?
    private let threshold: LogThreshold
    package var metadata: Logger.Metadata = [:]
    private let output: LogOutput

    /// Makes a handler.
    ///
    /// - Parameters:
    ///   - threshold: the least severe level that is written.
    ///   - output: where lines go.
    package init(threshold: LogThreshold, output: LogOutput) {
        self.threshold = threshold
        self.output = output
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let message = "\(event.message)"
        // What is configured at these levels is wanted whole, and what is critical is told in any case.
        if event.level >= .info, event.level != .critical {
            let port = fields["port"].map { "\($0)" }
            let isAboutVSI = fields["vsi"] != nil
            let hasReserve = isAboutVSI || port == nil && !LogSource.others.contains(event.source)
            let source = LogQuota.Source(
                name: port ?? event.source, isAboutVSI: isAboutVSI, hasReserve: hasReserve)
            guard output.admits(source, message) else { return }
        }
        let pairs = fields.sorted { $0.key < $1.key }.map {
            (key: $0.key, value: printable("\($0.value)", longest: Self.longestValue))
        }
        let details = pairs.map { "\($0.key)=\($0.value.contains(" ") ? "\"\($0.value)\"" : $0.value)" }
        let line = ([printable(message, longest: Self.longestValue)] + details).joined(separator: " ")
        output.write(level: event.level, message: line, fields: pairs)
    }
}
