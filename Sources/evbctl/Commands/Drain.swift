internal import ArgumentParser
internal import EVBControl
internal import EVBModel

struct Drain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Take a port out of service for maintenance of the switch, and back.",
        discussion: """
            The switch is asked to release all VSIs of the port, and their links are set down, so that a machine with another \
            link goes over to that at once. All stays wanted: libvirt and other managers hear nothing, new requests are taken \
            and wait, and the loss of the switch is no alarm. When the drain ends, by --end or by itself, all is asked for. It \
            survives a restart of evbd.

            EXAMPLES
              evbctl drain eth0 --for 30m
              evbctl drain eth0 --end
            """)

    @Argument(
        help: ArgumentHelp("The interface of the port, one of role station.", valueName: "iface"),
        completion: LiveCompletion.ports.kind)
    var interface: String

    @Flag(help: "Take the port back into service.")
    var end = false

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("How long, such as 90s, 30m, 4h or 2d, at most 7d (default: 2h).", valueName: "time"),
        transform: parseTime)
    var time: Int?

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard !end || time == nil else { throw ValidationError("give --end or --for, not both") }
    }

    func run() throws {
        if end {
            try global.show(.endDrain, EndDrainRequest(port: interface), "port", as: PortStatus.self) { $0.drained($1) }
        } else {
            let request = DrainRequest(port: interface, seconds: time ?? PortDrain.secondsDefault)
            try global.show(.drain, request, "port", as: PortStatus.self) { $0.drained($1) }
        }
    }
}

/// Reads a time as a number and s, m, h or d; seconds where there is only a number.
func parseTime(_ text: String) throws -> Int {
    let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    let unit = text.last.flatMap { units[$0] }
    let digits = unit == nil ? text[...] : text.dropLast()
    guard let number = Int(digits), !digits.hasPrefix("+"), number > 0 else {
        throw ValidationError("\(text) is no time; give one like 90s, 30m, 4h or 2d")
    }
    let (seconds, hasOverflown) = number.multipliedReportingOverflow(by: unit ?? 1)
    guard !hasOverflown, PortDrain.secondsRange.contains(seconds) else {
        throw ValidationError("\(text) is too long; give at most 7d")
    }
    return seconds
}
