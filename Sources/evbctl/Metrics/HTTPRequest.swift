// One request of HTTP/1.1, and what is answered. Whoever connects may write anything.

/// The head of a request, read.
struct HTTPRequest: Equatable {
    enum Method: Equatable {
        case get, head, other
    }

    /// Octets that a head may have.
    static let headMax = 8192

    var method: Method
    /// Without its query.
    var path: String
    var accept: String

    /// How far a head has come.
    enum Reading: Equatable {
        case incomplete, malformed, tooLong
        case request(HTTPRequest)
    }

    /// Reads what has come so far.
    static func read(_ octets: [UInt8]) -> Reading {
        guard let end = end(of: octets) else { return octets.count >= headMax ? .tooLong : .incomplete }
        guard end <= headMax else { return .tooLong }
        let lines = octets[..<end].split(separator: UInt8(ascii: "\n")).map { line in
            String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
        }
        let words = (lines.first ?? "").split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[2].hasPrefix("HTTP/1."), let path = path(of: words[1]) else { return .malformed }
        var accepted: [Substring] = []
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex else { return .malformed }
            if line[..<colon].lowercased() == "accept" { accepted.append(line[line.index(after: colon)...]) }
        }
        let method: Method = words[0] == "GET" ? .get : words[0] == "HEAD" ? .head : .other
        return .request(HTTPRequest(method: method, path: path, accept: accepted.joined(separator: ",")))
    }

    /// Where the empty line begins that ends a head.
    private static func end(of octets: [UInt8]) -> Int? {
        var start = 0
        for (index, octet) in octets.enumerated() where octet == UInt8(ascii: "\n") {
            let line = octets[start..<index]
            if start > 0, line.isEmpty || line.elementsEqual([UInt8(ascii: "\r")]) { return start }
            start = index + 1
        }
        return nil
    }

    /// The path of `/metrics?x=y`, and of the form that proxies are given.
    private static func path(of target: Substring) -> String? {
        var rest = target
        if rest.hasPrefix("http://") {
            rest = rest.dropFirst(7)
            rest = rest.firstIndex(of: "/").map { rest[$0...] } ?? "/"
        }
        guard rest.hasPrefix("/") else { return nil }
        return String(rest.prefix { $0 != "?" && $0 != "#" })
    }

    /// The format that the client wants most, of those that there are.
    var format: MetricsText.Format {
        let quality = quality(of: "application/openmetrics-text")
        return quality > 0 && quality >= self.quality(of: "text/plain") ? .openmetrics : .prometheus
    }

    /// How much the client wants a media type, from 0 to 1; 0 for one that it does not name.
    private func quality(of type: String) -> Double {
        let qualities = accept.split(separator: ",").compactMap { offer -> Double? in
            let parts = offer.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard parts.first == type else { return nil }
            return parts.first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
        }
        return qualities.max() ?? 0
    }
}

/// What is answered to a request.
struct HTTPResponse: Equatable {
    var status: String
    var contentType = "text/plain; charset=utf-8"
    var body: String
    var isBodyLeftOut = false
    var further = ""

    /// All of it as it is sent.
    var octets: [UInt8] {
        let body = Array(self.body.utf8)
        let head =
            "HTTP/1.1 \(status)\r\nContent-Type: \(contentType)\r\nContent-Length: \(body.count)\r\n"
            + "\(further)Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        return Array(head.utf8) + (isBodyLeftOut ? [] : body)
    }

    /// Answers what was read.
    ///
    /// - Parameters:
    ///   - reading: a whole request, or what is wrong with it.
    ///   - metrics: the numbers in a format, or why there are none.
    /// - Returns: the answer, whatever was asked for.
    static func answer(
        _ reading: HTTPRequest.Reading, _ metrics: (MetricsText.Format) -> Result<String, Failure>
    ) -> HTTPResponse {
        switch reading {
        case .incomplete: return HTTPResponse(status: "408 Request Timeout", body: "no whole request came in time\n")
        case .malformed: return HTTPResponse(status: "400 Bad Request", body: "this is no request of HTTP/1.1\n")
        case .tooLong:
            return HTTPResponse(
                status: "431 Request Header Fields Too Large",
                body: "a request may have \(HTTPRequest.headMax) octets\n")
        case .request(let request):
            var response = answer(request, metrics)
            response.isBodyLeftOut = request.method == .head
            return response
        }
    }

    private static func answer(
        _ request: HTTPRequest, _ metrics: (MetricsText.Format) -> Result<String, Failure>
    ) -> HTTPResponse {
        guard request.path == "/metrics" else {
            return HTTPResponse(status: "404 Not Found", body: "the numbers are at /metrics\n")
        }
        guard request.method != .other else {
            return HTTPResponse(
                status: "405 Method Not Allowed", body: "only GET and HEAD are allowed\n",
                further: "Allow: GET, HEAD\r\n")
        }
        let format = request.format
        return switch metrics(format) {
        case .success(let text): HTTPResponse(status: "200 OK", contentType: format.contentType, body: text)
        case .failure(let failure): HTTPResponse(status: "503 Service Unavailable", body: failure.text + "\n")
        }
    }
}
