// One question to a server, by libcurl. It blocks, and is made on a thread of its own.

internal import CCurl
internal import EVBModel
internal import EVBSettings
internal import Glibc

/// What a server answered.
enum Answer: Sendable {
    /// What it gave before is what it has.
    case unchanged
    case text([UInt8], etag: String?, lastModified: String?)
}

/// Why a server gave nothing.
struct DownloadError: Error, Sendable {
    /// Why, as a sentence without a stop.
    var problem: String
    /// What to do about it.
    var hint: String
}

/// What a question says of the copy that there is.
struct Condition: Sendable {
    var etag: String?
    var lastModified: String?
}

/// A question to a server.
final class Download {
    /// Ways within one server that a question follows.
    private static let redirectsMax = 3
    /// Octets of all headers of an answer.
    private static let headersMax = 65_536
    /// Octets of a value that is sent back to the server.
    private static let conditionMax = 1024

    private let server: TypeServer
    private let handle: UnsafeMutableRawPointer
    private var body: [UInt8] = []
    private var headerOctets = 0
    private var etag: String?
    private var lastModified: String?
    private var isTooLarge = false
    private var hasTooManyHeaders = false

    /// Asks a server.
    ///
    /// - Parameters:
    ///   - server: which.
    ///   - condition: what is known of the copy that there is; nil asks for the whole.
    /// - Returns: the answer, or why there is none.
    static func get(_ server: TypeServer, unless condition: Condition?) -> Result<Answer, DownloadError> {
        guard let handle = curl_easy_init() else {
            return .failure(DownloadError(problem: "libcurl cannot be used", hint: "see whether memory is short"))
        }
        defer { curl_easy_cleanup(handle) }
        let download = Download(server, handle)
        return Result { () throws(DownloadError) in try download.run(condition) }
    }

    private init(_ server: TypeServer, _ handle: UnsafeMutableRawPointer) {
        self.server = server
        self.handle = handle
    }

