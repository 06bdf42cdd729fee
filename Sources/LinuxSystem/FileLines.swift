internal import Glibc

/// The lines of a file, or of what is behind a place in it, read in chunks: a long file needs no more memory than its longest line.
package final class FileLines {
    /// A line.
    package struct Line {
        /// Where its first octet is in the file.
        package var offset: Int
        /// Its octets without its end.
        package var octets: ArraySlice<UInt8>
        /// It has an end: only the last one of a file may have none.
        package var isWhole: Bool

        /// Octets in the file, with its end.
        package var length: Int { octets.count + (isWhole ? 1 : 0) }
    }

    /// Octets that are read at a time: little enough to stay in the processor's cache until they are decoded.
    private static let chunk = 65_536

    private let file: FileDescriptor
    private let path: String
    /// Octets that the file had when it was opened.
    package let length: Int
    private var octets = [UInt8](repeating: 0, count: chunk)
    /// How many of the octets are the file's, and where the next line begins among them.
    private var (filled, next) = (0, 0)
    /// Where the first of the octets is in the file.
    private var start: Int
    private var isAtEnd = false

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - place: Lines that begin there or behind it are read.
    /// - Throws: `SystemError`: what open(2), fstat(2) or pread(2) says.
    package init(_ path: String, from place: Int = 0) throws(SystemError) {
        self.path = path
        file = FileDescriptor(owning: try systemCall("open \(path)") { open(path, O_RDONLY | O_CLOEXEC) })
        var status = stat()
        let descriptor = file.rawValue
        try systemCall("fstat \(path)") { fstat(descriptor, &status) }
        length = Int(status.st_size)
        // The octet before says whether a line begins there.
        start = max(place - 1, 0)
        if place > 0 { _ = try self.line() }
    }

    /// Where the next line begins in the file, if there is one.
    package var offset: Int { start + next }

    /// The next line that begins before a place in the file; nil where there is none.
    ///
    /// What is kept of an earlier line costs the copy of a chunk.
    ///
    /// - Throws: `SystemError`: what pread(2) says.
    package func line(before end: Int = .max) throws(SystemError) -> Line? {
        guard offset < end else { return nil }
        var looked = next
        while true {
            if let newline = newline(from: looked) {
                defer { next = newline + 1 }
                return Line(offset: offset, octets: octets[next..<newline], isWhole: true)
            }
            looked = filled - next
            guard !isAtEnd else { break }
            try fill()
        }
        guard next < filled else { return nil }
        defer { next = filled }
        return Line(offset: offset, octets: octets[next..<filled], isWhole: false)
    }

    /// Whether the next line has been read as a whole: to ask for it then leaves what is kept of the lines before it where that is.
    package var hasNext: Bool { newline(from: next) != nil }

    private func newline(from place: Int) -> Int? {
        octets.withUnsafeBytes { buffer in
            buffer.baseAddress.flatMap { base in
                memchr(base + place, 10, filled - place).map { UnsafeRawPointer($0) - base }
            }
        }
    }

    /// Takes more of the file behind what is left of the octets, which moves to their beginning.
    private func fill() throws(SystemError) {
        let rest = filled - next
        if next > 0 {
            octets.withUnsafeMutableBytes { [next] in
                if let base = $0.baseAddress { memmove(base, base + next, rest) }
            }
            (start, filled, next) = (start + next, rest, 0)
        } else if rest == octets.count {
            octets += [UInt8](repeating: 0, count: rest)
        }
        let (descriptor, size, place) = (file.rawValue, octets.count, off_t(start + rest))
        let count = try systemCall("read \(path)") {
            octets.withUnsafeMutableBytes { buffer in
                pread(descriptor, buffer.baseAddress.map { $0 + rest }, size - rest, place)
            }
        }
        filled += count
        isAtEnd = count == 0
    }
}
