import Glibc
import LinuxSystem

/// Tests that change links run only in a network namespace that was made for them.
package let inOwnNamespace = getenv("EVBD_TEST_NETNS").map { String(cString: $0) } == "1"

package struct CommandFailed: Error {
    package let command: String
    package let status: Int32
}

/// Runs a command, whose words have spaces between them, and throws unless it succeeds.
package func run(_ command: String) throws { try run(command.split(separator: " ").map(String.init)) }

/// Runs a command and throws unless it succeeds.
package func run(_ words: [String]) throws {
    var arguments = (["/usr/bin/env"] + words).map { strdup($0) }
    defer { arguments.forEach { free($0) } }
    arguments.append(nil)
    var child: pid_t = 0
    let code = posix_spawn(&child, "/usr/bin/env", nil, nil, arguments, environ)
    guard code == 0 else {
        throw SystemError(call: "posix_spawn", code: code)
    }
    var status: Int32 = 0
    try systemCall("waitpid") { waitpid(child, &status, 0) }
    guard status == 0 else {
        throw CommandFailed(command: words.joined(separator: " "), status: status)
    }
}

/// A pair of veths that are up, deleted at the end of its life.
///
/// The names are the test's own.
package final class VethPair {
    package let one: String
    package let two: String
    package let oneIndex: Int32
    package let twoIndex: Int32

    package init(_ name: String, mtu: Int = 1500) throws {
        one = "\(name)-a"
        two = "\(name)-b"
        try run("ip link add \(one) mtu \(mtu) type veth peer name \(two) mtu \(mtu)")
        oneIndex = Int32(if_nametoindex(one))
        twoIndex = Int32(if_nametoindex(two))
        // No neighbour discovery: the tests count frames.
        for end in [one, two] {
            try run("ip link set \(end) addrgenmode none up")
        }
        try waitForCarrier()
    }

    /// Waits until both ends are running: before that, what is sent may be lost.
    package func waitForCarrier() throws {
        let areRunning = try eventually {
            var list: UnsafeMutablePointer<ifaddrs>?
            try systemCall("getifaddrs") { getifaddrs(&list) }
            defer { freeifaddrs(list) }
            var running: Set<String> = []
            var next = list
            while let entry = next {
                if entry.pointee.ifa_flags & UInt32(IFF_RUNNING) != 0 {
                    running.insert(String(cString: entry.pointee.ifa_name))
                }
                next = entry.pointee.ifa_next
            }
            return running.isSuperset(of: [one, two])
        }
        guard areRunning else {
            throw SystemError(call: "wait for \(one) and \(two)", code: ETIMEDOUT)
        }
    }

    deinit {
        try? run("ip link delete \(one)")
    }
}

/// Waits until a condition holds; false after ten seconds.
package func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    let limit = MonotonicClock.now() + 10_000_000_000
    while MonotonicClock.now() < limit {
        if try condition() {
            return true
        }
        usleep(500)
    }
    return false
}

/// What a command prints.
package func output(_ command: String) throws -> String {
    var template = Array("/tmp/evbd-output-XXXXXX".utf8CString)
    let file = FileDescriptor(owning: try systemCall("mkstemp") { mkstemp(&template) })
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { unlink(path) }
    _ = consume file
    try runShell("\(command) > \(path)")
    return String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self)
}

/// Runs a line by the shell and throws unless it succeeds.
package func runShell(_ line: String) throws {
    let status = system(line)
    guard status == 0 else {
        throw CommandFailed(command: line, status: status)
    }
}
