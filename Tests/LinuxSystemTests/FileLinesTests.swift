import Glibc
import LinuxSystem
import Testing

@Suite struct FileLinesTests {
    /// Lines as they are read, and as the standard library splits the same octets.
    private struct Line: Equatable {
        var offset: Int
        var octets: [UInt8]
        var isWhole: Bool

        static func read(_ lines: FileLines, before end: Int = .max) throws -> [Line] {
            var found: [Line] = []
            while let line = try lines.line(before: end) {
                #expect(line.length == line.octets.count + (line.isWhole ? 1 : 0))
                found.append(Line(offset: line.offset, octets: Array(line.octets), isWhole: line.isWhole))
            }
            return found
        }

        static func split(_ octets: [UInt8]) -> [Line] {
            var found: [Line] = []
            for part in octets.split(separator: 10, omittingEmptySubsequences: false) {
                let isWhole = part.endIndex < octets.endIndex
                if isWhole || !part.isEmpty {
                    found.append(Line(offset: part.startIndex, octets: Array(part), isWhole: isWhole))
                }
            }
            return found
        }
    }

    /// Lines of these lengths, each of an octet of its own.
    private func file(_ lengths: [Int], isEnded: Bool) -> [UInt8] {
        var octets: [UInt8] = []
        for (number, length) in lengths.enumerated() {
            octets += [UInt8](repeating: UInt8(97 + number % 26), count: length)
            octets.append(10)
        }
        return isEnded ? octets : Array(octets.dropLast())
    }

    @Test("SPD-330 the lines of a file are those of its octets, and each is of one part, wherever that begins")
    func parts() throws {
        try withDirectory { directory in
            let path = "\(directory)/lines"
            for (lengths, isEnded) in [([], true), ([1, 0, 3, 0, 0, 2], true), ([0, 2, 1, 4], false), ([5], false)] {
                let octets = lengths.isEmpty ? [] : file(lengths, isEnded: isEnded)
                try Files.write(path, octets, mode: 0o600)
                for place in 0...octets.count + 1 {
                    let lines = try FileLines(path)
                    #expect(lines.length == octets.count)
                    let former = try Line.read(lines, before: place)
                    #expect(former.allSatisfy { $0.offset < place })
                    #expect(try former + Line.read(FileLines(path, from: place)) == Line.split(octets), "\(place)")
                    #expect(try former + Line.read(lines) == Line.split(octets), "\(place)")
                }
            }
        }
    }

    @Test("SPD-330 lines are read whole that are longer than what is read at a time, or end where that ends")
    func longLines() throws {
        try withDirectory { directory in
            let path = "\(directory)/lines"
            let chunk = 65_536
            for lengths in [
                [chunk - 1, 3], [chunk, 3], [chunk - 2, 0, 0, 5], [10, chunk - 11, 7],
                [10, 3 * chunk, 0, 2 * chunk - 1],
                Array(repeating: 997, count: 400),
            ] {
                for isEnded in [true, false] {
                    let octets = file(lengths, isEnded: isEnded)
                    try Files.write(path, octets, mode: 0o600)
                    for place in [0, 11, chunk - 1, chunk, chunk + 1, octets.count / 2, octets.count] {
                        let former = try Line.read(FileLines(path), before: place)
                        #expect(try former + Line.read(FileLines(path, from: place)) == Line.split(octets))
                    }
                }
            }
        }
    }

    @Test("SPD-330 a line that is kept stays as it was when others are read")
    func keptLines() throws {
        try withDirectory { directory in
            let path = "\(directory)/lines"
            let octets = file(Array(repeating: 300, count: 1000), isEnded: true)
            try Files.write(path, octets, mode: 0o600)
            let lines = try FileLines(path)
            var kept: [FileLines.Line] = []
            while let line = try lines.line() { kept.append(line) }
            #expect(kept.map { Array($0.octets) } == Line.split(octets).map(\.octets))
        }
    }

    @Test("SPD-330 a file that cannot be read is an error that names it")
    func errors() throws {
        try withDirectory { directory in
            let missing = "\(directory)/none"
            #expect(throws: SystemError(call: "open \(missing)", code: ENOENT)) { try FileLines(missing) }
            #expect(throws: SystemError(call: "read \(directory)", code: EISDIR)) { try FileLines(directory).line() }
        }
    }
}
