internal import EVBPorts
package import Logging

/// Writes log messages for their reader: with fields to the journal under systemd, as lines to standard error else.
package struct DaemonLogHandler: LogHandler {
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
        var facts = metadata.merging(event.metadata ?? [:]) { _, new in new }
        if facts["who"] == nil, let requester = Requester.current { facts["who"] = "\(requester)" }
        let message = "\(event.message)"
        // What is configured at these levels is wanted whole, and what is critical is told in any case.
        if event.level >= .info, event.level != .critical {
            let port = facts["port"].map { "\($0)" }
            let isAboutVSI = facts["vsi"] != nil
            let hasReserve = isAboutVSI || port == nil && !LogSource.others.contains(event.source)
            let source = LogQuota.Source(
                name: port ?? event.source, isAboutVSI: isAboutVSI, hasReserve: hasReserve)
            guard output.admits(source, message) else { return }
        }
        output.write(LogEntry(level: event.level, message: message, metadata: facts))
    }
}
