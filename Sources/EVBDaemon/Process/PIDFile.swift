internal import LinuxSystem

/// The file in which libvirt looks for the netlink port to talk to: a decimal number and a newline.
struct PIDFile {
    let path: String
    /// The netlink port at which evbd serves libvirt: the process's number, if that could be had.
    let number: UInt32

    /// Writes the number.
    ///
    /// The file is written in place: where evbd does not run as root, systemd-tmpfiles has made it, and the directory
    /// does not belong to evbd.
    ///
    /// - Throws: `SystemError`.
    func write() throws(SystemError) {
        try Files.write(path, Array("\(number)\n".utf8), mode: 0o644)
    }

    /// Removes the file, or empties it where it cannot be removed; another process's stays.
    func remove() {
        let own = Array("\(number)\n".utf8)
        guard (try? Files.read(path, limit: 64)) == own else { return }
        if (try? Files.unlink(path)) != true { try? Files.write(path, [], mode: 0o644) }
    }
}
