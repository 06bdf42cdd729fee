internal import EVBProtocol
internal import EVBWire
internal import EventLoop
internal import Glibc
internal import LinuxSystem

/// The file of the VSIs: a line for each (``JournalLine``), added at the end before anything is promised of it.
///
/// What becomes of a VSI is a mark, one octet of its line that is overwritten. So a release needs no room, a grant writes nothing
/// again, and no change can be half there. When lines that do not count any more are as long as the others, these are copied to a
/// new file, some in each turn of the loop, which then takes the place of the old one. Until that moment the old one is complete.
///
/// Used on the thread of the loop. It throws, and logs nothing.
final class VSIJournal {
    /// What was read.
    struct Content {
        /// In their order; some after others, as they were read.
        var parts: [[StoredVSI]] = []
        /// Lines that are not taken, whole or torn.
        var damaged: [[UInt8]] = []
        /// Why the first of them is not.
        var cause: StoredVSI.Mistake?
    }

    /// A line in the file: eight octets of each of tens of thousands of VSIs.
    private struct Place {
        var offset: UInt32
        // A line has 24 bits of octets at the most (`JournalLine.lengthMax`).
        private let lowLength: UInt16
        private let highLength: UInt8
        var mark: JournalLine.Mark

        init(offset: UInt32, length: UInt32, mark: JournalLine.Mark) {
            self.offset = offset
            (lowLength, highLength) = (UInt16(truncatingIfNeeded: length), UInt8(length >> 16))
            self.mark = mark
        }

        var length: UInt32 { UInt32(highLength) << 16 | UInt32(lowLength) }
    }

    private struct Key: Hashable {
        var port: String
        var vsiID: VSIID

        init(port: String, vsiID: VSIID) { (self.port, self.vsiID) = (port, vsiID) }

        init(_ vsi: StoredVSI) { self.init(port: vsi.port, vsiID: vsi.request.vsiID) }
    }

    /// Where the line of each VSI is. An object, as are the places of a port, so that each changes in its place.
    private final class Index {
        private final class Places {
            var ofVSIs = DenseDictionary<VSIID, Place>()
        }

        private var places: [String: Places] = [:]
        /// The port that was asked for last. Nearly always it is asked for again.
        private var last: (port: String, places: Places)?
        /// Octets of all lines.
        private(set) var length = 0

        private func places(_ port: String) -> Places {
            if let last, last.port == port { return last.places }
            let found = places[port] ?? add(port)
            last = (port, found)
            return found
        }

        private func add(_ port: String) -> Places {
            let made = Places()
            places[port] = made
            return made
        }

        subscript(_ key: Key) -> Place? { places(key.port).ofVSIs[key.vsiID] }

        func remove(_ key: Key) {
            guard let former = places(key.port).ofVSIs.removeValue(forKey: key.vsiID) else { return }
            length -= Int(former.length)
        }

        func set(_ mark: JournalLine.Mark, _ key: Key) {
            let places = places(key.port)
            guard let place = places.ofVSIs.index(forKey: key.vsiID) else { return }
            places.ofVSIs[index: place].mark = mark
        }

        /// Gives what was there before.
        @discardableResult
        func put(_ place: Place, _ key: Key) -> Place? {
            let former = places(key.port).ofVSIs.updateValue(place, forKey: key.vsiID)
            length += Int(place.length) - Int(former?.length ?? 0)
            return former
        }

        /// Makes room for what was read, which mostly is of one port.
        func reserveCapacity(_ parts: [JournalReader.Part]) {
            guard let first = parts.first?.vsis.first else { return }
            places(first.port).ofVSIs.reserveCapacity(parts.reduce(0) { $0 + $1.vsis.count })
        }

        var keys: [Key] { places.flatMap { port, places in places.ofVSIs.keys.map { Key(port: port, vsiID: $0) } } }
    }

    /// A new file that is to take the place of the old one.
    private struct Compaction {
        let file: RecordFile
        /// VSIs whose lines are still to be copied; some of them may be gone by now.
        var waiting: [Key]
        let copied = Index()
    }

    /// Octets by which the file may be longer than twice what counts.
    static let slack = 65_536
    /// Lines that are copied before the time is looked at.
    private static let copiedPerLook = 16
    /// Nanoseconds that a look at the file's place holds for: as long as a turn of the loop may take, in which nothing would be seen either.
    /// A look costs more than the write behind it.
    private static let verifiedTime: UInt64 = 1_000_000

