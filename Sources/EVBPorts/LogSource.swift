/// Parts of the daemon whose lines others cause.
package enum LogSource {
    /// Clients of the control socket.
    package static let clients = "clients"
    /// Senders of netlink requests.
    package static let libvirt = "libvirt"
    /// All of them.
    package static let others: Set<String> = [clients, libvirt]
}
