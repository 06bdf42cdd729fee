// What systems that collect numbers read: their text, and the little of HTTP by which they fetch it.

import ControlSamples
import EVBModel
import Glibc
import JSON
import LinuxSystem
import Testing

@testable import evbctl

@Suite struct MetricsTextTests {
    private static let parts = [Metrics(daemon: Samples.daemonMetrics), Metrics(port: Samples.portMetrics)]

    private func lines(_ format: MetricsText.Format) -> [String] {
        MetricsText(Self.parts, format).text.split(separator: "\n").map(String.init)
    }

    @Test("OPS-604 OpenMetrics: families with help, type and unit, samples with labels, and an end")
    func openMetrics() {
        let text = MetricsText(Self.parts, .openmetrics).text
        #expect(text.hasSuffix("\n# EOF\n"))
        let lines = Set(lines(.openmetrics))
        for line in [
            "# TYPE evbd_build info", "evbd_build_info{version=\"0.1.0 \\\"x\\\"\"} 1",
            "# HELP evbd_ecp_tx_frames ECPDUs sent for the first time (ieee8021BridgeEvbEcpTxFrameCount)",
            "# TYPE evbd_ecp_tx_frames counter", "# UNIT evbd_ecp_tx_frames frames",
            "evbd_ecp_tx_frames_total{port=\"eth0\",role=\"station\"} 10",
            "evbd_ecp_tx_retries_total{port=\"eth0\",role=\"station\"} 1",
            "# TYPE evbd_interface_taken gauge", "evbd_interface_taken{port=\"eth0\",role=\"station\"} 0",
            "evbd_log_lines_left_out_total 7", "evbd_port_up{port=\"eth0\",role=\"station\"} 1",
            "evbd_vsis{port=\"eth0\",role=\"station\",state=\"associated\"} 2",
            "evbd_problem{port=\"\",kind=\"libvirt-port\"} 1", "evbd_problem{port=\"\",kind=\"of-tomorrow\"} 2",
            "evbd_problem{port=\"\",kind=\"reload\"} 0", "evbd_problem{port=\"eth0\",kind=\"second-lldp-speaker\"} 1",
            "evbd_problem{port=\"eth0\",kind=\"vsi-contest\"} 0", "# UNIT evbd_association_seconds seconds",
            "evbd_association_seconds_bucket{port=\"eth0\",role=\"station\",le=\"0.0001\"} 1",
            "evbd_association_seconds_bucket{port=\"eth0\",role=\"station\",le=\"1.0\"} 3",
            "evbd_association_seconds_bucket{port=\"eth0\",role=\"station\",le=\"60.0\"} 3",
            "evbd_association_seconds_bucket{port=\"eth0\",role=\"station\",le=\"+Inf\"} 4",
            "evbd_association_seconds_count{port=\"eth0\",role=\"station\"} 4",
            "evbd_association_seconds_sum{port=\"eth0\",role=\"station\"} 61.500042",
            "evbd_loop_turn_seconds_bucket{le=\"0.0025\"} 1", "evbd_loop_longest_turn_seconds 60.000001",
            "evbd_loop_most_computed_seconds 0.0015",
            "process_resident_memory_bytes 41943040", "process_cpu_seconds_total 1.25",
            "process_start_time_seconds 1795237612.12",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
        #expect(!text.contains("OfTomorrow") && !text.contains("tomorrow_"))
    }

    @Test("OPS-604 the older text format has the same samples, and heads by the names of the samples")
    func prometheus() {
        let (new, old) = (lines(.openmetrics), lines(.prometheus))
        #expect(new.filter { !$0.hasPrefix("#") } == old.filter { !$0.hasPrefix("#") })
        #expect(old.contains("# TYPE evbd_ecp_tx_frames_total counter"))
        #expect(old.contains("# TYPE evbd_build_info gauge"))
        #expect(!old.contains("# EOF") && !old.contains { $0.hasPrefix("# UNIT") })
    }

    @Test("OPS-612 a VSI has series where it is asked for, and none of what is not counted")
    func vsis() {
        let text = MetricsText(Self.parts + [Metrics(vsi: Samples.vsiMetrics)], .openmetrics).text
        let labels = "{port=\"eth0\",role=\"station\",vsi=\"\(Samples.vsiMetrics.vsiID)\"}"
        for line in [
            "# TYPE evbd_vsi_sent_frames counter", "evbd_vsi_sent_frames_total\(labels) 10",
            "evbd_vsi_sent_bytes_total\(labels) 1500", "evbd_vsi_sent_dropped_frames_total\(labels) 0",
            "evbd_vsi_received_frames_total\(labels) 7", "evbd_vsi_received_bytes_total\(labels) 700",
        ] {
            #expect(text.contains(line + "\n"), "\(line)")
        }
        #expect(!text.contains("evbd_vsi_received_dropped"))
        #expect(!MetricsText(Self.parts, .openmetrics).text.contains("evbd_vsi_"))
    }

    @Test("OPS-612 vsi show has what the machine sent and received, and nothing where nothing is counted")
    func shown() {
        var details = Samples.vsiDetails
        #expect(!Presenter(colour: false).vsi(details).contains("Machine sent"))
        details.traffic = Samples.traffic
        let text = Presenter(colour: false).vsi(details)
        #expect(text.contains("Machine sent      10 frames, 1500 octets, 0 dropped\n"), "\(text)")
        #expect(text.contains("Machine received  7 frames, 700 octets\n"), "\(text)")
    }

    @Test("OPS-604 each family stands together, its head before it, and each sample once")
    func families() {
        for format in MetricsText.Format.allCases {
            var (seen, samples): (Set<String>, Set<String>) = ([], [])
            var current = ""
            for line in lines(format) where line != "# EOF" {
                let words = line.split(separator: " ", maxSplits: 3).map(String.init)
                if line.hasPrefix("# HELP") {
                    current = words[2]
                    #expect(seen.insert(current).inserted, "\(current) has two heads")
                } else if line.hasPrefix("#") {
                    #expect(words[2] == current)
                } else {
                    #expect(line.hasPrefix(current), "\(line) is under \(current)")
                    #expect(samples.insert(words.dropLast().joined(separator: " ")).inserted, "\(line)")
                }
            }
            #expect(samples.count > 40)
        }
    }

    @Test("OPS-605 no two families have one name, and names are of small letters; counters are named after the MIB")
    func names() {
        let names = MetricFamily.all.map(\.name)
        #expect(Set(names).count == names.count)
        for family in MetricFamily.all {
            #expect(family.name.allSatisfy { $0.isLowercase || $0 == "_" }, "\(family.name)")
            #expect(family.unit.map { family.name.hasSuffix("_\($0)") } ?? true, "\(family.name)")
            #expect(!family.help.contains("\""), "\(family.name): OpenMetrics would have it escaped")
        }
        #expect(MetricFamily(.vdpCommandReverts).name == "evbd_vdp_command_reverts")
        #expect(MetricFamily(.lldpRxTLVsUnrecognized).sampleName == "evbd_lldp_rx_tlvs_unrecognized_total")
    }

    private static let page =
        "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        + "/Documentation/metrics.md"

    @Test("OPS-605 the table of Documentation/metrics.md is the program's")
    func table() throws {
        let table = MetricFamily.all.map { family in
            let labels = family.labels.isEmpty ? "" : "`\(family.labels.joined(separator: "`, `"))`"
            return "| `\(family.sampleName)` | \(family.kind.rawValue) | \(labels) | \(family.help) |\n"
        }.joined()
        let text = String(decoding: try Files.read(Self.page, limit: 1 << 20), as: UTF8.self)
        let head = "|---|---|---|---|\n"
        let start = try #require(text.range(of: head)).upperBound
        let end = text[start...].range(of: "\n\n")?.lowerBound ?? text.endIndex
        let written = String(text[start..<end]) + "\n"
        guard written != table, getenv("EVBD_UPDATE_SNAPSHOTS").map({ String(cString: $0) }) == "1" else {
            #expect(written == table, "run again with EVBD_UPDATE_SNAPSHOTS=1 and read what changes")
            return
        }
        let rewritten = text[..<start] + table.dropLast() + text[end...]
        try Files.write(Self.page, Array(rewritten.utf8), mode: 0o644)
        Issue.record("rewritten: \(Self.page)")
    }
}

extension String {
    /// Where a text is, without Foundation.
    fileprivate func range(of text: String) -> Range<Index>? { self[...].range(of: text) }
}

extension Substring {
    fileprivate func range(of text: String) -> Range<Index>? { firstRange(of: text) }
}

@Suite struct MetricsHTTPTests {
    private func read(_ text: String) -> HTTPRequest.Reading { HTTPRequest.read(Array(text.utf8)) }

