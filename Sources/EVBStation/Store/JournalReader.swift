internal import EVBWire
internal import Glibc
internal import LinuxSystem

/// Reads the file of a ``VSIJournal``, and changes nothing.
///
/// All VSIs of the run before are wanted before evbd does anything else. So the halves of a long file are decoded at the same time.
enum JournalReader {
    /// What lines say, in their order.
    struct Found: Sendable {
        /// The VSIs of each part of the file. They are not put together: there may be megabytes of them.
        var parts: [Part] = []
        /// Lines that are not taken, whole or torn.
        var damaged: [[UInt8]] = []
        /// Why the first of them is not.
        var cause: StoredVSI.Mistake?
        /// Where the last whole line ends.
        var end = 0

        mutating func append(_ later: Found) {
            parts += later.parts
            damaged += later.damaged
            cause = cause ?? later.cause
            end = max(end, later.end)
        }
    }

    /// What a part of the file says.
    struct Part: Sendable {
        var vsis: [StoredVSI] = []
        /// Where the line of each VSI is.
        var places: [Place] = []
    }

    /// A line in the file, with its end.
    struct Place: Sendable {
        var offset: Int
        var length: Int
    }

    /// Octets of the longest file that is read.
    private static let lengthMax = 1 << 28
    /// Octets of the shortest file for whose second half another thread is worth its start.
    private static let splitLength = 65_536
    /// Octets of a short line, for the room that is made for VSIs.
    private static let lineLength = 320

    /// Reads a file.
    ///
    /// - Returns: nil where there is none, or one without a whole first line.
    /// - Throws: `SystemError`, or ``VSIJournal/Refusal``.
    static func read(_ path: String) throws -> Found? {
        guard try isOurs(path) else { return nil }
        let lines = try FileLines(path)
        guard lines.length <= lengthMax else { throw SystemError(call: "read \(path)", code: EFBIG) }
        guard let heading = try lines.line() else { return nil }
        let firstLine = JournalLine.firstLine
        guard heading.isWhole, heading.octets.elementsEqual(firstLine.dropLast()) else {
            // evbd was killed when it had just made the file.
            guard !heading.isWhole, firstLine.starts(with: heading.octets) else {
                throw VSIJournal.Refusal(heading.octets)
            }
            return nil
        }
        // The lines that begin in the second half of a long file.
        let middle = lines.length / 2
        let second =
            lines.length < splitLength
            ? nil
            : try? BackgroundValue {
                Result { () throws(SystemError) in try decode(FileLines(path, from: middle)) }
            }
        var found = Found(end: firstLine.count)
        found.append(try decode(lines, before: second == nil ? .max : middle))
        if let second = try second?.take()?.get() { found.append(second) }
        return found
    }

    /// - Returns: whether there is a file.
    private static func isOurs(_ path: String) throws -> Bool {
        do throws(SystemError) {
            if try Files.status(path).isOurs(.regular) { return true }
        } catch {
            guard error.code == ENOENT else { throw error }
            return false
        }
        throw VSIJournal.Refusal.foreign
    }

    private static func decode(_ lines: FileLines, before end: Int = .max) throws(SystemError) -> Found {
        var found = Found()
        var part = Part()
        let room = (min(end, lines.length) - lines.offset) / lineLength
        part.vsis.reserveCapacity(room)
        part.places.reserveCapacity(room)
        var together: [FileLines.Line] = []
        while let line = try lines.line(before: end) {
            together.append(line)
            guard together.count == JournalLine.linesAtOnce || !lines.hasNext else { continue }
            found.take(together, &part)
            together.removeAll(keepingCapacity: true)
        }
        found.take(together, &part)
        found.parts = [part]
        return found
    }
}

extension JournalReader.Found {
    /// Takes what some lines say.
    fileprivate mutating func take(_ lines: [FileLines.Line], _ part: inout JournalReader.Part) {
        for (line, checksum) in zip(lines, JournalLine.checksums(lines)) {
            do throws(StoredVSI.Mistake) {
                guard line.isWhole else { throw .notJSON }
                if let vsi = try JournalLine.decode(line.octets, checksum: checksum) {
                    part.vsis.append(vsi)
                    part.places.append(JournalReader.Place(offset: line.offset, length: line.length))
                }
            } catch {
                damaged.append(Array(line.octets))
                cause = cause ?? error
            }
            if line.isWhole { end = line.offset + line.length }
        }
    }
}

extension VSIJournal {
    /// Why a file is not read at all.
    enum Refusal: Error, CustomStringConvertible {
        case foreign
        case version(Int)

        /// Why a file is not read whose first line, here without its end, is not this version's.
        init(_ line: ArraySlice<UInt8>) {
            guard line.starts(with: JournalLine.heading),
                let version = Int(String(decoding: line.dropFirst(JournalLine.heading.count), as: UTF8.self))
            else {
                self = .foreign
                return
            }
            self = .version(version)
        }

        var description: String {
            switch self {
            case .foreign: "it is not evbd's, or other users could have written it"
            case .version(let version): "it has version \(version), and this evbd reads version \(JournalLine.version)"
            }
        }
    }
}
