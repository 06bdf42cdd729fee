import EVBTime
import EventLoop
import Glibc
import LinuxSystem
import Testing

/// What is heard of files that are put in place in a folder, which may come, go and be another.
@Suite struct FolderWatchTests {
    /// A folder of its own, and a watch of a folder below it.
    private final class Bench {
        let top = "/tmp/evbd-folder-watch-\(Processes.ownID)-\(UInt32.random(in: 0...(.max)))"
        let loop: EventLoop
        let timers: Timers
        private(set) var news = 0
        private var watch: FolderWatch?
        private var alarm: Timers.Timer?
        private var isLate = false

        init(_ below: String = "a/b") throws {
            try Files.makeDirectory(top, mode: 0o700)
            loop = try EventLoop()
            timers = Timers(loop: loop)
            watch = try FolderWatch("\(top)/\(below)", loop: loop, timers: timers) { [weak self] in
                self?.news += 1
                self?.loop.stop()
            }
            alarm = timers.timer { [weak self] in
                self?.isLate = true
                self?.loop.stop()
            }
        }

        deinit {
            for path in ["a/b/one", "a/b/two", "a/two", "x/one"] { _ = try? Files.unlink("\(top)/\(path)") }
            for path in ["a/b", "a/c", "a", "x", ""] { rmdir("\(top)/\(path)") }
        }

        func make(_ path: String) throws { try Files.makeDirectory("\(top)/\(path)", mode: 0o700) }
        func put(_ path: String) throws { try Files.writeAtomically("\(top)/\(path)", [1], mode: 0o600) }
        func move(_ path: String, to other: String) throws {
            try systemCall("rename") { rename("\(top)/\(path)", "\(top)/\(other)") }
        }

        /// Runs the loop until something is heard, or a time is over in which it would be.
        func hears(within milliseconds: UInt64 = 10_000) throws -> Bool {
            let before = news
            isLate = false
            alarm?.set(timers.now + .milliseconds(milliseconds))
            while news == before, !isLate { try loop.run() }
            alarm?.set(nil)
            return news > before
        }
    }

    @Test(
        "OVL-523: a file that is put in place is heard, and one that is written or has another name on the way is not")
    func files() throws {
        let bench = try Bench("a")
        try bench.make("a")
        #expect(try bench.hears())
        try bench.put("a/two")
        #expect(try bench.hears())
        try Files.write("\(bench.top)/a/two", [2], mode: 0o600)
        try bench.put("elsewhere")
        #expect(try !bench.hears(within: 400))
        _ = try Files.unlink("\(bench.top)/elsewhere")
    }

    @Test(
        "OVL-524: a folder that comes later, goes, or is another is followed, however many folders above it are missing"
    )
    func folders() throws {
        let bench = try Bench()
        #expect(try !bench.hears(within: 300))
        try bench.make("a")
        #expect(try bench.hears())
        try bench.make("a/b")
        #expect(try bench.hears())
        try bench.put("a/b/one")
        #expect(try bench.hears())
        // Another folder under its name, with a file in it.
        try bench.move("a/b", to: "a/c")
        #expect(try bench.hears())
        _ = try Files.unlink("\(bench.top)/a/c/one")
        try bench.make("x")
        try bench.put("x/one")
        _ = try? bench.hears(within: 300)
        try bench.move("x", to: "a/b")
        #expect(try bench.hears())
        try bench.put("a/b/two")
        #expect(try bench.hears())
    }

    @Test("OVL-525: changes without end are heard a few times a second, and none of the last ones is missed")
    func storm() throws {
        let bench = try Bench("a")
        try bench.make("a")
        #expect(try bench.hears())
        for number in 0..<3000 { try bench.put("a/two"); if number == 0 { #expect(try bench.hears()) } }
        let before = bench.news
        #expect(try bench.hears())
        while try bench.hears(within: 500) {}
        #expect(bench.news - before <= 4)
        try bench.put("a/two")
        #expect(try bench.hears())
    }
}
