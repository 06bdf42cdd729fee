import EVBDaemon
import EVBSettings
import Testing

@Suite struct ConfigurationAdviceTests {
    @Test("OVL-116 profiles and rules for taps beside no port with edge-relay: veb are worth a warning")
    func taps() {
        var settings = DaemonSettings(ports: [PortSettings(interface: "eth0")])
        func warnings() -> [String] {
            ConfigurationAdvice.warnings(settings) { _ in true }.filter { $0.contains("edge-relay: veb") }
        }
        #expect(warnings().isEmpty)
        settings.taps = [TapRule(name: "a", link: NamePattern("tap*"), type: TapType(typeID: 1))]
        #expect(warnings().count == 1)
        settings.ports[0].edgeRelay = .veb
        #expect(warnings().isEmpty)
        settings.taps = []
        settings.openVSwitch.profiles["web"] = TapType(typeID: 1)
        settings.ports[0].role = .bridge
        #expect(warnings().count == 1)
    }
}
