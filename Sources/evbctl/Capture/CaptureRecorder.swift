internal import EVBModel
internal import Glibc
internal import LinuxSystem
internal import Pcapng

/// Writes what a capture tells as a pcapng, each block at once: who reads along sees each frame, and a file is whole whatever ends evbctl.
final class CaptureRecorder {
    /// The file; nil for standard output.
    let path: String?
    private let writes: Bool
    private let version: String
    private var file: FileDescriptor?
    private var began: UInt64 = 0
    private(set) var hasBegun = false
    private var hasEnded = false
    /// Frames that were taken.
    private(set) var frames = 0
    /// Frames that evbd had to leave out, and those that the kernel dropped.
    private(set) var lost = 0
    private(set) var dropped = 0
    /// What was told since the last frame.
    private var notices: [String] = []
    /// Who read standard output reads no more.
    private(set) var hasNoReader = false

    /// Writes to a file, or to standard output where `path` is nil; with `writes` false nothing is written.
    init(path: String?, writes: Bool, version: String) {
        self.path = path
        self.writes = writes
        self.version = version
        // A reader that goes is an end, and no reason to die.
        signal(SIGPIPE, SIG_IGN)
    }

    /// The capture has begun. Only now a file is replaced.
    func begin(_ start: CaptureStart) throws {
        hasBegun = true
        began = WallClock.now()
        guard writes else { return }
        if let path {
            do {
                file = FileDescriptor(
                    owning: try systemCall("open \(path)") {
                        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
                    })
            } catch {
                throw Self.failure(path, error)
            }
        }
        try put(
            PcapngWriter.section(
                system: Self.system, application: "evbctl \(version) with evbd \(start.version)"))
        let octets = start.address.map { $0.split(separator: ":").compactMap { UInt8($0, radix: 16) } }
        try put(
            PcapngWriter.interface(
                name: start.interface, description: "port of evbd, role \(start.role.rawValue)", address: octets,
                // The longest frame that evbd reads, with a tag.
                frameLengthMax: 9238))
    }

    /// Takes what was told next.
    func take(_ event: CaptureEvent) throws {
        let missing = event.lost - lost
        (lost, dropped) = (event.lost, event.dropped)
        if let notice = event.notice { notices.append(notice) }
        if missing > 0 {
            notices.append("\(missing) frames are missing before this one: they came faster than they were read")
        }
        guard let frame = event.frame else { return }
        frames += 1
        guard writes else {
            notices = []
            return
        }
        let comment = (notices + frame.view).joined(separator: "\n")
        notices = []
        try put(
            PcapngWriter.frame(
                Self.octets(frame.octets), length: frame.length, nanoseconds: UInt64(clamping: frame.timeNanoseconds),
                direction: frame.direction == .received ? .inbound : .outbound, lost: UInt64(clamping: missing),
                comment: comment))
    }

    /// Ends the capture, by a reason where it was not wanted.
    func end(_ reason: String?) throws {
        guard hasBegun, !hasEnded else { return }
        hasEnded = true
        var comment = notices.map { $0.replacing(" before this one", with: " at the end") }
        comment.append(reason.map { "the capture was ended: \($0)" } ?? "the capture was ended by who made it")
        comment.append("\(frames) frames, \(lost) lost in evbd, \(dropped) dropped by the kernel")
        try put(
            PcapngWriter.statistics(
                PcapngWriter.Statistics(
                    began: began, ended: WallClock.now(), received: UInt64(clamping: frames + lost),
                    lost: UInt64(clamping: lost), dropped: UInt64(clamping: dropped),
                    comment: comment.joined(separator: "\n"))))
        file = nil
    }

    private func put(_ octets: [UInt8]) throws {
        guard writes, !hasNoReader else { return }
        let descriptor = file?.rawValue ?? STDOUT_FILENO
        var rest = octets[...]
        do {
            while !rest.isEmpty {
                let written = try systemCall("write \(path ?? "standard output")") {
                    rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                }
                rest = rest.dropFirst(written)
            }
        } catch {
            guard path != nil || error.code != EPIPE else {
                hasNoReader = true
                return
            }
            throw Self.failure(path ?? "standard output", error)
        }
    }

    private static func failure(_ path: String, _ error: SystemError) -> Failure {
        Failure(
            "NotWritten", "the capture cannot be written to \(path): \(error)",
            remedy: "name a file that you may write, on a disk with room, by --write", status: Failure.Status.refused)
    }

    private static func octets(_ text: String) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(text.utf8.count / 2)
        var high: UInt8?
        for character in text.utf8 {
            guard let digit = Character(Unicode.Scalar(character)).hexDigitValue else { continue }
            if let first = high {
                octets.append(first << 4 | UInt8(digit))
                high = nil
            } else {
                high = UInt8(digit)
            }
        }
        return octets
    }

    private static var system: String {
        var name = utsname()
        guard uname(&name) == 0 else { return "Linux" }
        func text<Field>(_ field: Field) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return "\(text(name.sysname)) \(text(name.release))"
    }
}
