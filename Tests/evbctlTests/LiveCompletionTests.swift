import ArgumentParser
import Testing

@testable import evbctl

@Suite struct LiveCompletionTests {
    @Test(
        "OPS-104 completion asks the socket that the command names",
        arguments: [
            (["evbctl", "vsi", "show", "--socket", "/a/b", ""], "/a/b"),
            (["evbctl", "--socket=/c", "port", "show", ""], "/c"),
            (["evbctl", "--socket", "=", "/d", "port", "show", ""], "/d"),
        ]) func socket(_ words: [String], _ path: String)
    {
        #expect(LiveCompletion.socket(in: words) == path)
    }

    @Test func withoutADaemonNothingIsOffered() {
        for completion in [LiveCompletion.ports, .vsis, .links] {
            #expect(completion.offered(at: "/nonexistent/evbd.sock", prefix: "").isEmpty)
        }
    }

    @Test(
        "OPS-104 a name that a shell would expand is not offered",
        arguments: [
            "$(reboot)", "`id`", "a b", "a;b", "*", "~root", "x\ny", "-f", "", "'", "\u{e9}",
        ]) func harmful(_ word: String)
    {
        #expect(!LiveCompletion.isHarmless(word))
    }

    @Test(arguments: ["eth0", "enp3s0f0.10", "5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51", "mac:52:54:00:00:c7:3e", "vf:3"])
    func harmless(_ word: String) {
        #expect(LiveCompletion.isHarmless(word))
    }
}