    private func run(_ condition: Condition?) throws(DownloadError) -> Answer {
        var headers: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(headers) }
        // Not Accept-Encoding: a small answer must not become a large one.
        var lines = ["Accept: application/yaml, text/yaml, */*;q=0.5"]
        if let etag = condition?.etag { lines.append("If-None-Match: \(etag)") }
        if let date = condition?.lastModified { lines.append("If-Modified-Since: \(date)") }
        for line in lines { headers = curl_slist_append(headers, line) }
        let error = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
        error.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        defer { error.deallocate() }
        try prepare(headers, error)
        var url = server.url
        for _ in 0...Self.redirectsMax {
            (body, headerOctets, etag, lastModified) = ([], 0, nil, nil)
            _ = ccurl_set_text(handle, CURLOPT_URL, url)
            let code = curl_easy_perform(handle)
            guard code == CURLE_OK else { throw words(code, String(cString: error)) }
            let status = ccurl_status(handle)
            guard (300..<400).contains(status), status != 304 else {
                return try answer(status, isConditional: lines.count > 1)
            }
            url = try redirect()
        }
        throw DownloadError(
            problem: "it answers with one redirect after another", hint: "give the URL at the end of them in evbd.yaml")
    }

    private func prepare(
        _ headers: UnsafeMutablePointer<curl_slist>?, _ error: UnsafeMutablePointer<CChar>
    ) throws(DownloadError) {
        let texts: [(CURLoption, String?)] = [
            (CURLOPT_PROTOCOLS_STR, "https"), (CURLOPT_USERAGENT, "evbd-types/\(Release.version)"),
            (CURLOPT_CAINFO, server.authorities), (CURLOPT_SSLCERT, server.certificate), (CURLOPT_SSLKEY, server.key),
        ]
        for case (let option, let text?) in texts { try check(ccurl_set_text(handle, option, text)) }
        // Those that the host trusts are not asked beside those that are named.
        if server.authorities != nil { _ = ccurl_set_text(handle, CURLOPT_CAPATH, nil) }
        let numbers: [(CURLoption, Int)] = [
            (CURLOPT_FOLLOWLOCATION, 0), (CURLOPT_NOSIGNAL, 1), (CURLOPT_SSLVERSION, 6 /* CURL_SSLVERSION_TLSv1_2 */),
            (CURLOPT_HTTP_VERSION, 2 /* CURL_HTTP_VERSION_1_1 */), (CURLOPT_TIMEOUT, server.timeout),
            (CURLOPT_CONNECTTIMEOUT, min(10, server.timeout)), (CURLOPT_MAXFILESIZE, server.sizeLimit),
        ]
        for (option, number) in numbers { try check(ccurl_set_long(handle, option, number)) }
        _ = ccurl_set_pointer(handle, CURLOPT_HTTPHEADER, headers)
        _ = ccurl_set_pointer(handle, CURLOPT_ERRORBUFFER, error)
        // This object lives as long as the call.
        let this = Unmanaged.passUnretained(self).toOpaque()
        _ = ccurl_set_pointer(handle, CURLOPT_WRITEDATA, this)
        _ = ccurl_set_pointer(handle, CURLOPT_HEADERDATA, this)
        _ = ccurl_set_sink(handle, CURLOPT_WRITEFUNCTION) { octets, size, count, context in
            guard let octets, let context else { return 0 }
            let part = UnsafeRawBufferPointer(start: octets, count: size * count)
            return Unmanaged<Download>.fromOpaque(context).takeUnretainedValue().take(body: part)
        }
        _ = ccurl_set_sink(handle, CURLOPT_HEADERFUNCTION) { octets, size, count, context in
            guard let octets, let context else { return 0 }
            let line = UnsafeRawBufferPointer(start: octets, count: size * count)
            return Unmanaged<Download>.fromOpaque(context).takeUnretainedValue().take(header: line)
        }
    }

    private func check(_ code: CURLcode) throws(DownloadError) {
        guard code == CURLE_OK else { throw words(code, "") }
    }

    // MARK: What comes

    /// libcurl's own limit (CURLOPT_MAXFILESIZE) does not hold where the server does not say how much comes, before 8.4.
    private func take(body part: UnsafeRawBufferPointer) -> Int {
        guard body.count + part.count <= server.sizeLimit else {
            isTooLarge = true
            return 0
        }
        body.append(contentsOf: part)
        return part.count
    }

    private func take(header line: UnsafeRawBufferPointer) -> Int {
        headerOctets += line.count
        guard headerOctets <= Self.headersMax else {
            hasTooManyHeaders = true
            return 0
        }
        guard let colon = line.firstIndex(of: 0x3A) else { return line.count }
        let value = line[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }.reversed().drop { $0 <= 0x20 }.reversed()
        // It is sent back to the server as it is.
        guard value.count <= Self.conditionMax, value.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            return line.count
        }
        switch String(decoding: line[..<colon], as: UTF8.self).lowercased() {
        case "etag": etag = String(decoding: value, as: UTF8.self)
        case "last-modified": lastModified = String(decoding: value, as: UTF8.self)
        default: break
        }
        return line.count
    }

    // MARK: What became of it

    private func answer(_ status: Int, isConditional: Bool) throws(DownloadError) -> Answer {
        switch status {
        case 200: return .text(body, etag: etag, lastModified: lastModified)
        case 304 where isConditional: return .unchanged
        case 401, 403:
            throw DownloadError(
                problem: "it refuses to give them (HTTP \(status))",
                hint: "give the server access for this host, or certificate: and key: in evbd.yaml")
        case 404, 410:
            throw DownloadError(
                problem: "it has no such file (HTTP \(status))", hint: "correct url in evbd.yaml, or put the file there"
            )
        case 500...599:
            throw DownloadError(problem: "it fails (HTTP \(status))", hint: "see the log of the server")
        default:
            throw DownloadError(
                problem: "it answers with HTTP \(status)", hint: "try the URL by curl; it has to answer 200")
        }
    }

    /// Where a redirect leads; only to the same server.
    private func redirect() throws(DownloadError) -> String {
        guard let text = ccurl_info_text(handle, CURLINFO_REDIRECT_URL) else {
            throw DownloadError(
                problem: "it redirects without saying where", hint: "see the configuration of the server")
        }
        let target = String(cString: text)
        guard let origin = Self.origin(server.url), Self.origin(target) == origin else {
            throw DownloadError(
                problem: "it redirects to another server, \(target)",
                hint: "if that is meant, give its URL in evbd.yaml: evbd-types follows only within one server")
        }
        return target
    }

    /// Scheme, host and port of a URL; nil if it cannot be read.
    private static func origin(_ text: String) -> [String]? {
        guard let url = curl_url() else { return nil }
        defer { curl_url_cleanup(url) }
        guard curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK else { return nil }
        var parts: [String] = []
        for part in [CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT] {
            var value: UnsafeMutablePointer<CChar>?
            guard curl_url_get(url, part, &value, UInt32(CURLU_DEFAULT_PORT)) == CURLUE_OK, let value else {
                return nil
            }
            parts.append(String(cString: value).lowercased())
            curl_free(value)
        }
        return parts
    }

    private func words(_ code: CURLcode, _ said: String) -> DownloadError {
        let plain = String(cString: curl_easy_strerror(code))
        let reason = said.isEmpty ? plain : said
        switch code {
        case CURLE_WRITE_ERROR where isTooLarge, CURLE_FILESIZE_EXCEEDED:
            return DownloadError(
                problem: "it gives more than \(server.sizeLimit) octets",
                hint:
                    "make the file smaller, or raise size-limit in evbd.yaml (at most \(TypeServer.sizeLimitRange.upperBound))"
            )
        case CURLE_WRITE_ERROR where hasTooManyHeaders:
            return DownloadError(
                problem: "its answer has more than \(Self.headersMax) octets of headers",
                hint: "see the configuration of the server")
        case CURLE_OPERATION_TIMEDOUT:
            return DownloadError(
                // libcurl adds milliseconds, by which the same trouble would be another each time.
                problem: "it does not give them within \(server.timeout) s",
                hint: "see whether the server and the network are slow, or raise timeout in evbd.yaml")
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT:
            return DownloadError(
                problem: "it cannot be reached (\(plain))",
                hint: "see whether the server runs, its name and the way to it")
        case CURLE_PEER_FAILED_VERIFICATION:
            return DownloadError(
                problem: "its certificate is not trusted (\(reason))",
                hint: "renew the certificate of the server, or give the certificates that sign it by ca: in evbd.yaml")
        case CURLE_SSL_CACERT_BADFILE:
            return DownloadError(
                problem: "the file of ca: cannot be used (\(reason))",
                hint: "give certificates in PEM, in a file that the user evbd-types may read")
        case CURLE_SSL_CERTPROBLEM:
            return DownloadError(
                problem: "the files of certificate: and key: cannot be used (\(reason))",
                hint: "give both in PEM, in files that the user evbd-types may read")
        case CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_GOT_NOTHING:
            return DownloadError(
                problem: "the connection ends before all has come (\(reason))", hint: "see the log of the server")
        default:
            return DownloadError(problem: "it cannot be asked (\(reason))", hint: "try the URL by curl")
        }
    }
}
