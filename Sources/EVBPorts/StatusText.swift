package import EVBModel
package import JSON

/// A port's status as JSON, kept for clients that ask again and again until something changes of what it is made of.
///
/// The port drops it with each change of its protocol's state, whatever that is: with keep-alives too, which a status does not show.
package struct StatusText {
    private var octets: [UInt8]?

    package init() {}

    /// What the status is made of has changed.
    @inline(__always) package mutating func drop() { if octets != nil { octets = nil } }

    /// Writes the text that is kept, or that of `status`.
    ///
    /// - Parameters:
    ///   - writer: where it is written.
    ///   - isKept: whether all that the status is made of is the port's; what others say of it is asked for each time.
    ///   - status: makes the status.
    package mutating func write(to writer: inout JSONWriter, isKept: Bool, _ status: () -> PortStatus) {
        if isKept, let octets { return writer.value(octets: octets) }
        let status = status()
        // That the peer has not said whether it reflects turns into a refusal by time alone.
        guard isKept, status.reflectiveRelay.status != .unknown else { return status.write(to: &writer) }
        let text = JSONWriter.octets(of: status)
        octets = text
        writer.value(octets: text)
    }
}
