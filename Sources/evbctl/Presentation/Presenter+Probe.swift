internal import EVBModel
internal import TerminalText

extension Presenter {
    /// What a bridge can do, as a table to send.
    func probe(_ report: ProbeReport) -> String {
        var facts = Table(heading: [])
        facts.rows = [[Cell("Port"), Cell(report.port, .heading)], [Cell("Dialect"), Cell(report.dialect.rawValue)]]
        if let neighbour = report.neighbour {
            facts.rows += [
                [Cell("Switch"), Cell(neighbour.systemName ?? neighbour.chassisID)],
                [Cell("Description"), Cell(neighbour.systemDescription ?? "-")],
                [Cell("Its port"), Cell(neighbour.portDescription ?? neighbour.portID)],
            ]
        }
        if let remote = report.evbTLV.remote {
            facts.rows.append([
                Cell("EVB TLV"),
                Cell(
                    "BGID \(remote.bgid ? 1 : 0), RRCAP \(remote.rrcap ? 1 : 0), RRCTR \(remote.rrctr ? 1 : 0), "
                        + "R \(remote.retries), RTE \(remote.rte), RWD \(remote.rwd), RKA \(remote.rka)"),
            ])
        }
        let keepAlive =
            switch report.keepAlive {
            case .followed: "the station's period (RKA) is in force there"
            case .notFollowed: "a longer period (RKA) of the station is not taken: it keeps its own"
            case .ownIsLonger: "its own period (RKA) is as long as the station's or longer"
            case .unknown: "not known"
            }
        facts.rows.append([Cell("Keep-alive"), Cell(keepAlive)])
        var table = Table(heading: ["STEP", "GRANTED", "OUTCOME", "FLAGS", "SENT", "ANSWERS", "FIRST", "LAST", "AGAIN"])
        table.rows = report.steps.map { step in
            let flags = [step.hard == true ? "Hard" : nil, step.keep == true ? "Keep" : nil].compactMap(\.self)
            let reason = step.reason.map { " \(step.reasonCode.map { "\($0), " } ?? "")\($0.rawValue)" } ?? ""
            return [
                Cell(step.name), Cell("\(step.granted) of \(step.asked)"),
                Cell(step.outcome + reason, step.outcome == "granted" ? .good : .warning),
                Cell(flags.isEmpty ? "-" : flags.joined(separator: " ")), Cell(pdus(step.sentPDUs, step.largestSent)),
                Cell(pdus(step.answerPDUs, step.largestAnswer)), Cell(time(step.firstMicroseconds)),
                Cell(time(step.lastMicroseconds)), Cell("\(step.repeats)"),
            ]
        }
        let end = report.isComplete ? [] : ["The probe was given up, as the switch took too long."]
        let legend =
            "SENT and ANSWERS: ECPDUs, and the most VSIs in one. FIRST and LAST: answers after the first command."
        let conclusion = report.conclusion.map { [sentence("Conclusion: \($0).", .heading)] } ?? []
        return ([facts.rendered(colour: colour), table.rendered(colour: colour), legend] + end + conclusion).joined(
            separator: "\n\n")
    }

    private func pdus(_ count: Int, _ largest: Int) -> String { count == 0 ? "-" : "\(count) (\(largest))" }

    private func time(_ microseconds: Int?) -> String {
        guard let microseconds else { return "-" }
        let tenths = microseconds / 100
        return "\(tenths / 10).\(tenths % 10) ms"
    }
}
