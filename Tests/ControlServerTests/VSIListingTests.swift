import EVBControl
import EVBModel
import EVBPorts
import EVBWire
import JSON
import Testing

@testable import ControlServer

/// A port that counts what is asked of it.
private final class Source: VSISource {
    let name: String
    let vsiIDs: [VSIID]
    private(set) var built = 0

    init(_ name: String, _ numbers: [UInt64]) {
        self.name = name
        vsiIDs = numbers.map { VSIID(format: .uuid, high: 1, low: $0) }
    }

    func vsiState(_ vsiID: VSIID) -> EVBModel.VSIState? { vsiID.low % 1000 == 7 ? .pending : .associated }

    func vsiTraits(_ vsiID: VSIID) -> VSITraits? { nil }

    func vsiStatus(_ vsiID: VSIID) -> VSIStatus? {
        built += 1
        return ControlBench.vsi(Int(vsiID.low))
    }

    func writeVSI(_ vsiID: VSIID, to writer: inout JSONWriter) -> Bool {
        guard let vsi = vsiStatus(vsiID) else { return false }
        vsi.write(to: &writer)
        return true
    }

    func vsiDetails(_ vsiID: VSIID) -> VSIDetails? {
        guard vsiID.low % 1000 != 7 else { return nil }
        built += 1
        return VSIDetails(
            vsi: ControlBench.vsi(Int(vsiID.low)),
            vsidb: VSIDBObjects(
                timeSinceCreate: 1, vdpOperCmd: .associate, mgrID16: "00", filterFormat: .vid, numMACs: 1,
                vdpMachineState: .associate, vdpCounterDiscontinuity: 1))
    }
}

@Suite struct ListingTests {
    @Test("SEC-74 a list has the VSIs by port and name, and builds nothing of those that do not match")
    func filters() throws {
        let sources = [Source("port1", (0..<3000).reversed()), Source("port0", [9, 7, 1007])]
        let all = Array(VSIListing(sources, state: .pending))
        // A long list is sorted in blocks of 128, a step each.
        #expect(all.count == 3003 + 24, "each is looked at once")
        #expect(all.compactMap { $0?.vsiID } == ["local:7", "local:1007", "local:7", "local:1007", "local:2007"])
        #expect(sources.map(\.built) == [3, 2])
        #expect(VSIListing(sources, state: .preassociated).allSatisfy { $0 == nil })
        #expect(sources.map(\.built) == [3, 2])
        let texts = VSIListing.Texts(VSIListing([sources[1]], state: .pending))
        var writer = JSONWriter()
        while texts.hasMore { _ = writer.item { texts.writeNext(to: &$0) } }
        #expect(
            writer.octets == Array([7, 1007].map { JSONCoding.encode(ControlBench.vsi($0)) }.joined(separator: [0x2C])))
        #expect(sources.map(\.built) == [3, 4])
        #expect(VSIListing(sources, state: nil).count { $0 != nil } == 3003)
        // Other filters look at traits, which this port has none of, and build nothing either.
        var request = ListVSIsRequest(match: "vm1")
        request.reason = .success
        let query = try VSIQuery(request)
        #expect(VSIListing(sources, state: nil, query: query).allSatisfy { $0 == nil })
        #expect(sources.map(\.built) == [3003, 7])
    }

    @Test("SPD-164 however many VSIs there are, each step sorts a block of them, and they come in their order")
    func order() {
        for count in [0, 1, 2, 127, 128, 129, 1000, 5000] {
            // Any order in which each number is there once, as 7919 is prime.
            let numbers = (0..<UInt64(count)).map { $0 * 7919 % UInt64(max(count, 1)) }
            let formats: [EVBWire.VSIIDFormat] = [.uuid, .mac, .local, .ipv4]
            let vsiIDs = numbers.map { VSIID(format: formats[Int($0 % 4)], high: $0 % 3, low: $0) }
            var order = VSIOrder(vsiIDs)
            var (found, steps): ([VSIID], Int) = ([], 0)
            while !order.isAtEnd {
                steps += 1
                if let next = order.next() { found.append(next) }
            }
            #expect(found == vsiIDs.sorted(by: VSIOrder.isBefore))
            #expect(steps <= count + (count + 127) / 128)
        }
    }

    @Test("OPS-701 a list with managed objects has the VSIs by port and name, and passes over those that have gone")
    func details() {
        let sources = [Source("port1", [8, 7]), Source("port0", [1])]
        let all = Array(VSIListing.Details(sources))
        #expect(all.map { $0?.vsi.vsiID } == ["local:1", nil, "local:8"])
        #expect(sources.map(\.built) == [1, 1])
    }

    @Test("SEC-74 while nothing matches in ten thousand VSIs, another client's calls are answered in between")
    func turns() throws {
        let bench = try ControlBench()
        var looks = 0
        let vsis = (0..<10_000).lazy.map { _ -> VSIStatus? in
            looks += 1
            // So that all of it takes some twenty turns of the server's.
            let end = bench.loop.now() + 20_000
            while bench.loop.now() < end {}
            return nil
        }
        bench.service.onRequest = { request, reply in
            if case .listVSIs = request {
                reply.answer(lookingAt: vsis)
            } else {
                reply.answer(.version(VersionReport(version: "1")))
            }
        }
        let (slow, quick) = (try TestClient(bench.path), try TestClient(bench.path))
        try slow.call("io.evbd.ListVSIs", more: true)
        var between: [Int] = []
        while looks < 10_000, between.count < 1000 {
            _ = try bench.reply(to: "io.evbd.GetVersion", from: quick)
            between.append(looks)
        }
        #expect(between.count >= 4, "calls answered after so many looks: \(between)")
        let replies = try slow.replies()
        #expect(replies.count <= 1, "empty pages are not sent")
        try bench.turn(until: { try replies.last?.continues == false || slow.replies().last?.continues == false })
    }

    @Test(
        "OPS-603 numbers of many ports that take long are written a few a turn, and another client's calls are answered in between"
    )
    func metrics() throws {
        let bench = try ControlBench()
        var made = 0
        let parts = (0..<64).lazy.map { _ -> Metrics? in
            made += 1
            let end = bench.loop.now() + 400_000
            while bench.loop.now() < end {}
            return Metrics()
        }
        bench.service.onRequest = { request, reply in
            if case .getMetrics = request {
                reply.answer(metrics: parts)
            } else {
                reply.answer(.version(VersionReport(version: "1")))
            }
        }
        let (slow, quick) = (try TestClient(bench.path), try TestClient(bench.path))
        try slow.call("io.evbd.GetMetrics", more: true)
        var between: [Int] = []
        while made < 64, between.count < 1000 {
            _ = try bench.reply(to: "io.evbd.GetVersion", from: quick)
            between.append(made)
        }
        #expect(between.count >= 7, "calls answered after so many parts: \(between)")
        var replies: [VarlinkReply] = []
        try bench.turn(until: {
            replies += try slow.replies()
            return replies.last?.continues == false
        })
        let counts = replies.map { reply in
            if case .array(let items)? = reply.parameters["metrics"] { items.count } else { 0 }
        }
        #expect(counts.reduce(0, +) == 64, "\(counts)")
        #expect(
            try bench.reply(to: "io.evbd.GetMetrics", from: quick).parameters["metrics"] != nil, "in one, without more")
    }
}
