internal import EVBModel
internal import TerminalText

extension Presenter {
    /// That a port is out of service; nil while it is not.
    func drain(_ port: PortStatus) -> String? {
        port.drain.map { drain in
            let text =
                "\(port.interface) is DRAINED until \(Units.time(milliseconds: drain.untilMilliseconds)), as \(drain.by) wanted; "
                + "evbctl drain \(port.interface) --end takes it back into service"
            return Cell(text, .warning).rendered(colour: colour)
        }
    }

    /// What became of a port that was to be drained, or taken back into service.
    func drained(_ port: PortStatus) -> String {
        let count = port.vsis.all
        let vsis = count == 1 ? "1 VSI" : "\(count) VSIs"
        guard let drain = port.drain else { return "\(printable(port.interface)) is in service; \(vsis) asked for" }
        return "\(printable(port.interface)) is drained until \(Units.time(milliseconds: drain.untilMilliseconds)); "
            + (count == 1 ? "1 VSI waits" : "\(vsis) wait")
    }
}