    let path: String
    private let directory: String
    private let loop: EventLoop?
    private var file: RecordFile?
    private var index = Index()
    private var compaction: Compaction?
    /// Length of the file from which it is compacted, where it could not be before.
    private var retryLength = 0
    /// What a thread reads meanwhile.
    private var reading: BackgroundValue<Result<JournalReader.Found?, any Error>>?
    /// Until when the file needs no look whether it still is where it was, by the loop's clock.
    private var verifiedUntil: UInt64 = 0

    /// A journal that is not open.
    init(directory: String, loop: EventLoop?) {
        self.directory = directory
        path = "\(directory)/journal"
        self.loop = loop
    }

    /// Octets of the file.
    var length: Int { file?.length ?? 0 }

    // MARK: Reading

    /// Begins to read, for ``open()``, what an earlier run has left. Where there is no thread for it, that reads it.
    func beginReading() {
        reading = try? BackgroundValue { [path] in Result { try JournalReader.read(path) } }
    }

    /// What is being read is another file than ``open()`` is to read.
    func dropReading() { reading = nil }

    /// Reads what an earlier run has left, or makes a file.
    ///
    /// - Throws: `SystemError`, or ``Refusal``.
    func open() throws -> Content {
        // What was read ahead is for this time. Where this is a second time, nothing of the first may be taken for an earlier line.
        let ahead = reading.take()
        (file, index, compaction) = (nil, Index(), nil)
        try Files.unlink(newPath)
        var content = Content()
        let read = ahead?.take() ?? Result { [path] in try JournalReader.read(path) }
        guard let found = try read.get() else {
            try make()
            return content
        }
        let file = try RecordFile(path)
        var isRepeated = false
        index.reserveCapacity(found.parts)
        for part in found.parts {
            for (vsi, place) in zip(part.vsis, part.places) { isRepeated = take(vsi, place, in: file) || isRepeated }
        }
        // What is behind the last whole line is no line.
        if found.end < file.length { try file.truncate(to: found.end) }
        self.file = file
        content = Content(parts: found.parts.map(\.vsis), damaged: found.damaged, cause: found.cause)
        if isRepeated {
            content.parts = found.parts.map { part in
                let last = zip(part.vsis, part.places).filter { index[Key($0)]?.offset == UInt32($1.offset) }
                return last.map(\.0)
            }
        }
        // What is damaged is set aside once.
        if !content.damaged.isEmpty { try compact() }
        return content
    }

    /// Reads what an earlier run has left and changes nothing, as where nothing can be changed. What is damaged is left out.
    ///
    /// - Throws: `SystemError`, or ``Refusal``.
    func look() throws -> [StoredVSI] {
        var last: [Key: StoredVSI] = [:]
        for part in try JournalReader.read(path)?.parts ?? [] {
            for vsi in part.vsis { last[Key(vsi)] = vsi }
        }
        return Array(last.values)
    }

    /// A line that was read: the last one of a VSI counts. There are two where evbd was killed when it had just written the later one.
    ///
    /// - Returns: whether there was one before.
    private func take(_ vsi: StoredVSI, _ line: JournalReader.Place, in file: RecordFile) -> Bool {
        let place = Place(
            offset: UInt32(line.offset), length: UInt32(line.length),
            mark: JournalLine.Mark(isGranted: vsi.isGranted, isWithdrawn: vsi.isWithdrawn))
        guard let former = index.put(place, Key(vsi)) else { return false }
        try? file.overwrite(JournalLine.Mark.gone.rawValue, at: Int(former.offset))
        return true
    }

    private func make() throws(SystemError) {
        let file = try RecordFile(making: path)
        try file.append(JournalLine.firstLine)
        self.file = file
    }

    // MARK: Writing

    /// Writes what a VSI is, in place of what was written of it.
    ///
    /// - Throws: `SystemError`; what was written before stays.
    func write(_ vsi: StoredVSI) throws(SystemError) {
        let key = Key(vsi)
        let line = JournalLine.encode(vsi)
        let file = try verified()
        guard let length = UInt32(exactly: line.count), let offset = UInt32(exactly: file.length),
            line.count <= JournalLine.lengthMax
        else { throw SystemError(call: "write \(path)", code: EFBIG) }
        try file.append(line)
        if let former = index[key] {
            do throws(SystemError) {
                try file.overwrite(JournalLine.Mark.gone.rawValue, at: Int(former.offset))
            } catch {
                // With both lines there, the former would come back when the later one is released.
                try? file.truncate(to: Int(offset))
                throw error
            }
        }
        let place = Place(
            offset: offset, length: length,
            mark: JournalLine.Mark(isGranted: vsi.isGranted, isWithdrawn: vsi.isWithdrawn))
        index.put(place, key)
        markCopy(key, .gone)
        compaction?.waiting.append(key)
        compactIfLong()
    }

