import Glibc
import LinuxSystem
import Testing

@testable import EVBSettings
@testable import LldpadFile
@testable import SettingsFile

private let samples =
    "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    + "/Samples/"
/// What Debian's lldpad 1.1 wrote, by lldptool, for four interfaces.
private let sample = samples + "lldpad.conf"
/// What lldpad 1.2.0 of Debian sid wrote: a bridge, a station, and a station in the draft dialect with a role for VDP.
private let sample12 = samples + "lldpad-1.2.conf"

private func imported(_ octets: [UInt8]) throws -> LldpadImport {
    LldpadImport(try LibconfigGroup(parsing: octets))
}

private func imported(_ text: String) throws -> LldpadImport { try imported(Array(text.utf8)) }

/// An interface with the ratified EVB TLV and these settings, as lldpad has it.
private func ratified(_ settings: String, beside: String = "", name: String = "eth0") -> String {
    """
    nearest_customer_bridge : { \(name) : { adminStatus = 3; \(beside)
      tlvid0080c20d : { enableTx = true; \(settings) }; }; };
    """
}

private func draft(_ settings: String, vdp: String = "enableTx = true;") -> String {
    """
    nearest_customer_bridge : { eth0 : { adminStatus = 3; vdp : { \(vdp) };
      tlvid001b3f00 : { enableTx = true; \(settings) }; }; };
    """
}

