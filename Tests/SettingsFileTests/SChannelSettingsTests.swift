import EVBModel
import EVBSettings
import EVBWire
import JSON
import Testing

@testable import SettingsFile

@Suite struct SChannelSettingsTests {
    private func read(_ text: String) throws -> DaemonSettings {
        try DaemonSettings.parse(Array(text.utf8), file: "evbd.yaml")
    }

    private static let station = """
        ports:
          - interface: eth0
            dialect: draft
            s-channels:
              capacity: 8
              channels:
                - { name: eth0.veb, scid: 2, edge-relay: veb }
                - { scid: 3, svid: 30, edge-relay: direct, gate: none }
          - { interface: eth1 }
        """

    private static let bridge = """
        ports:
          - interface: port0
            role: bridge
            s-channels:
              svids: 100-131
              bridge: br0
              reflective-relay: false
              channels:
                - { scid: 7, name: fw, reflective-relay: true, vdp: { rka: 21 } }
        """

    private static let fixed = """
        ports:
          - interface: port0
            role: bridge
            s-channels: { cdcp: false, channels: [{ scid: 2, svid: 20 }, { scid: 3, svid: 30, name: x }] }
        """

    @Test("SCH-171 a channel is a port of its own, behind its uplink, and has no key of channel 1")
    func stationPorts() throws {
        let settings = try read(Self.station)
        #expect(settings.ports.map(\.interface) == ["eth0", "eth0.veb", "eth0.c3", "eth1"])
        #expect(settings.ports.map(\.channel?.scid.rawValue) == [nil, 2, 3, nil])
        #expect(settings.ports.map(\.edgeRelay) == [.vepa, .veb, .direct, .vepa])
        #expect(settings.ports.map(\.dialect) == [.draft, .auto, .auto, .auto])
        #expect(settings.ports[2].gate == PortSettings.Gate.none)
        let uplink = try #require(settings.uplinks.first)
        #expect(settings.uplinks.count == 1 && uplink.interface == "eth0" && uplink.role == .station)
        #expect(uplink.isNegotiated && uplink.capacity == 8)
        #expect(uplink.channels[SCID(2)] == UplinkSettings.Channel(name: "eth0.veb"))
        #expect(uplink.channels[SCID(3)] == UplinkSettings.Channel(name: "eth0.c3", svid: SVID(30)))
    }

    @Test("SCH-172 what a station's channels get at a bridge is in the section, and for one of them in its entry")
    func bridgePorts() throws {
        let settings = try read(Self.bridge)
        #expect(settings.ports.map(\.interface) == ["port0"])
        let uplink = try #require(settings.uplinks.first)
        #expect(uplink.svids == 100...131 && uplink.bridge == "br0" && uplink.role == .bridge)
        let (other, named) = (uplink.port(SCID(4)), uplink.port(SCID(7)))
        #expect(other.interface == "port0.c4" && !other.reflectiveRelay && other.vdp.rka == 20)
        #expect(named.interface == "fw" && named.reflectiveRelay && named.vdp.rka == 21)
        #expect(other.role == .bridge && other.channel == ChannelPlace(uplink: "port0", scid: SCID(4)))
    }

    @Test("SCH-12 SCH-173 without CDCP the channels are those of the file")
    func fixedPorts() throws {
        let settings = try read(Self.fixed)
        #expect(settings.ports.map(\.interface) == ["port0", "port0.c2", "x"])
        #expect(settings.uplinks.first?.isNegotiated == false)
        #expect(settings.uplinks.first?.channels[SCID(3)]?.svid == SVID(30))
    }

    @Test(
        "SCH-174 what is shown of channels is read as the same", arguments: [station, bridge, fixed], [false, true])
    func thereAndBack(text: String, withDefaults: Bool) throws {
        let settings = try read(text)
        let document = settings.document(withDefaults: withDefaults).pretty
        #expect(try read(document) == settings)
    }