    /// Writes what has become of a VSI.
    ///
    /// - Returns: false where nothing is written of the VSI.
    /// - Throws: `SystemError`; what was written before stays.
    @discardableResult
    func mark(_ vsiID: VSIID, port: String, _ mark: JournalLine.Mark) throws(SystemError) -> Bool {
        let key = Key(port: port, vsiID: vsiID)
        guard let place = index[key] else { return false }
        guard place.mark != mark else { return true }
        try verified().overwrite(mark.rawValue, at: Int(place.offset))
        if mark == .gone { index.remove(key) } else { index.set(mark, key) }
        markCopy(key, mark)
        compactIfLong()
        return true
    }

    /// The file, which is where the next run looks for it.
    private func verified() throws(SystemError) -> RecordFile {
        guard let file else {
            try make()
            return try verified()
        }
        let now = loop?.now()
        if let now, now < verifiedUntil { return file }
        var isThere = false
        do throws(SystemError) {
            isThere = try file.isAt(path)
        } catch {
            guard error.code == ENOENT else { throw error }
        }
        // Another process has removed it. What is in it can still be read.
        if !isThere { try rescue() }
        if let now { verifiedUntil = now &+ Self.verifiedTime }
        return self.file ?? file
    }

    private func rescue() throws(SystemError) {
        try Files.makeDirectory(directory, mode: 0o700)
        try compact()
    }

    // MARK: Compaction

    /// Nanoseconds for which lines are copied in one turn. In fewer, others could be written faster than they are copied.
    private static let copyTime: UInt64 = 250_000

    private var newPath: String { "\(path).new" }

    private func compactIfLong() {
        guard compaction == nil, length > max(2 * index.length + Self.slack, retryLength) else { return }
        do throws(SystemError) {
            guard loop != nil else { return try compact() }
            try beginCompaction()
            goOn()
        } catch {
            abandon()
        }
    }

    private func compact() throws(SystemError) {
        try beginCompaction()
        while compaction != nil { try copySome() }
    }

    private func goOn() {
        loop?.laterSlice { [weak self] in
            guard let self, let loop else { return }
            let end = loop.now() &+ Self.copyTime
            do throws(SystemError) {
                repeat { try copySome() } while compaction != nil && loop.now() < end
                if compaction != nil { goOn() }
            } catch {
                abandon()
            }
        }
    }

    private func beginCompaction() throws(SystemError) {
        let new = try RecordFile(making: newPath)
        try new.append(JournalLine.firstLine)
        compaction = Compaction(file: new, waiting: index.keys)
    }

    private func copySome() throws(SystemError) {
        guard var compaction, let file else { return }
        self.compaction = nil
        var lines: [UInt8] = []
        for _ in 0..<Self.copiedPerLook {
            guard let key = compaction.waiting.popLast() else { break }
            guard var place = index[key], compaction.copied[key] == nil else { continue }
            lines += try file.read(Int(place.length), at: Int(place.offset))
            place.offset = UInt32(compaction.file.length + lines.count) - place.length
            compaction.copied.put(place, key)
        }
        try compaction.file.append(lines)
        guard compaction.waiting.isEmpty else {
            self.compaction = compaction
            return
        }
        let (from, to) = (newPath, path)
        try systemCall("rename \(from)") { rename(from, to) }
        self.file = compaction.file
        index = compaction.copied
        retryLength = 0
    }

    /// The copy of a line follows its mark.
    private func markCopy(_ key: Key, _ mark: JournalLine.Mark) {
        guard let place = compaction?.copied[key] else { return }
        do throws(SystemError) {
            try compaction?.file.overwrite(mark.rawValue, at: Int(place.offset))
            if mark == .gone { compaction?.copied.remove(key) } else { compaction?.copied.set(mark, key) }
        } catch {
            abandon()
        }
    }

    /// Leaves the old file as it is, which lacks nothing, and does not try again at once.
    private func abandon() {
        compaction = nil
        _ = try? Files.unlink(newPath)
        retryLength = length + Self.slack
    }
}