    private func answer(_ text: String) -> String {
        let response = HTTPResponse.answer(read(text)) { .success("numbers as \($0.rawValue)\n") }
        return String(decoding: response.octets, as: UTF8.self)
    }

    private static let accept =
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

    @Test("OPS-606 a request is read when it is whole, whatever the ends of its lines, and its query does not count")
    func whole() {
        let text = "GET /metrics?x=1 HTTP/1.1\r\nHost: localhost:9847\r\nACCEPT:\t\(Self.accept)\r\n\r\n"
        for count in 0..<text.utf8.count {
            #expect(HTTPRequest.read(Array(text.utf8.prefix(count))) == .incomplete, "\(count)")
        }
        guard case .request(let request) = read(text) else {
            Issue.record("it is not read")
            return
        }
        #expect(request.method == .get && request.path == "/metrics" && request.format == .openmetrics)
        #expect(
            read("GET http://h:1/metrics HTTP/1.0\n\n") == .request(.init(method: .get, path: "/metrics", accept: "")))
        #expect(read("PUT /x HTTP/1.1\r\n\r\n") == .request(.init(method: .other, path: "/x", accept: "")))
    }

    @Test("OPS-606 what is no request is refused, and what has no end is read up to a limit")
    func refused() {
        for text in [
            "\r\n\r\n\r\n", "GET\r\n\r\n", "GET /metrics\r\n\r\n", "GET  /metrics HTTP/1.1\r\n\r\n",
            "GET metrics HTTP/1.1\r\n\r\n", "GET /metrics FTP/1\r\n\r\n", "GET /metrics HTTP/1.1\r\nnonsense\r\n\r\n",
            "GET /metrics HTTP/1.1\r\n: x\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\n\n",
        ] {
            #expect(read(text) == .malformed, "\(text)")
        }
        let long = "GET /metrics HTTP/1.1\r\nx: " + String(repeating: "y", count: HTTPRequest.headMax)
        #expect(read(long) == .tooLong && read(long + "\r\n\r\n") == .tooLong)
        #expect(answer(long).hasPrefix("HTTP/1.1 431 "))
        #expect(answer("GET").hasPrefix("HTTP/1.1 408 ") && answer("GET\r\n\r\n").hasPrefix("HTTP/1.1 400 "))
    }

