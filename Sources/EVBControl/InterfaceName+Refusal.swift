internal import EVBModel
internal import TerminalText

extension InterfaceName {
    /// Refuses a name that breaks the rule.
    ///
    /// - Parameters:
    ///   - name: the name.
    ///   - argument: the parameter that it came in.
    ///   - isLink: whether it is that of a link, which may also be a virtual function; else it is that of a port.
    /// - Throws: `InvalidArgument` with the rule.
    package static func check(_ name: String, _ argument: String, isLink: Bool = false) throws(ControlError) {
        guard let problem = isLink ? problem(withLink: name) : problem(withPort: name) else { return }
        throw ControlError(
            .invalidArgument(argument: argument),
            message: "\"\(printable(name, longest: 32))\" is not an interface name: it \(problem)",
            hint: isLink ? rule : ruleOfPorts)
    }
}
