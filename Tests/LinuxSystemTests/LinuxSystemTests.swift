import Glibc
import LinuxSystem
import Testing

@Suite struct LinuxSystemTests {
    @Test func errorsNameTheCallAndTheErrno() {
        #expect(
            SystemError(call: "bind", code: EADDRINUSE).description == "bind: Address already in use (EADDRINUSE)")
        #expect(SystemError(call: "x", code: 9999).description == "x: Unknown error 9999 (errno 9999)")
    }

    @Test func aCallIsMadeAgainAfterEINTR() throws {
        var calls = 0
        let result = try systemCall("call") { () -> Int32 in
            calls += 1
            errno = EINTR
            return calls < 3 ? -1 : 5
        }
        #expect(result == 5)
        #expect(calls == 3)
        let blocked = try systemCallUnlessBlocked("call") { () -> Int in
            errno = EAGAIN
            return -1
        }
        #expect(blocked == nil)
        #expect(throws: SystemError(call: "call", code: EAGAIN)) {
            try systemCall("call") { () -> Int in
                errno = EAGAIN
                return -1
            }
        }
    }

    @Test("a descriptor that is closed apart is closed, once")
    func closedApart() throws {
        var ends: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        try systemCall("socketpair") { socketpair(AF_UNIX, type, 0, &ends) }
        let reading = FileDescriptor(owning: ends[0])
        FileDescriptor(owning: ends[1]).closeApart()
        var octet: UInt8 = 0
        // The end of the stream, which comes with the close.
        #expect(read(reading.rawValue, &octet, 1) == 0)
    }

    @Test func aDescriptorIsClosedByItsOwnerUnlessReleased() throws {
        func isOpen(_ number: Int32) -> Bool {
            // Numbers are reused by tests that run beside this one, so the open file itself is looked at.
            (try? Files.readLink("/proc/self/fd/\(number)")).map { $0.hasPrefix("/proc/version") } ?? false
        }
        var number: Int32 = -1
        do {
            let file = FileDescriptor(owning: try systemCall("open") { open("/proc/version", O_RDONLY) })
            number = file.rawValue
            #expect(isOpen(number))
        }
        #expect(!isOpen(number))
        do {
            let file = FileDescriptor(owning: try systemCall("open") { open("/proc/version", O_RDONLY) })
            number = file.release()
        }
        #expect(isOpen(number))
        close(number)
    }

    @Test func filesAreWrittenReadAndRemoved() throws {
        try withDirectory { directory in
            let path = "\(directory)/state"
            try Files.writeAtomically(path, Array("first".utf8), mode: 0o640)
            #expect(try Files.read(path, limit: 5) == Array("first".utf8))
            #expect(try Files.status(path).mode == 0o640)
            #expect(try Files.status(path).kind == .regular)
            #expect(try Files.status(path).owner == geteuid())
            #expect(try Files.status(path).size == 5)
            try Files.writeAtomically(path, [], mode: 0o600)
            #expect(try Files.read(path, limit: 0) == [])
            try Files.write(path, Array("in place".utf8), mode: 0o644)
            try Files.write(path, Array("short".utf8), mode: 0o644)
            #expect(try Files.read(path, limit: 100) == Array("short".utf8))
            #expect(try Files.list(directory, limit: 1) == ["state"])
            #expect(try Files.unlink(path))
            #expect(try !Files.unlink(path))
        }
    }

    @Test func limitsAreKept() throws {
        try withDirectory { directory in
            let path = "\(directory)/big"
            try Files.write(path, [UInt8](repeating: 7, count: 200_000), mode: 0o600)
            #expect(try Files.read(path, limit: 200_000).count == 200_000)
            #expect(throws: SystemError(call: "read \(path)", code: EFBIG)) { try Files.read(path, limit: 199_999) }
            try Files.write("\(directory)/other", [], mode: 0o600)
            #expect(throws: SystemError(call: "readdir \(directory)", code: EOVERFLOW)) {
                try Files.list(directory, limit: 1)
            }
        }
    }

    @Test func aFailedAtomicWriteLeavesNothingBehind() throws {
        try withDirectory { directory in
            let path = "\(directory)/taken"
            try Files.makeDirectory(path, mode: 0o700)
            #expect(throws: SystemError.self) { try Files.writeAtomically(path, [1], mode: 0o600) }
            #expect(try Files.list(directory, limit: 10) == ["taken"])
        }
    }

    @Test func aLinkIsNotFollowedWhenWriting() throws {
        try withDirectory { directory in
            try Files.write("\(directory)/target", [1], mode: 0o600)
            #expect(symlink("\(directory)/target", "\(directory)/link") == 0)
            #expect(try Files.readLink("\(directory)/link") == "\(directory)/target")
            #expect(try Files.status("\(directory)/link").kind == .symbolicLink)
            #expect(throws: SystemError(call: "open \(directory)/link", code: ELOOP)) {
                try Files.write("\(directory)/link", [2], mode: 0o600)
            }
            #expect(try Files.read("\(directory)/target", limit: 1) == [1])
        }
    }

    @Test func directoriesAreMadeOnce() throws {
        try withDirectory { directory in
            #expect(try Files.makeDirectory("\(directory)/run", mode: 0o755))
            #expect(try !Files.makeDirectory("\(directory)/run", mode: 0o700))
            #expect(try Files.status("\(directory)/run").mode == 0o755)
            try Files.write("\(directory)/file", [], mode: 0o600)
            #expect(throws: SystemError(call: "mkdir \(directory)/file", code: ENOTDIR)) {
                try Files.makeDirectory("\(directory)/file", mode: 0o700)
            }
        }
    }

    @Test func processesAreKnown() {
        #expect(Processes.exists(Processes.ownID))
        #expect(Processes.exists(1))
        #expect(!Processes.exists(0))
        #expect(!Processes.exists(-1))
        #expect(!Processes.exists(Int32.max))
    }

    @Test func addressesAreReadAndWritten() throws {
        let address = try #require(HardwareAddress(octets: [0x01, 0x80, 0xC2, 0, 0, 0x0E]))
        #expect(address.value == 0x0180_C200_000E)
        #expect(address.octets == [0x01, 0x80, 0xC2, 0, 0, 0x0E])
        #expect(address.description == "01:80:c2:00:00:0e")
        #expect(HardwareAddress(octets: [1, 2, 3]) == nil)
    }
}
