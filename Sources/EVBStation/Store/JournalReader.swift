internal import EVBWire
internal import Glibc
internal import LinuxSystem

/// Reads the file of a ``VSIJournal``, and changes nothing.
///
/// All VSIs of the run before are wanted before evbd does anything else. So the halves of a long file are decoded at the same time.
enum JournalReader {
    /// What lines say, in their order.
    struct Found: Sendable {
        var vsis: [StoredVSI] = []
        /// Where the line of each VSI is.
        var places: [Place] = []
        /// Lines that are not taken, whole or torn.
        var damaged: [[UInt8]] = []
        /// Why the first of them is not.
        var cause: StoredVSI.Mistake?
        /// Where the last whole line ends.
        var end: Int

        mutating func append(_ later: Found) {
            vsis += later.vsis
            places += later.places
            damaged += later.damaged
            cause = cause ?? later.cause
            end = later.end
        }
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
        guard let octets = try octets(of: path) else { return nil }
        let firstLine = JournalLine.firstLine
        guard octets.starts(with: firstLine) else {
            // evbd was killed when it had just made the file.
            guard firstLine.starts(with: octets) else { throw VSIJournal.Refusal(octets) }
            return nil
        }
        return decode(octets, from: firstLine.count)
    }

    private static func octets(of path: String) throws -> [UInt8]? {
        do throws(SystemError) {
            if try Files.status(path).isOurs(.regular) { return try Files.read(path, limit: lengthMax) }
        } catch {
            guard error.code == ENOENT else { throw error }
            return nil
        }
        throw VSIJournal.Refusal.foreign
    }

    private static func decode(_ octets: [UInt8], from start: Int) -> Found {
        let middle = (start + octets.count) / 2
        guard octets.count >= splitLength, let end = lineEnd(octets, from: middle),
            let second = try? BackgroundValue({ decode(octets, end + 1..<octets.count) })
        else { return decode(octets, start..<octets.count) }
        var found = decode(octets, start..<end + 1)
        if let later = second.take() { found.append(later) }
        return found
    }

    private static func decode(_ octets: [UInt8], _ range: Range<Int>) -> Found {
        var found = Found(end: range.lowerBound)
        found.vsis.reserveCapacity(range.count / lineLength)
        found.places.reserveCapacity(range.count / lineLength)
        while found.end < range.upperBound {
            let start = found.end
            let end = lineEnd(octets, from: start)
            do throws(StoredVSI.Mistake) {
                guard let end else { throw .notJSON }
                if let vsi = try JournalLine.decode(octets[start..<end]) {
                    found.vsis.append(vsi)
                    found.places.append(Place(offset: start, length: end + 1 - start))
                }
            } catch {
                found.damaged.append(Array(octets[start..<(end ?? octets.count)]))
                found.cause = found.cause ?? error
            }
            guard let end else { break }
            found.end = end + 1
        }
        return found
    }

    /// Where the line ends that an octet is of; nil for one without an end.
    private static func lineEnd(_ octets: [UInt8], from start: Int) -> Int? {
        octets.withUnsafeBytes { buffer in
            buffer.baseAddress.flatMap { base in
                memchr(base + start, 10, octets.count - start).map { UnsafeRawPointer($0) - base }
            }
        }
    }
}

extension VSIJournal {
    /// Why a file is not read at all.
    enum Refusal: Error, CustomStringConvertible {
        case foreign
        case version(Int)

        /// Why octets that do not begin as this version's are not read.
        init(_ octets: [UInt8]) {
            guard octets.starts(with: JournalLine.heading), let end = octets.firstIndex(of: UInt8(ascii: "\n")),
                let version = Int(String(decoding: octets[JournalLine.heading.count..<end], as: UTF8.self))
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
