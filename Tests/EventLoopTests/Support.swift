import CLinux
import EventLoop
import Glibc
import LinuxSystem
import Testing

/// A pipe, both ends non-blocking, closed at the end of its life unless an end was closed before.
final class Pipe {
    private(set) var readEnd: Int32
    private(set) var writeEnd: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        try systemCall("pipe") { pipe(&ends) }
        readEnd = ends[0]
        writeEnd = ends[1]
        for end in ends {
            try systemCall("fcntl") { fcntl(end, F_SETFL, O_NONBLOCK) }
        }
    }

    deinit {
        closeReadEnd()
        closeWriteEnd()
    }

    func send(_ octet: UInt8 = 1) {
        var octet = octet
        #expect(write(writeEnd, &octet, 1) == 1)
    }

    /// Takes one octet, or nil.
    @discardableResult
    func take() -> UInt8? {
        var octet: UInt8 = 0
        return read(readEnd, &octet, 1) == 1 ? octet : nil
    }

    func closeReadEnd() {
        if readEnd >= 0 {
            close(readEnd)
        }
        readEnd = -1
    }

    func closeWriteEnd() {
        if writeEnd >= 0 {
            close(writeEnd)
        }
        writeEnd = -1
    }

    /// Closes the read end and opens another pipe's read end under the same number.
    func replaceReadEnd(by other: Pipe) {
        let number = readEnd
        // One step: a test beside this one would take the number of a descriptor that is closed first.
        #expect(dup2(other.readEnd, number) == number)
        other.closeReadEnd()
        other.readEnd = number
        readEnd = -1
    }
}

extension EventLoop {
    /// Runs until stopped, and fails the test if that takes more than ten seconds.
    func runGuarded(_ location: SourceLocation = #_sourceLocation) throws {
        let clock = try systemCall("timerfd_create") { timerfd_create(CLOCK_MONOTONIC, 0) }
        let owner = FileDescriptor(owning: clock)
        var setting = itimerspec()
        setting.it_value.tv_sec = 10
        try systemCall("timerfd_settime") { timerfd_settime(clock, 0, &setting, nil) }
        let watch = try self.watch(owner.rawValue, for: .readable) { [unowned self] _ in
            Issue.record("the loop did not stop in time", sourceLocation: location)
            stop()
        }
        try run()
        watch.cancel()
    }
}
