internal import CLinux
internal import Glibc

/// The network of another process, and whether this process is the machine's.
package enum ProcessNetwork {
    /// Moves the calling thread into the network namespace of a process, and gives the hardware address of an interface there.
    ///
    /// The thread stays there; paths of files and Unix sockets mean the same as before.
    ///
    /// - Returns: the address in six octets; nil where there is no such interface, or it has another kind of address.
    /// - Throws: `SystemError`.
    package static func enter(process: Int32, addressOf interface: String) throws(SystemError) -> [UInt8]? {
        guard clinux_enter_network(process) == 0 else {
            throw SystemError(call: "enter the network of process \(process)", code: errno)
        }
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else {
            throw SystemError(call: "list the interfaces of process \(process)", code: errno)
        }
        defer { freeifaddrs(first) }
        var next = first
        while let entry = next {
            next = entry.pointee.ifa_next
            guard let address = entry.pointee.ifa_addr, address.pointee.sa_family == sa_family_t(AF_PACKET),
                String(cString: entry.pointee.ifa_name) == interface
            else { continue }
            return address.withMemoryRebound(to: sockaddr_ll.self, capacity: 1) { link in
                guard link.pointee.sll_halen == 6 else { return nil }
                return withUnsafeBytes(of: link.pointee.sll_addr) { Array($0.prefix(6)) }
            }
        }
        return nil
    }

    /// Whether user numbers mean here what they mean on the machine: not so in the user namespace of a rootless container runtime.
    package static var isOfMachine: Bool {
        guard let octets = try? Files.read("/proc/self/uid_map", limit: 4096) else { return true }
        let words = String(decoding: octets, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        return words == ["0", "0", "4294967295"]
    }
}