    @Test("OPS-606 octets at random, by a seed, are read without a trap")
    func random() {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? 606
        print("MetricsHTTPTests.random: EVBD_SEED=\(seed)")
        var state = seed
        let pieces = [
            "GET ", "/metrics", " HTTP/1.1", "\r\n", "\n", ":", ";q=", "Accept", "http://", "?", "\u{0}", "é", ",",
        ]
        for _ in 0..<5000 {
            var text = ""
            for _ in 0..<12 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += pieces[Int(state >> 33) % pieces.count]
            }
            if case .request(let request) = read(text) { _ = request.format }
            _ = answer(text)
        }
    }

    @Test(
        "OPS-606 GET and HEAD of /metrics are answered in the format that the client wants; the rest is not there or not allowed"
    )
    func answers() {
        let plain = answer("GET /metrics HTTP/1.1\r\n\r\n")
        #expect(
            plain.hasPrefix(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 22\r\n"))
        #expect(plain.hasSuffix("\r\nConnection: close\r\n\r\nnumbers as prometheus\n"))
        let open = answer("GET /metrics HTTP/1.1\r\nAccept: \(Self.accept)\r\n\r\n")
        #expect(open.contains("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"))
        for (accept, isOpen) in [
            ("*/*", false), ("text/plain", false), ("application/openmetrics-text;q=0", false),
            ("text/plain;q=0.9, application/openmetrics-text; q=0.8", false),
            ("application/openmetrics-text; q=0.8, text/plain; q=0.7", true), ("APPLICATION/OpenMetrics-Text", true),
            ("application/openmetrics-text; q=x", false), ("", false), (";;,,;q=", false),
        ] {
            let said = answer("GET /metrics HTTP/1.1\r\nAccept: \(accept)\r\n\r\n")
            #expect(said.hasSuffix(isOpen ? "openmetrics\n" : "prometheus\n"), "\(accept)")
        }
        let head = answer("HEAD /metrics HTTP/1.1\r\n\r\n")
        #expect(head.contains("Content-Length: 22\r\n") && head.hasSuffix("\r\n\r\n"))
        #expect(answer("GET / HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404 "))
        let post = answer("POST /metrics HTTP/1.1\r\n\r\n")
        #expect(post.hasPrefix("HTTP/1.1 405 ") && post.contains("\r\nAllow: GET, HEAD\r\n"))
    }

    @Test("OPS-606 while evbd does not answer, nor do the numbers: the scrape fails, and says why")
    func unavailable() {
        let failure = Failure(.noDaemon(socket: "/x", cause: .absent))
        let response = HTTPResponse.answer(read("GET /metrics HTTP/1.1\r\n\r\n")) { _ in .failure(failure) }
        let text = String(decoding: response.octets, as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 503 ") && text.contains("there is no such socket"))
    }
}
