// One look at a server: the question, the check of what comes, and the file for evbd. Made on a thread of its own.

internal import EVBSettings
internal import Glibc
internal import LinuxSystem
internal import TypeCopies

/// What came of a look at a server.
enum FetchOutcome: Sendable {
    /// The server has what it gave before.
    case unchanged(TypeCopy)
    /// It gave other types, which evbd finds in place of the former.
    case copied(TypeCopy)
    case failed(DownloadError)
}

enum Fetch {
    /// Looks at a server.
    ///
    /// - Parameters:
    ///   - server: which.
    ///   - folder: where copies are.
    ///   - known: what was read or fetched before.
    /// - Returns: what came of it.
    static func run(_ server: TypeServer, folder: String, known: TypeCopy?) -> FetchOutcome {
        // What is on the disk counts: it may be from an earlier run, and where it is damaged the whole is asked for again.
        let copy = (try? TypeCopy.read(server, folder, known: known)) ?? nil
        let condition = copy.flatMap { copy in
            copy.url == server.url ? Condition(etag: copy.etag, lastModified: copy.lastModified) : nil
        }
        switch Download.get(server, unless: condition) {
        case .failure(let error): return .failed(error)
        case .success(.unchanged):
            guard let copy else {
                return .failed(
                    DownloadError(
                        problem: "it says that nothing has changed, and was not asked that",
                        hint: "see the configuration of the server, and of proxies before it"))
            }
            return .unchanged(copy)
        case .success(.text(let octets, let etag, let lastModified)):
            return store(octets, etag, lastModified, server, folder, copy)
        }
    }

    private static func store(
        _ octets: [UInt8], _ etag: String?, _ lastModified: String?, _ server: TypeServer, _ folder: String,
        _ former: TypeCopy?
    ) -> FetchOutcome {
        let checksum = Checksum.of(octets)
        var copy: TypeCopy
        do {
            copy = TypeCopy(
                url: server.url, etag: etag, lastModified: lastModified, fetched: Clock.seconds, checksum: checksum,
                database: try TypeCopy.check(octets, of: server))
        } catch {
            let isPage = octets.first { $0 > 0x20 } == 0x3C
            return .failed(
                DownloadError(
                    problem: isPage ? "what it gives is a page, and no VSI types" : "what it gives \(error)",
                    hint: isPage
                        ? "give the URL of the file in evbd.yaml, not of a page about it or of a login"
                        : "correct the file there (evbd-vsi-types.yaml(5))"))
        }
        let isSame = former?.checksum == checksum
        if isSame, let former, former.url == copy.url { copy.fetched = former.fetched }
        do {
            try Files.writeAtomically(
                TypeExchange.copy(of: server, folder), copy.encoded(octets, of: server), mode: 0o644, isDurable: true)
        } catch {
            return .failed(
                DownloadError(
                    problem: "what it gives cannot be stored: \(error)",
                    hint: "see whether the disk is full, and whether \(folder) is evbd-types' own"))
        }
        return isSame ? .unchanged(copy) : .copied(copy)
    }
}

enum Clock {
    /// Seconds since 1970.
    static var seconds: Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec
    }
}
