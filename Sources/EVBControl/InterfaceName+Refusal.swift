internal import EVBModel
internal import TerminalText

extension InterfaceName {
    /// Refuses a name that breaks the rule.
    ///
    /// - Parameters:
    ///   - name: the name.
    ///   - argument: the parameter that it came in.
    ///   - isLink: whether it may also be a virtual function.
    /// - Throws: `InvalidArgument` with the rule.
    package static func check(_ name: String, _ argument: String, isLink: Bool = false) throws(ControlError) {
        guard let problem = isLink ? problem(withLink: name) : problem(with: name) else { return }
        throw ControlError(
            .invalidArgument(argument: argument),
            message: "\"\(printable(name, longest: 32))\" is no name of an interface: it \(problem)", hint: rule)
    }
}
