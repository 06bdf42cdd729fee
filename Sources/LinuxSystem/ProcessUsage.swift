internal import Glibc

/// What the kernel accounts this process with.
public struct ProcessUsage: Sendable {
    /// Memory in octets; 0 where /proc cannot be read.
    public let resident, virtual: Int
    public let openDescriptors: Int
    /// When the process started, in milliseconds since 1970 (UTC), by the clock as it is set when this is first read.
    public static let started = startTime()
    /// Time that all threads have computed, in nanoseconds.
    public let computed: UInt64

    /// Reads all of it now: three system calls, and one more for some hundred descriptors.
    public static func now() -> ProcessUsage {
        let octets = (try? Files.read("/proc/self/statm", limit: 4096)) ?? []
        let pages = octets.split(separator: UInt8(ascii: " ")).prefix(2).map {
            Int(String(decoding: $0, as: UTF8.self)) ?? 0
        }
        let page = sysconf(Int32(_SC_PAGESIZE))
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return ProcessUsage(
            resident: pages.count > 1 ? pages[1] * page : 0, virtual: (pages.first ?? 0) * page,
            openDescriptors: descriptors(),
            computed: UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec))
    }

    private static func milliseconds(_ clock: clockid_t) -> Int {
        var time = timespec()
        clock_gettime(clock, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    /// proc(5): field 22 of stat is the start in ticks since the boot. Field 2, the name, may have blanks, and ends with a parenthesis.
    private static func startTime() -> Int {
        let octets = (try? Files.read("/proc/self/stat", limit: 65_536)) ?? []
        let fields = (octets.split(separator: UInt8(ascii: ")")).last ?? []).split(separator: UInt8(ascii: " "))
        let now = milliseconds(CLOCK_REALTIME)
        guard fields.count > 19, let ticks = Int(String(decoding: fields[19], as: UTF8.self)) else { return now }
        return now - (milliseconds(CLOCK_BOOTTIME) - ticks * 1000 / max(sysconf(Int32(_SC_CLK_TCK)), 1))
    }

    /// The process's open descriptors, without the one that lists them.
    private static func descriptors() -> Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = -3
        while readdir(folder) != nil { count += 1 }
        return max(count, 0)
    }
}
