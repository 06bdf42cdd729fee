internal import EVBModel
internal import TerminalText

extension Presenter {
    /// What a configuration changes, or has changed.
    func reload(_ report: ReloadReport) -> String {
        let changes = report.ports.filter { $0.change != .kept }
        let kept = report.ports.count - changes.count
        var lines = changes.map { port in
            let ended = port.endedVSIs == 0 ? "" : ", and \(Self.vsis(port.endedVSIs)) on it end"
            return "\(printable(port.interface)): \(port.change.rawValue)\(ended)"
        }
        if kept > 0 { lines.append("\(kept == 1 ? "1 port" : "\(kept) ports") unchanged") }
        lines += report.warnings.map { "warning: \(printable($0))" }
        if report.isApplied {
            lines.append("configuration in force")
        } else {
            lines.append("nothing done; evbctl reload\(report.endedVSIs == 0 ? "" : " --yes") does it")
        }
        return lines.joined(separator: "\n")
    }

    private static func vsis(_ count: Int) -> String { count == 1 ? "1 VSI" : "\(count) VSIs" }
}
