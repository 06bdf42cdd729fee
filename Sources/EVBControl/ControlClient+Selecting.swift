public import EVBModel
internal import TerminalText

/// Which VSI a text has turned out to name.
public struct SelectedVSI: Sendable, Equatable {
    public var vsiID: String
    /// The port that it is on; nil where evbd was not asked, because the text is a VSIID in full.
    public var port: String?
    /// The VSI as it was listed; nil as `port` is.
    public var status: VSIStatus?
}

extension ControlClient {
    /// The greatest number of VSIs that an error names.
    private static let candidatesMax = 10

    /// The one VSI that a text names; a name in full goes before the first digits of a VSIID.
    ///
    /// The answer is as old as the call: who acts on it acts on that VSI, whatever has its link by then.
    ///
    /// - Parameters:
    ///   - text: as ``VSISelector`` reads it.
    ///   - port: only VSIs on this port; nil for all.
    ///   - timeoutMilliseconds: how long to wait for each reply.
    /// - Returns: the VSI.
    /// - Throws: ``ControlClientError/refused(_:)`` with `NoSuchVSI`, or with `InvalidArgument` where several are meant, which
    ///   it lists.
    public func select(
        _ text: String, port: String? = nil, timeoutMilliseconds: Int
    ) throws(ControlClientError) -> SelectedVSI {
        let selector = VSISelector(text)
        if let problem = selector.problem {
            throw .refused(
                ControlError(.invalidArgument(argument: "vsiID"), message: problem, hint: VSISelector.rule))
        }
        if let vsiID = selector.wholeID { return SelectedVSI(vsiID: vsiID, port: port, status: nil) }
        var found: [VSIStatus] = []
        try stream(
            .listVSIs, ListVSIsRequest(port: port, match: text), timeoutMilliseconds: timeoutMilliseconds
        ) { answer throws(ControlClientError) in
            found += try answer.value("vsis", as: [VSIStatus].self)
            return true
        }
        let named = found.filter { selector.isFullName(of: $0) }
        if !named.isEmpty { found = named }
        guard let vsi = found.first else { throw .refused(Self.unknown(selector, port)) }
        guard found.count == 1 else { throw .refused(Self.ambiguous(text, found)) }
        return SelectedVSI(vsiID: vsi.vsiID, port: vsi.port, status: vsi)
    }

    private static func unknown(_ selector: VSISelector, _ port: String?) -> ControlError {
        let what =
            "no VSI\(port.map { " on \($0)" } ?? "") has the link, MAC address or label \"\(printable(selector.text))\""
        let digits = selector.uuidDigits == nil ? "" : ", or a UUID that begins so"
        return ControlError(
            .noSuchVSI(vsiID: selector.text, port: port), message: what + digits,
            hint: "see evbctl vsi list; \(VSISelector.rule)")
    }

    /// One line for each that is meant, so that the next command can name it.
    private static func ambiguous(_ text: String, _ found: [VSIStatus]) -> ControlError {
        let lines = found.prefix(candidatesMax).map { vsi in
            let names = [vsi.link.map { "link \($0.name)" }, vsi.label.map { "label \($0)" }].compactMap(\.self)
            return "\(vsi.vsiID) on \(vsi.port)" + (names.isEmpty ? "" : " (\(names.joined(separator: ", ")))")
        }
        let rest = found.count - lines.count
        let isOnePort = Set(found.map(\.port)).count == 1
        let isOneID = Set(found.map(\.vsiID)).count == 1
        return ControlError(
            .invalidArgument(argument: isOneID ? "port" : "vsiID"),
            message: "\"\(printable(text))\" means \(found.count) VSIs: \(lines.joined(separator: "; "))"
                + (rest > 0 ? "; and \(rest) more" : ""),
            hint: isOneID
                ? "say which by --port"
                : "give more of the UUID\(isOnePort ? "" : ", or --port where the command has it")")
    }
}