@Suite struct LldpadImportTests {
    @Test("OPS-812 a file that lldpad wrote becomes a configuration that evbd takes")
    func written() throws {
        let text = try imported(try Files.read(sample, limit: 1 << 20)).yaml(source: "lldpad.conf")
        #expect(
            text == """
                # Made by evbctl import of lldpad.conf. Everything that is not here has evbd's default.
                #
                # Not carried over:
                # - p1: LLDP to 01-80-C2-00-00-0E (section lldp); evbd does EVB alone, another daemon such as lldpd has to do it

                ports:
                  - interface: p0
                    # ecprte is lldpad's default of 8; evbd's default is 14, the standard's. The larger of both sides is in force.
                    # A bridge port of evbd has to be in a Linux bridge. It grants every VSI, as lldpad does, unless vsi-types is given.
                    role: bridge
                    reflective-relay: true
                    group-ids: false
                  - interface: eth0
                    edge-relay: vepa
                    group-ids: true
                    ecp: { retries: 4, rte: 12 }
                    vdp: { rwd: 21, rka: 22 }
                  - interface: eth1
                    # vdp.enableTx is not true, so that lldpad associates nothing here; evbd does.
                    # rte of the draft's EVB TLV has no counterpart.
                    # vsis of the draft's EVB TLV has no counterpart.
                    edge-relay: vepa

                """)
        let settings = try DaemonSettings.parse(Array(text.utf8), file: "evbd.yaml")
        var (p0, eth0) = (PortSettings(interface: "p0"), PortSettings(interface: "eth0"))
        p0.role = .bridge
        p0.groupIDs = false
        eth0.ecp.retries = 4
        eth0.ecp.rte = 12
        eth0.vdp.rwd = 21
        eth0.vdp.rka = 22
        #expect(settings.ports == [p0, eth0, PortSettings(interface: "eth1")])
    }

    @Test("OPS-812 a file that lldpad 1.2 wrote becomes a configuration that evbd takes")
    func writtenBy12() throws {
        let found = try imported(try Files.read(sample12, limit: 1 << 20))
        #expect(found.notes.isEmpty)
        let settings = try DaemonSettings.parse(Array(found.yaml(source: "lldpad.conf").utf8), file: "evbd.yaml")
        var (port0, uplink0) = (PortSettings(interface: "port0"), PortSettings(interface: "uplink0"))
        port0.role = .bridge
        port0.groupIDs = false
        uplink0.ecp.retries = 4
        uplink0.ecp.rte = 12
        uplink0.vdp.rwd = 21
        uplink0.vdp.rka = 22
        #expect(settings.ports == [port0, uplink0, PortSettings(interface: "uplink1")])
        #expect(found.ports.map(\.remarks.count) == [2, 0, 3])
    }

    @Test(
        "OPS-813 each setting of EVB has its counterpart",
        arguments: [
            (ratified(""), ["edge-relay: veb", "group-ids: false"]),
            (ratified("evbrrreq = true; evbgpid = true;"), ["edge-relay: vepa", "group-ids: true"]),
            (ratified("evbmode = \"bridge\";"), ["role: bridge", "reflective-relay: false"]),
            (ratified("ecpretries = 0; ecprte = 31;"), ["ecp: { retries: 0, rte: 31 }"]),
            (ratified("vdprka = 14;"), ["vdp: { rka: 14 }"]), (ratified("", name: "No"), ["- interface: \"No\""]),
            (draft("fmode = \"reflectiverelay\";"), ["edge-relay: vepa"]), (draft(""), ["edge-relay: veb"]),
            (draft("", vdp: "role = \"bridge\";"), ["role: bridge", "dialect: draft", "reflective-relay: false"]),
        ])
    func counterparts(file: String, lines: [String]) throws {
        let text = try imported(file).yaml(source: "lldpad.conf")
        let found = text.split(separator: "\n").map { $0.drop { $0 == " " } }
        for line in lines { #expect(found.contains(Substring(line)), "\(text)") }
        #expect(throws: Never.self) { try DaemonSettings.parse(Array(text.utf8), file: "evbd.yaml") }
    }

    @Test(
        "OPS-814 what has no counterpart is named",
        arguments: [
            (ratified("ecprte = 32;"), "ecprte is no number of 0 to 31; left out."),
            (ratified("ecpretries = true;"), "ecpretries is no number of 0 to 7"),
            (ratified("something = 1;"), "Not known, and not carried over: something."),
            (ratified("", beside: "tlvid00000005 : { enableTx = true; };"), "tlvid00000005 (system name)"),
            (ratified("", beside: "tlvid00000003 : { value = 60; };"), "tlvid00000003 (time to live)"),
            (ratified("", beside: "tlvid00000001 : { info = \"0565746830\"; };"), "The chassis ID is not carried over"),
            (ratified("", beside: "tlvid001b3f00 : { enableTx = true; };"), "which lldpad refuses beside"),
            (draft("capabilities = \"rte\";"), "capabilities lacks ecp or vdp"),
            (draft("capabilities = \"rte,ecp,vdp\";", vdp: ""), "vdp.enableTx is not true"),
            (
                "nearest_customer_bridge : { eth0 : { tlvid0080c20d : { evbrrreq = true; }; }; };",
                "eth0: EVB is configured, but enableTx"
            ),
            (
                "nearest_customer_bridge : { eth0 : { tlvid0080c20d : { enableTx = true; }; }; };",
                "eth0: EVB is configured, but adminStatus"
            ),
            ("nearest_nontpmr_bridge : { eth0 : { adminStatus = 2; }; };", "eth0: LLDP to 01-80-C2-00-00-03"),
            ("dcbx : { version = \"1.0\"; eth0 : { }; };", "eth0: DCBX"),
            ("other : { };", "sections that are not known: other"),
        ])
    func remarks(file: String, words: String) throws {
        #expect(try imported(file).yaml(source: "lldpad.conf").contains(words))
    }

    @Test("OPS-814 a name for many interfaces is short, and a TLV that is off is no loss")
    func short() throws {
        let many = (0..<5000).map { "veth\($0) : { adminStatus = 3; };" }.joined(separator: "\n")
        let notes = try imported("lldp : { \(many) };").notes
        #expect(notes.count == 1 && notes[0].hasPrefix("veth0, veth1, ") && notes[0].contains(" and 4992 more: LLDP"))
        let off = try imported(ratified("ecprte = 8;", beside: "tlvid00000005 : { enableTx = false; };"))
        #expect(off.ports.first?.remarks.count == 1 && off.notes.isEmpty)
    }

    @Test("OPS-815 damaged files are refused or become configurations that evbd takes")
    func damaged() throws {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 0...UInt64.max)
        print("EVBD_SEED=\(seed)")
        var numbers = SplitMix(state: seed)
        let whole = try Files.read(sample, limit: 1 << 20)
        let pieces = [
            "{", "}", ";", "=", "\"", "\\x", "/*", "*", "tlvid0080c20d : { enableTx = true; };", "adminStatus = 3;",
            "\0", "é",
        ]
        var taken = 0
        for _ in 0..<3000 {
            var octets = whole
            for _ in 0..<Int.random(in: 1...4, using: &numbers) {
                let at = Int.random(in: 0..<octets.count, using: &numbers)
                let end = min(octets.count, at + Int.random(in: 0...12, using: &numbers))
                let piece =
                    Bool.random(using: &numbers)
                    ? Array((pieces.randomElement(using: &numbers) ?? "").utf8)
                    : [.random(in: 0...255, using: &numbers)]
                octets.replaceSubrange(at..<end, with: piece)
            }
            guard let text = try? imported(octets).yaml(source: "lldpad.conf") else { continue }
            taken += 1
            #expect(throws: Never.self, "\(text)") { try DaemonSettings.parse(Array(text.utf8), file: "evbd.yaml") }
        }
        #expect(taken > 0)
    }
}

/// SplitMix64, so that a printed seed gives the same run again.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
