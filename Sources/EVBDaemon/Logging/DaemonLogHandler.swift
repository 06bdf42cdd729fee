internal import EVBLog
internal import EVBPorts
package import Logging

/// Writes log messages for their reader: with fields to the journal under systemd, as lines to standard error else.
package struct DaemonLogHandler: LogHandler {
    /// The level of all loggers, or this one's own once it is set.
    package var logLevel: Logger.Level {
        get { ownLevel ?? threshold.level }
        set { ownLevel = newValue }
    }
    private var ownLevel: Logger.Level?
    private let threshold: LogThreshold
    package var metadata: Logger.Metadata = [:] {
        didSet {
            own = LogFacts()
            own.add(metadata)
        }
    }
    /// What each line of this logger says.
    private var own = LogFacts()
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
        var facts = LogFacts()
        facts.add(event.metadata ?? [:])
        for fact in own.all where facts[fact.key] == nil { facts.set(fact.key, fact.value) }
        if facts[.who] == nil, let requester = Requester.current { facts.set(.who, requester.description) }
        let message = event.message.description
        // What is configured at these levels is wanted whole, and what is critical is told in any case.
        if event.level >= .info, event.level != .critical {
            let port: String? = if case .text(let port)? = facts[.port] { port } else { nil }
            let isAboutVSI = facts[.vsi] != nil
            let hasReserve = isAboutVSI || port == nil && !LogSource.others.contains(event.source)
            let source = LogQuota.Source(
                name: port ?? event.source, isAboutVSI: isAboutVSI, hasReserve: hasReserve)
            guard output.admits(source, message) else { return }
        }
        output.write(LogEntry(level: event.level, message: message, facts: facts))
    }
}
