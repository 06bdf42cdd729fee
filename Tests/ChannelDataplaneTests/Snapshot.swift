import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Text kept beside the tests, compared with what the code gives now.
enum Snapshot {
    /// Compares `text` with the file, or with EVBD_UPDATE_SNAPSHOTS=1 rewrites the file and fails to say so.
    static func expect(_ text: String, matches name: String, from file: String = #filePath) {
        let path = "\(file[..<(file.lastIndex(of: "/") ?? file.startIndex)])/Snapshots/\(name)"
        if getenv("EVBD_UPDATE_SNAPSHOTS").map({ String(cString: $0) }) == "1" {
            guard let stream = fopen(path, "w") else { return }
            fputs(text, stream)
            fclose(stream)
            Issue.record("\(name) was rewritten; see what has changed and run again")
            return
        }
        guard let kept = read(path) else {
            Issue.record("\(path) is missing; EVBD_UPDATE_SNAPSHOTS=1 writes it")
            return
        }
        let (now, then) = (text.split(separator: "\n"), kept.split(separator: "\n"))
        for (number, pair) in zip(now, then).enumerated() where pair.0 != pair.1 {
            Issue.record("\(name):\(number + 1)\n  was \(pair.1)\n  is  \(pair.0)")
        }
        #expect(now.count == then.count)
    }

    private static func read(_ path: String) -> String? {
        guard let stream = fopen(path, "r") else { return nil }
        defer { fclose(stream) }
        var octets: [UInt8] = []
        while true {
            let octet = getc(stream)
            guard octet >= 0 else { return String(decoding: octets, as: UTF8.self) }
            octets.append(UInt8(truncatingIfNeeded: octet))
        }
    }
}
