internal import EVBControl
internal import EVBModel
internal import EVBPorts
internal import EVBWire
internal import LinuxSystem

// Taking ports out of service.

extension DaemonService {
    func drain(_ call: DrainRequest, _ reply: ControlReplyHandle) throws(ControlError) {
        let port = try station(call.port)
        do throws(SystemError) {
            try port.drain(seconds: call.seconds)
        } catch {
            throw ControlError(
                .busy(limit: "storage"),
                message: "the drain of \(port.name) cannot be stored, and a restart of evbd would end it: \(error)",
                hint: "make room in the runtime directory, or make it writable, and drain again")
        }
        reply.answer(.portStatus(port.status))
    }

    /// A request is taken, and waits for the end of the drain.
    static func drained(_ port: String, _ vsiID: VSIID) -> ControlError {
        ControlError(
            .noBridge(port: port, vsiID: vsiID.description),
            message: "\(port) is drained, so VSI \(vsiID) has to wait; the request is taken",
            hint: "evbctl drain \(port) --end takes the port back into service")
    }
}