    @Test("SCH-175 mistakes in channels are found with their place and remedy")
    func mistakes() {
        let text = """
            ports:
              - interface: eth0
                s-channels:
                  svids: 100-131
                  capacity: 2
                  channels:
                    - { scid: 2, svid: 4095 }
                    - { scid: 2 }
                    - { scid: 168 }
                    - { svid: 20 }
                    - { scid: 4, name: eth0 }
                    - { scid: 5, svid: 20, vsi-types: /a }
                    - { scid: 6, svid: 20, nane: x }
              - { interface: eth1, s-channels: {} }
              - { interface: averylonginterface, s-channels: { channels: [{ scid: 2 }] } }
              - { interface: port0, role: bridge, s-channels: {} }
              - { interface: port1, role: bridge, s-channels: { svids: 131-100, channels: [{ scid: 2, svid: 3 }] } }
              - { interface: port2, role: bridge, s-channels: { cdcp: false, svids: 2-3, channels: [{ scid: 2 }] } }
              - { interface: a-long-port0, role: bridge, s-channels: { svids: 2-3 } }
            """
        let lines = """
            evbd.yaml:4: ports[0].s-channels.svids: does not apply to a port in the role station; remove it, or give \
            role: bridge
            evbd.yaml:7: ports[0].s-channels.channels[0].svid: 4095 is out of range; give 2 to 4094
            evbd.yaml:8: ports[0].s-channels.channels[1].scid: 2 is given twice; give every channel once
            evbd.yaml:9: ports[0].s-channels.channels[2].scid: 168 is out of range; give 2 to 167
            evbd.yaml:10: ports[0].s-channels.channels[3].scid: is missing; give the channel's number, 2 to 167
            evbd.yaml:12: ports[0].s-channels.channels[5].vsi-types: does not apply to a port in the role station; \
            remove it, or give role: bridge
            evbd.yaml:13: ports[0].s-channels.channels[6].nane: is not a known key; did you mean name?
            evbd.yaml:13: ports[0].s-channels.channels[6].svid: 20 is given twice, first on line 12; give every SVID once
            evbd.yaml:4: ports[0].s-channels.capacity: 2 is less than the channels, of which there are 5; give 5 or \
            more (channel 1 counts), or fewer channels
            evbd.yaml:11: ports[0].s-channels.channels[4].name: eth0 is already ports[0], on line 2; give every \
            interface once
            evbd.yaml:14: ports[1].s-channels.channels: is missing; give a list with an entry per channel but channel 1
            evbd.yaml:15: ports[2].s-channels.channels[0].name: is missing, and averylonginterface.c2 is longer than 15 \
            octets; give 1 to 15 octets without /, :, %, white space, control and invisible characters, and not . or ..
            evbd.yaml:16: ports[3].s-channels.svids: is missing; give a range within 2 to 4094, such as 100-131
            evbd.yaml:17: ports[4].s-channels.svids: "131-100" is no range of SVIDs; give a range within 2 to 4094, such \
            as 100-131
            evbd.yaml:17: ports[4].s-channels.channels[0].svid: does not apply to a bridge that gives SVIDs by CDCP; \
            remove it; see svids
            evbd.yaml:18: ports[5].s-channels.svids: does not apply without CDCP; remove it: each channel has its own \
            svid, or give cdcp: true
            evbd.yaml:18: ports[5].s-channels.channels[0].svid: is missing, and without CDCP nothing else gives one; give \
            2 to 4094, the same as at the other end
            evbd.yaml:19: ports[6].s-channels: names channels after the interface, and a-long-port0.c4094 is longer than 15 \
            octets; rename the interface, to 9 octets at most
            """
        #expect(throws: ConfigurationMistakes.self) { try read(text) }
        do {
            _ = try read(text)
        } catch {
            let found = "\(error)".split(separator: "\n").sorted()
            #expect(found == lines.split(separator: "\n").sorted())
        }
    }
}
