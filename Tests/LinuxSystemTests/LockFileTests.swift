import Glibc
import LinuxSystem
import Testing

@Suite struct LockFileTests {
    @Test func theFileIsItsOwnersAloneAndStays() throws {
        try withDirectory { directory in
            let path = "\(directory)/lock"
            var lock: LockFile? = try LockFile(path)
            #expect(lock != nil)
            #expect(try Files.status(path).mode == 0o600)
            #expect(try Files.read(path, limit: 64) == Array("\(Processes.ownID)\n".utf8))
            let before = try inode(of: path)
            lock = nil
            #expect(try inode(of: path) == before)
            _ = try LockFile(path)
        }
    }

    @Test func whatAFormerHolderHasWrittenIsReplacedAsAWhole() throws {
        try withDirectory { directory in
            let path = "\(directory)/lock"
            try Files.write(path, Array("2147483647 and more of it\n".utf8), mode: 0o600)
            let lock = try LockFile(path)
            #expect(try Files.read(path, limit: 64) == Array("\(Processes.ownID)\n".utf8))
            withExtendedLifetime(lock) {}
        }
    }

    @Test func aHolderWhoseNumberCannotBeReadIsAHolder() throws {
        try withDirectory { directory in
            let path = "\(directory)/lock"
            let lock = try LockFile(path)
            for text in ["", "no number\n", String(repeating: "9", count: 63)] {
                try Files.write(path, Array(text.utf8), mode: 0o600)
                #expect(throws: LockFile.Failure.held(by: nil)) { try LockFile(path) }
            }
            withExtendedLifetime(lock) {}
        }
    }

    @Test func noLinkIsFollowed() throws {
        try withDirectory { directory in
            let link = "\(directory)/link"
            try #require(symlink("\(directory)/target", link) == 0)
            #expect(throws: LockFile.Failure.system(SystemError(call: "open \(link)", code: ELOOP))) {
                try LockFile(link)
            }
            #expect(throws: SystemError.self) { try Files.status("\(directory)/target") }
        }
    }

    private func inode(of path: String) throws -> UInt64 {
        var information = stat()
        try systemCall("stat") { stat(path, &information) }
        return UInt64(information.st_ino)
    }
}
