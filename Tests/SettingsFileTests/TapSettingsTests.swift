import EVBSettings
import EVBWire
import Testing

@testable import SettingsFile

@Suite struct TapSettingsTests {
    private func mistakes(_ text: String) -> [String] {
        do throws(ConfigurationMistakes) {
            _ = try DaemonSettings.parse(Array(text.utf8), file: "f")
            return []
        } catch {
            return error.mistakes.map { "\($0)" }
        }
    }

    @Test("OVL-113 the socket of Open vSwitch, its profiles, and rules for taps are read")
    func values() throws {
        let text = """
            ports: []
            open-vswitch: { socket: /a/db.sock, profiles: { web: { manager: 11, type: 100, version: 1 }, "a b": { type: 0 } } }
            taps:
              - { rule: kvm, mac: 52:54:00:00:00:00/24, type: 7, vlan: 42 }
              - { rule: all, link: tap*, type: 8, manager: 192.0.2.1 }
            """
        let settings = try DaemonSettings.parse(Array(text.utf8), file: "f")
        #expect(settings.openVSwitch.socket == "/a/db.sock")
        #expect(settings.openVSwitch.profiles["web"] == TapType(manager: "11", typeID: 100, version: 1))
        #expect(settings.openVSwitch.profiles["a b"] == TapType(typeID: 0))
        #expect(settings.taps.map(\.name) == ["kvm", "all"])
        #expect(settings.taps[0].address == MACPattern("52:54:00:00:00:00/24"))
        #expect(settings.taps[0].vlan == 42)
        #expect(settings.taps[1].link == NamePattern("tap*"))
        #expect(settings.taps[1].type == TapType(manager: "192.0.2.1", typeID: 8))
        let plain = try DaemonSettings.parse(Array("ports: []".utf8), file: "f")
        #expect(!plain.openVSwitch.isMentioned)
    }

    @Test("OVL-114 mistakes in them have a line, a key and what would be right")
    func mistakes() {
        let text = """
            ports: []
            open-vswitch:
              socket: db.sock
              profiles: { web: { manager: 11 }, db: { type: 16777216 }, x: { type: 1, version: 256 } }
            taps:
              - { link: tap*, type: 1 }
              - { rule: a, type: 1 }
              - { rule: b, link: "a b", type: 1 }
              - { rule: b, mac: 52:54:00:11:22:33/24, type: 1, vlan: 0 }
            """
        let found = mistakes(text)
        for (line, key, word) in [
            (3, "open-vswitch.socket", "absolute path"), (4, "open-vswitch.profiles.web.type", "is missing"),
            (4, "open-vswitch.profiles.db.type", "out of range"),
            (4, "open-vswitch.profiles.x.version", "out of range"),
            (6, "taps[0].rule", "is missing"), (7, "taps[1]", "no tap"), (8, "taps[2].link", "no pattern"),
            (9, "taps[3].mac", "no pattern"), (9, "taps[3].vlan", "out of range"), (9, "taps[3].rule", "given twice"),
        ] {
            #expect(
                found.contains { $0.contains("f:\(line): \(key):") && $0.contains(word) }, "\(line) \(key): \(found)")
        }
    }
}
