internal import CLinux

/// What the C library's allocator keeps of the memory of the process.
public enum ProcessMemory {
    /// Has all threads take their memory from one arena. To be called before there is a second thread.
    ///
    /// Each of the few threads would have an arena of its own, and keep some 0.1 MB in it for next to nothing.
    public static func useOneArena() { _ = mallopt(M_ARENA_MAX, 1) }
}
