internal import CLinux
internal import EVBTime
internal import Glibc
package import LinuxSystem

/// Hears when a file is put in place in a folder by rename(2), also if the folder itself comes later.
///
/// Another user may own the folder and change it without end: news are taken at most once in ``pause``.
package final class FolderWatch {
    /// Between two looks at the news.
    private static let pause = Interval.milliseconds(200)

    private let path: String
    private let loop: EventLoop
    private let onChange: () -> Void
    private let notify: FileDescriptor
    private var watch: EventLoop.Watch?
    private var timer: Timers.Timer?
    private let timers: Timers
    /// What the kernel calls the folder that is watched now: the folder itself, or the nearest one above it that is there.
    private var number: Int32 = -1
    /// The name of the next folder on the way; nil where the folder itself is watched.
    private var awaited: String?

    /// Begins to watch.
    ///
    /// - Parameters:
    ///   - path: the folder, absolute.
    ///   - loop: whose thread hears.
    ///   - timers: for the pauses.
    ///   - onChange: called on the loop's thread after a file was put in place, or the folder has come or gone. Several changes
    ///     may be one call.
    /// - Throws: `SystemError`, such as EACCES for a folder on the way.
    package init(
        _ path: String, loop: EventLoop, timers: Timers, onChange: @escaping () -> Void
    ) throws(SystemError) {
        self.path = path
        self.loop = loop
        self.timers = timers
        self.onChange = onChange
        let flags = Int32(IN_CLOEXEC | IN_NONBLOCK)
        let descriptor = try systemCall("inotify_init1") { inotify_init1(flags) }
        notify = FileDescriptor(owning: descriptor)
        try follow()
        watch = try loop.watch(notify.rawValue, for: .readable) { [weak self] _ in self?.read() }
        timer = timers.timer { [weak self] in self?.watch?.update(.readable) }
    }

    deinit { watch?.cancel() }

    private func read() {
        watch?.update([])
        timer?.set(timers.now + Self.pause)
        var hasNews = false
        // A queue of the kernel's holds at most 16,384; what is left is for the next look.
        for _ in 0..<64 {
            guard let part = readSome() else { break }
            hasNews = part || hasNews
        }
        guard hasNews else { return }
        try? follow()
        onChange()
    }

    /// Reads some news: whether one of them counts; nil if there are none.
    private func readSome() -> Bool? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { Glibc.read(notify.rawValue, $0.baseAddress, $0.count) }
        guard count > 0 else { return nil }
        return buffer.withUnsafeBytes { octets in
            var hasNews = false
            var place = 0
            let size = MemoryLayout<inotify_event>.size
            while place + size <= count {
                let event = octets.loadUnaligned(fromByteOffset: place, as: inotify_event.self)
                let name = octets[min(place + size, count)..<min(place + size + Int(event.len), count)].prefix {
                    $0 != 0
                }
                hasNews = counts(event, String(decoding: name, as: UTF8.self)) || hasNews
                place += size + Int(event.len)
            }
            return hasNews
        }
    }

    private func counts(_ event: inotify_event, _ name: String) -> Bool {
        if event.mask & UInt32(IN_Q_OVERFLOW) != 0 { return true }
        guard event.wd == number else { return false }
        // The folder has gone, or has another name now.
        if event.mask & UInt32(IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED) != 0 { return true }
        return awaited.map { $0 == name } ?? true
    }

    /// Watches the folder, or the nearest one above it that is there.
    private func follow() throws(SystemError) {
        // It may come before the one above it is watched.
        for _ in 0..<8 {
            let former = number
            let folder = try watchNearest()
            if former >= 0, former != number { _ = inotify_rm_watch(notify.rawValue, former) }
            guard let awaited, (try? Files.status("\(folder == "/" ? "" : folder)/\(awaited)")) != nil else { return }
        }
    }

    private func watchNearest() throws(SystemError) -> String {
        var folder = path
        var next: String?
        while true {
            let mask = IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | Int32(bitPattern: UInt32(IN_ONLYDIR))
            let found = inotify_add_watch(
                notify.rawValue, folder, UInt32(bitPattern: mask | (next == nil ? 0 : IN_CREATE)))
            if found >= 0 {
                (number, awaited) = (found, next)
                return folder
            }
            let code = errno
            guard code == ENOENT || code == ENOTDIR, folder != "/", let slash = folder.lastIndex(of: "/") else {
                throw SystemError(call: "inotify_add_watch \(folder)", code: code)
            }
            next = String(folder[folder.index(after: slash)...])
            folder = slash == folder.startIndex ? "/" : String(folder[..<slash])
        }
    }
}
