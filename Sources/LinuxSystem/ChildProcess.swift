// Another program, run to its end within a time, with what it says on its standard output.

internal import CLinux
internal import Glibc

/// Why a program said nothing of use.
package enum ChildFailure: Error, Equatable {
    /// There is no such program.
    case absent
    /// It did not end in time.
    case late(seconds: Int)
    /// It ended with another status than 0; its last words on standard error.
    case failed(String)
    /// It said more than is read.
    case endless

    /// The failure as the rest of a sentence that begins with the program's name.
    package var words: String {
        switch self {
        case .absent: "is not installed"
        case .late(let seconds): "did not answer within \(seconds) s"
        case .failed(let words): "failed: \(words)"
        case .endless: "said more than is read"
        }
    }
}

package enum ChildProcess {
    /// The most octets that are read.
    private static let outputMax = 64 << 20

    /// How a program has ended.
    package struct Ending {
        /// Its exit status; 128 and more for a signal.
        package let status: Int32
        package let output: [UInt8]
        package let errors: [UInt8]
    }

    /// Runs a program that is found by PATH.
    ///
    /// - Parameters:
    ///   - words: the program and its arguments.
    ///   - seconds: how long it may take; it is killed then.
    /// - Returns: its standard output.
    /// - Throws: why there is none of use.
    package static func output(of words: [String], seconds: Int) throws(ChildFailure) -> String {
        let ending = try run(words, seconds: seconds)
        guard ending.status == 0 else {
            let lines = String(decoding: ending.errors, as: UTF8.self).split(separator: "\n")
            throw ending.status == 127 && ending.errors.isEmpty
                ? .absent : .failed(lines.last.map(String.init) ?? "status \(ending.status)")
        }
        return String(decoding: ending.output, as: UTF8.self)
    }

    /// Runs a program that is found by PATH, with some input.
    ///
    /// - Parameters:
    ///   - words: the program and its arguments.
    ///   - input: what it reads on standard input.
    ///   - seconds: how long it may take; it is killed then.
    /// - Returns: how it ended, whatever its status.
    /// - Throws: why it did not end, or did not begin.
    package static func run(
        _ words: [String], input: [UInt8] = [], seconds: Int
    ) throws(ChildFailure) -> Ending {
        var (out, err): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        guard pipe(&out) == 0, pipe(&err) == 0 else {
            for descriptor in out where descriptor >= 0 { close(descriptor) }
            throw .failed(String(cString: strerror(errno)))
        }
        // What the child has is its 1 and 2: with another copy open there, a pipe would have no end.
        for descriptor in out + err { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        // A file takes all of the input at once, whether it is read or not.
        let file = input.isEmpty ? -1 : clinux_memory_file(input, input.count)
        defer { if file >= 0 { close(file) } }
        guard file >= 0 || input.isEmpty else { throw .failed(String(cString: strerror(errno))) }
        if file >= 0 {
            posix_spawn_file_actions_adddup2(&actions, file, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, out[1], 1)
        posix_spawn_file_actions_adddup2(&actions, err[1], 2)
        var pid: pid_t = 0
        var arguments = words.map { strdup($0) } + [nil]
        let code = posix_spawnp(&pid, words[0], &actions, nil, &arguments, environ)
        posix_spawn_file_actions_destroy(&actions)
        for argument in arguments { free(argument) }
        close(out[1])
        close(err[1])
        defer {
            close(out[0])
            close(err[0])
        }
        guard code == 0 else { throw code == ENOENT ? .absent : .failed(String(cString: strerror(code))) }
        var texts: [[UInt8]] = [[], []]
        let isEnded = read([out[0], err[0]], into: &texts, seconds: seconds)
        if isEnded != true { kill(pid, SIGKILL) }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        if isEnded == nil { throw .endless }
        if isEnded == false { throw .late(seconds: seconds) }
        return Ending(
            status: status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F, output: texts[0], errors: texts[1])
    }

    /// Reads pipes to their ends.
    ///
    /// - Returns: true at the end, false where the time was over, nil for too much.
    private static func read(_ pipes: [Int32], into texts: inout [[UInt8]], seconds: Int) -> Bool? {
        let end = ContinuousClock.now + .seconds(seconds)
        var open = [true, true]
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while open.contains(true) {
            let left = (end - ContinuousClock.now).components
            let milliseconds = Int32(clamping: left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000)
            guard milliseconds > 0 else { return false }
            var entries = pipes.enumerated().map { pollfd(fd: open[$0] ? $1 : -1, events: Int16(POLLIN), revents: 0) }
            guard poll(&entries, 2, milliseconds) > 0 else { continue }
            for (index, entry) in entries.enumerated() where open[index] && entry.revents != 0 {
                let count = Glibc.read(pipes[index], &buffer, buffer.count)
                if count > 0 {
                    texts[index] += buffer[..<count]
                } else if count == 0 || errno != EINTR {
                    open[index] = false
                }
                if texts[index].count > outputMax { return nil }
            }
        }
        return true
    }
}
