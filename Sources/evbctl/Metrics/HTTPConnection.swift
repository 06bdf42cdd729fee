internal import Glibc

/// One connection on standard input and output, as systemd hands it over: one request, one answer, and every wait has an end.
struct HTTPConnection {
    /// How long a request, an answer, and the client's end after it may take, in milliseconds.
    var requestMilliseconds = 5000
    var answerMilliseconds = 10_000
    var endMilliseconds = 1000

    private let input: Int32
    private let output: Int32

    init(input: Int32 = STDIN_FILENO, output: Int32 = STDOUT_FILENO) {
        self.input = input
        self.output = output
    }

    /// Reads a request and answers it.
    func serve(_ metrics: (MetricsText.Format) -> Result<String, Failure>) {
        // A client that has gone is no reason to die.
        signal(SIGPIPE, SIG_IGN)
        let reading = read()
        guard let reading else { return }
        write(HTTPResponse.answer(reading, metrics).octets)
        drain()
    }

    /// A request, or what has come of it in time; nil where the client has gone without a word.
    private func read() -> HTTPRequest.Reading? {
        let deadline = Self.now() + requestMilliseconds
        var octets: [UInt8] = []
        while true {
            let reading = HTTPRequest.read(octets)
            guard reading == .incomplete else { return reading }
            guard wait(input, Int16(POLLIN), until: deadline) else { return .incomplete }
            guard let more = take() else { return octets.isEmpty ? nil : .malformed }
            octets += more
        }
    }

    /// Some octets; nil at the end.
    private func take() -> [UInt8]? {
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = chunk.withUnsafeMutableBytes { Glibc.read(input, $0.baseAddress, $0.count) }
        if count < 0, errno == EAGAIN || errno == EINTR { return [] }
        return count > 0 ? Array(chunk[..<count]) : nil
    }

    private func write(_ octets: [UInt8]) {
        let deadline = Self.now() + answerMilliseconds
        var rest = octets[...]
        let flags = fcntl(output, F_GETFL)
        _ = fcntl(output, F_SETFL, flags | O_NONBLOCK)
        while !rest.isEmpty, wait(output, Int16(POLLOUT), until: deadline) {
            let count = rest.withUnsafeBytes { Glibc.write(output, $0.baseAddress, $0.count) }
            guard count >= 0 || errno == EAGAIN || errno == EINTR else { return }
            rest = rest.dropFirst(max(count, 0))
        }
    }

    /// Lets the client read: a socket that is closed with unread octets takes the answer back.
    private func drain() {
        _ = shutdown(output, Int32(SHUT_WR))
        let deadline = Self.now() + endMilliseconds
        var left = 65_536
        while left > 0, wait(input, Int16(POLLIN), until: deadline), let octets = take() {
            left -= max(octets.count, 1)
        }
    }

    private func wait(_ descriptor: Int32, _ events: Int16, until deadline: Int) -> Bool {
        while true {
            let left = deadline - Self.now()
            guard left > 0 else { return false }
            var poll = pollfd(fd: descriptor, events: events, revents: 0)
            let count = Glibc.poll(&poll, 1, Int32(clamping: left))
            if count > 0 { return true }
            guard count < 0, errno == EINTR else { return false }
        }
    }

    private static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
