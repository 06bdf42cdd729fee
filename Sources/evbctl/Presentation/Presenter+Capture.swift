internal import EVBModel
internal import TerminalText

extension Presenter {
    /// A captured frame on one line: when, which way, from whom to whom, and what evbd makes of it.
    func frame(_ frame: CapturedFrame) -> String {
        let time = Cell(Units.time(nanoseconds: frame.timeNanoseconds), .faint).rendered(colour: colour)
        func address(_ from: Int) -> String {
            let digits = Array(frame.octets.utf8.dropFirst(from).prefix(12))
            guard digits.count == 12 else { return "?" }
            return stride(from: 0, to: 12, by: 2).map { String(decoding: digits[$0..<$0 + 2], as: UTF8.self) }
                .joined(separator: ":")
        }
        let direction = frame.direction == .received ? "received" : "sent"
        let view = Cell(frame.view.joined(separator: "; "), frame.ignored ? .warning : .plain).rendered(colour: colour)
        return "\(time) \(direction) \(printable(address(12))) > \(printable(address(0))) \(view)"
    }
}
