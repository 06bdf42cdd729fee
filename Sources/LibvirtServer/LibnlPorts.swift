internal import Glibc

// libvirt takes the netlink port of its event socket for an error if it is 2^31 or more, and then sends nothing to any EVB
// daemon for as long as it lives. libnl draws that port: the process id in the low 22 bits, and above it a number of ten bits
// that follows from the second in which the process opens its first netlink socket. So does whether libvirt works.

/// The ports that libnl draws.
enum LibnlPorts {
    /// Ports from here on are negative as libvirt reads them.
    static let harmful: UInt32 = 1 << 31
    static let processMask: UInt32 = (1 << 22) - 1
    /// Seconds before the end of a window that are left for libvirtd to start in.
    static let margin = 10
    /// Seconds that a window has to have before that.
    private static let lengthMin = 15
    /// Windows are at most 832 s apart.
    private static let searchMax = 7_200

    /// The block of 32 numbers, 1 to 31, from which the first port of a process is drawn at a second since 1970 (UTC).
    static func block(at second: Int) -> Int {
        let low = UInt32(truncatingIfNeeded: second)
        let state = Int((low ^ (low >> 16) ^ 0x3047) & 0xFFFF)
        return (state / 32 + 6) % 31 + 1
    }

    /// Whether libvirt works if it opens its first netlink socket in this second.
    static func isHarmless(at second: Int) -> Bool { block(at: second) < 16 }

    /// The next seconds in which libvirtd can be started and works; nil for none in the next two hours, which does not happen.
    static func nextWindow(after now: Int) -> Range<Int>? {
        var start = now + 5
        let end = now + searchMax
        while start < end {
            guard isHarmless(at: start) else {
                start += 1
                continue
            }
            var stop = start
            while stop < end, isHarmless(at: stop) { stop += 1 }
            if stop - margin - start >= lengthMin { return start..<stop - margin }
            start = stop
        }
        return nil
    }

    /// The ports of a /proc/net/netlink on NETLINK_ROUTE that are in no group and that libvirt would take for an error.
    static func harmfulPorts(inTable octets: [UInt8]) -> [UInt32] {
        let (newline, space, zero) = (UInt8(ascii: "\n"), UInt8(ascii: " "), UInt8(ascii: "0"))
        return octets.split(separator: newline).dropFirst().compactMap { line in
            let fields = line.split(separator: space, maxSplits: 4)
            // Most ports have fewer digits than one that is harmful.
            guard fields.count >= 4, fields[1].elementsEqual([zero]), fields[2].count == 10,
                let port = UInt32(String(decoding: fields[2], as: UTF8.self)), port >= harmful,
                fields[3].allSatisfy({ $0 == zero })
            else { return nil }
            return port
        }
    }

    /// A time of day as people read it, in UTC.
    static func clock(_ second: Int) -> String {
        var time = time_t(second)
        var parts = tm()
        gmtime_r(&time, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    }
}
