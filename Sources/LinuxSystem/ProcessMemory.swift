internal import CLinux

/// What the C library's allocator keeps of the memory of the process.
public enum ProcessMemory {
    /// From how many octets on a block has pages of its own, which the kernel has back when the block is freed.
    private static let ownPages: Int32 = 64 << 10

    /// Has little kept. To be called at the start, before there is a second thread.
    ///
    /// - All threads take their memory from one arena. Each of the few would have one of its own, with some 0.1 MB for next to nothing.
    /// - Long blocks leave no holes behind. (For each transaction libnftables takes two megabytes, and uses a few pages of them. glibc,
    ///   once it has got that much back, takes it from its heap from then on, and leaves up to twice as much there: by and by that is
    ///   memory in use.)
    public static func keepLittle() {
        _ = mallopt(M_ARENA_MAX, 1)
        _ = mallopt(M_MMAP_THRESHOLD, ownPages)
    }

    /// Gives the kernel all whole pages back that nothing is in.
    ///
    /// It walks through all that is free: some 0.1 ms for each MB of that.
    public static func giveBack() { _ = malloc_trim(0) }
}
