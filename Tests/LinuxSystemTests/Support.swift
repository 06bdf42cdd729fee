import Glibc
import LinuxSystem
import Testing

/// A directory of the test's own, removed with what is in it.
func withDirectory(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/evbd-test-XXXXXX".utf8CString)
    let made = try #require(mkdtemp(&template))
    let path = String(cString: made)
    defer {
        for name in (try? Files.list(path, limit: 100)) ?? [] {
            _ = unlink("\(path)/\(name)")
            _ = rmdir("\(path)/\(name)")
        }
        rmdir(path)
    }
    try body(path)
}
