import Glibc
import LinuxSystem
import Testing

@Suite struct AppendFileTests {
    @Test func octetsGoBehindWhatIsThere() throws {
        try withDirectory { directory in
            let path = "\(directory)/log"
            try Files.write(path, Array("one".utf8), mode: 0o600)
            let file = try AppendFile(path)
            #expect(file.length == 3)
            try file.append(Array(" two".utf8))
            // Another writer does not move the place: the end is the file's.
            try AppendFile(path).append(Array(" three".utf8))
            try file.append(Array(" four".utf8))
            #expect(try Files.read(path, limit: 100) == Array("one two three four".utf8))
        }
    }

    @Test func nothingIsMadeAndNoLinkIsFollowed() throws {
        try withDirectory { directory in
            let missing = "\(directory)/none"
            #expect(throws: SystemError(call: "open \(missing)", code: ENOENT)) { try AppendFile(missing) }
            try Files.write("\(directory)/target", [], mode: 0o600)
            let link = "\(directory)/link"
            try #require(symlink("\(directory)/target", link) == 0)
            #expect(throws: SystemError(call: "open \(link)", code: ELOOP)) { try AppendFile(link) }
        }
    }

    @Test func aFullDiskIsAnErrorAndChangesNoLength() throws {
        let file = try AppendFile("/dev/full")
        #expect(throws: SystemError(call: "write /dev/full", code: ENOSPC)) { try file.append([1, 2, 3]) }
        #expect(file.length == 0)
        try file.append([])
    }
}
