internal import LinuxSystem

/// The numbers of one port's ECPDUs, such that no run of evbd begins with one that the run before it used last: its peer would
/// take that ECPDU for a repetition, acknowledge it and do nothing (802.1Q 43.3.7).
///
/// Numbers are reserved in blocks, so that a file is written once for many ECPDUs.
package struct SequenceReserve {
    /// How many numbers are reserved at a time; a new block is taken when a quarter is left.
    private static let block: UInt16 = 1024

    private let path: String?
    /// The number of the first ECPDU: the end of what was reserved before, or a random one where nothing is known.
    package let first: UInt16
    private var limit: UInt16

    /// Reads what an earlier run has reserved, and reserves more.
    ///
    /// - Parameter path: the file; nil keeps nothing.
    package init(path: String?) {
        self.path = path
        let known = path.flatMap { try? Files.read($0, limit: 16) }.flatMap {
            UInt16(String(decoding: $0, as: UTF8.self))
        }
        first = known ?? UInt16.random(in: .min ... .max)
        limit = first
        reserve(from: first)
    }

    /// The next ECPDU will have this number.
    package mutating func advanced(to next: UInt16) {
        if limit &- next <= Self.block / 4 || limit &- next > Self.block { reserve(from: next) }
    }

    private mutating func reserve(from next: UInt16) {
        limit = next &+ Self.block
        // Where it cannot be written a restart may be ignored once, and ECP and VDP ask again.
        guard let path else { return }
        try? Files.writeAtomically(path, Array(String(limit).utf8), mode: 0o600)
    }
}
