/// Where the control sockets are.
package enum ControlSocketPath {
    /// The control socket, unless the configuration names another.
    package static let standard = "/run/evbd/evbd.sock"

    /// The read-only socket beside a control socket: `-ro` before its `.sock`.
    package static func readOnly(beside socket: String) -> String {
        socket.hasSuffix(".sock") ? "\(socket.dropLast(5))-ro.sock" : "\(socket)-ro"
    }
}
