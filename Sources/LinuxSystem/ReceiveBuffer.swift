internal import Glibc

/// Room for what a socket receives, in pages of its own.
///
/// It is as long as the longest that there may be. Nearly all that comes is short, and a page that nothing was received into takes no
/// memory; in the heap it would be one that was in use before.
public struct ReceiveBuffer: ~Copyable {
    /// The room. Zeroes at first.
    public let octets: UnsafeMutableRawBufferPointer

    /// Takes room from the kernel.
    ///
    /// - Parameter length: Octets, at least 1.
    public init(length: Int) {
        precondition(length > 0, "a buffer of nothing has no use")
        guard
            let start = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            start != MAP_FAILED
        else { fatalError("out of memory: a buffer of \(length) octets") }
        octets = UnsafeMutableRawBufferPointer(start: start, count: length)
    }

    deinit { munmap(octets.baseAddress, octets.count) }
}
