import Glibc

/// A capture file in the classic pcap format, little-endian, microseconds, Ethernet: what `Tests/Captures` holds.
struct Capture {
    /// The frames in order, as many octets of each as were captured.
    let frames: [[UInt8]]

    /// Why a file is no such capture.
    enum Mistake: Error {
        case unreadable(String)
        case badHeader(String)
        case cutOff(String)
        /// A frame of which only the front was captured.
        case snapped(String)
    }

    private static let headerLength = 24
    private static let recordHeaderLength = 16
    private static let magic = 0xA1B2_C3D4
    private static let ethernet = 1

    /// Reads a file.
    init(path: String) throws(Mistake) {
        guard let octets = Self.contents(of: path) else { throw .unreadable(path) }
        guard octets.count >= Self.headerLength, Self.word(octets, 0) == Self.magic,
            Self.word(octets, 20) == Self.ethernet
        else { throw .badHeader(path) }
        var frames: [[UInt8]] = []
        var position = Self.headerLength
        while position < octets.count {
            guard position + Self.recordHeaderLength <= octets.count else { throw .cutOff(path) }
            let length = Self.word(octets, position + 8)
            guard length == Self.word(octets, position + 12) else { throw .snapped(path) }
            position += Self.recordHeaderLength
            guard position + length <= octets.count else { throw .cutOff(path) }
            frames.append(Array(octets[position..<position + length]))
            position += length
        }
        self.frames = frames
    }

    /// The captures in `Tests/Captures` whose names begin with `prefix`, by name.
    static func paths(prefix: String) -> [String] {
        var result = glob_t()
        defer { globfree(&result) }
        guard glob("\(directory)/\(prefix)*.pcap", 0, nil, &result) == 0 else { return [] }
        return (0..<Int(result.gl_pathc)).compactMap { index in result.gl_pathv[index].map { String(cString: $0) } }
    }

    /// The file of a path, without its directories.
    static func name(_ path: String) -> String {
        String(path.split(separator: "/").last ?? "")
    }

    private static let directory =
        "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/Captures"

    private static func word(_ octets: [UInt8], _ offset: Int) -> Int {
        octets[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    private static func contents(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var octets: [UInt8] = []
        var chunk = zeros(4096)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { return ferror(file) == 0 ? octets : nil }
            octets += chunk[..<count]
        }
    }
}
