import EVBWire
import Testing
import VSISamples

@testable import EVBSettings
@testable import SettingsFile

@Suite struct VSITypeDatabaseTests {
    @Test func everyKey() throws {
        let database = try database(
            """
            default-manager: 5
            allow-macs: [02:00:00:00:00:01, "02-00-00-00-00-02"]
            protected-macs: [02:00:00:00:00:09]
            types:
              - name: web
                manager: 5
                type: 100
                version: [1, 3-7]
                vlans: [10, { vlan: 20, pcp: 3 }]
                groups:
                  - { group: 5000, vlan: 10 }
                  - { group: 5001, vlan: 20, pcp: 6 }
                vsis: 40
                macs: [52:54:00:00:00:00/24, 02:11:22:33:44:55]
                rate-limit: 10mbit
                ethertypes: [ipv4, arp, IPv6, 0x88cc]
                ports: [port0, port1]
                shared-addresses: [00:00:5e:00:01:00/40]
              - type: 101
                version: any
                anti-spoofing: false
                shared-addresses: true
              - { type: 101, version: 2, rate-limit: 2500 Mbit/s, shared-addresses: false }
            """)
        #expect(database.defaultManager == ManagerName("5"))
        #expect(database.allowedAddresses.map(\.description).sorted() == ["02:00:00:00:00:01", "02:00:00:00:00:02"])
        let web = try #require(database.types.first)
        #expect(web.name == "web" && web.typeID == 100 && web.versions == [1...1, 3...7] && web.vsisMax == 40)
        #expect(web.vlans == [.init(vid: 10), .init(vid: 20, pcp: 3)])
        #expect(web.groups == [5000: .init(vid: 10), 5001: .init(vid: 20, pcp: 6)])
        #expect(web.addresses.map(\.description) == ["52:54:00:00:00:00/24", "02:11:22:33:44:55"])
        #expect(web.profile.antiSpoofing && web.profile.octetsPerSecond == 1_250_000)
        #expect(web.profile.etherTypes == [0x0800, 0x0806, 0x86DD, 0x88CC])
        let others = database.types.filter { $0.typeID == 101 }
        #expect(others.map(\.name) == ["101", "101.2"] && others.map(\.versions) == [nil, [2...2]])
        #expect(others[0].profile == VSIProfile(antiSpoofing: false, sharedAddresses: [.all]))
        #expect(others[1].profile.sharedAddresses.isEmpty && others[0].ports == nil)
        let anyAddress = try #require(MACAddress("02:aa:bb:cc:dd:ee"))
        #expect(others[0].profile.shares(anyAddress) && !web.profile.shares(anyAddress))
        #expect(web.profile.shares(try #require(MACAddress("00:00:5e:00:01:33"))))
        #expect(web.ports == ["port0", "port1"])
        #expect(database.protectedAddresses.map(\.description) == ["02:00:00:00:00:09"])
        #expect(others[1].profile.octetsPerSecond == 312_500_000)
    }

    @Test func addressesThatBeginAlike() throws {
        let pattern = try #require(MACPattern("52:54:00:80:00:00/25"))
        #expect(pattern.matches(try #require(MACAddress("52:54:00:ff:01:02"))))
        #expect(!pattern.matches(try #require(MACAddress("52:54:00:7f:01:02"))))
        #expect(MACPattern("52:54:00:00:00:01/24") == nil)
        #expect(MACPattern("52:54:00:00:00:00/0") == nil)
        #expect(MACPattern("52:54:00:00:00:00/49") == nil)
        #expect(MACPattern("52:54:00:00:00:00/+8") == nil)
        #expect(MACPattern("52:54:00:00:00:00/") == nil)
    }

    @Test(arguments: VSITypeMistakesTable.cases) func mistakes(_ expected: MistakeCase) {
        let error = #expect(throws: ConfigurationMistakes.self) { try database(expected.text) }
        #expect(error?.description == expected.lines)
    }

    @Test func theSampleFileIsOne() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let types = try VSITypeDatabase.load("/\(root)/Packaging/vsi-types.yaml").types
        #expect(types.map(\.name) == ["web", "tenants", "trunk"])
    }

    @Test func aFileThatIsNotThere() {
        let error = #expect(throws: ConfigurationMistakes.self) { try VSITypeDatabase.load("/nonexistent/types.yaml") }
        #expect(
            error?.description == "/nonexistent/types.yaml: cannot be read: open /nonexistent/types.yaml: "
                + "No such file or directory (ENOENT); give a readable file as vsi-types, of at most 1048576 octets")
    }
}

enum VSITypeMistakesTable {
    static let cases: [MistakeCase] = [
        MistakeCase(
            name: "empty", text: "",
            lines: "types.yaml:1: is empty; give at least types, a list with an entry per VSI type"),
        MistakeCase(
            name: "no types", text: "default-manager: 5\n",
            lines: "types.yaml:1: types: is missing; give a list with an entry per VSI type"),
        MistakeCase(
            name: "keys and values",
            text: """
                types:
                  - { type: 16777216 }
                  - version: 1
                  - { type: 1, vlan: [10] }
                  - { type: 2, version: 9-3 }
                  - { type: 3, version: 256 }
                  - { type: 4, version: [] }
                  - { type: 5, manager: "5:" }
                  - { type: 6, vsis: -1 }
                  - { type: 7, anti-spoofing: no }
                """,
            lines: """
                types.yaml:2: types[0].type: 16777216 is out of range; give 0 to 16777215
                types.yaml:3: types[1].type: is missing; give the VSI type ID, 0 to 16777215
                types.yaml:4: types[2].vlan: is not a known key; did you mean vlans?
                types.yaml:5: types[3].version: "9-3" is not a version; give 0 to 255, a range such as 1-5, a list of these, or any
                types.yaml:6: types[4].version: "256" is not a version; give 0 to 255, a range such as 1-5, a list of these, or any
                types.yaml:7: types[5].version: names no version; give versions, or any
                types.yaml:8: types[6].manager: "5:" is no VSI manager ID; give 0 to 255, a UUID, an IPv4 or IPv6 address, or \
                up to 16 characters
                types.yaml:9: types[7].vsis: -1 is out of range; give 0 to 1000000
                types.yaml:10: types[8].anti-spoofing: "no" is neither true nor false; give false
                """),
        MistakeCase(
            name: "VLANs, groups and addresses",
            text: """
                allow-macs: [01:00:5e:00:00:01, 02:00:00:00:00:00/24]
                types:
                  - type: 1
                    vlans: [0, 4095, 10, 10, { pcp: 1 }, { vlan: 11, pcp: 8 }]
                    groups:
                      - { vlan: 5 }
                      - { group: 7 }
                      - { group: 8, vlan: 10 }
                      - { group: 8, vlan: 11 }
                    macs: [52:54:00, 52:54:00:00:00:01/24, 01:00:00:00:00:00/8]
                  - { type: 2, vlans: [], macs: [], ethertypes: [], ports: [] }
                  - { type: 3, shared-addresses: [vrrp], ports: port0 }
                protected-macs: [01:00:5e:00:00:01]
                """,
            lines: """
                types.yaml:1: allow-macs[0]: "01:00:5e:00:00:01" is not a valid address; give the MAC address of one station, such as \
                02:00:00:00:00:01
                types.yaml:1: allow-macs[1]: "02:00:00:00:00:00/24" is not a valid address; give the MAC address of one station, such \
                as 02:00:00:00:00:01
                types.yaml:4: types[0].vlans[0]: 0 is out of range; give 1 to 4094
                types.yaml:4: types[0].vlans[1]: 4095 is out of range; give 1 to 4094
                types.yaml:4: types[0].vlans[3]: VLAN 10 is listed twice; give every VLAN once
                types.yaml:4: types[0].vlans[4].vlan: is missing; give 1 to 4094
                types.yaml:4: types[0].vlans[5].pcp: 8 is out of range; give 0 to 7
                types.yaml:6: types[0].groups[0].group: is missing; give the group ID, 0 to 4294967295
                types.yaml:7: types[0].groups[1].vlan: is missing; give 0 to 4094
                types.yaml:9: types[0].groups[3].group: group 8 is listed twice; give every group once
                types.yaml:10: types[0].macs[0]: "52:54:00" is not a valid address; give a MAC address of a VSI, or the beginning of \
                several such as 52:54:00:00:00:00/24
                types.yaml:10: types[0].macs[1]: "52:54:00:00:00:01/24" is not a valid address; give a MAC address of a VSI, or the \
                beginning of several such as 52:54:00:00:00:00/24
                types.yaml:10: types[0].macs[2]: "01:00:00:00:00:00/8" is not a valid address; give a MAC address of a VSI, or the \
                beginning of several such as 52:54:00:00:00:00/24
                types.yaml:11: types[1].vlans: allows no VLAN; leave it out to allow every VLAN
                types.yaml:11: types[1].macs: allows no address; leave it out to allow every address
                types.yaml:11: types[1].ports: allows no port; leave it out to allow every port
                types.yaml:11: types[1].ethertypes: allows no EtherType; leave it out to allow every EtherType
                types.yaml:12: types[2].ports: is a single value; give a list of interfaces, each after a dash
                types.yaml:12: types[2].shared-addresses[0]: "vrrp" is not a valid address; give true, or addresses such as \
                00:00:5e:00:01:00/40, those of VRRP
                types.yaml:13: protected-macs[0]: "01:00:5e:00:00:01" is not a valid address; give the MAC address of one machine, such as \
                02:00:00:00:00:01
                """),
        MistakeCase(
            name: "filters",
            text: """
                types:
                  - { type: 1, rate-limit: 10 }
                  - { type: 2, rate-limit: 1kbit }
                  - { type: 3, rate-limit: 99999999999999999999mbit }
                  - { type: 4, rate-limit: 10mbit, anti-spoofing: false }
                  - { type: 5, ethertypes: [0x05ff, lldp, 2048, 0x8100] }
                """,
            lines: """
                types.yaml:2: types[0].rate-limit: "10" is not a rate; give bits a second with a unit, 64kbit to 400gbit, such as 10mbit
                types.yaml:3: types[1].rate-limit: "1kbit" is not a rate; give bits a second with a unit, 64kbit to 400gbit, such as \
                10mbit
                types.yaml:4: types[2].rate-limit: "99999999999999999999mbit" is not a rate; give bits a second with a unit, 64kbit to \
                400gbit, such as 10mbit
                types.yaml:5: types[3].rate-limit: needs anti-spoofing: another source address would have no limit; remove it, or \
                anti-spoofing: false
                types.yaml:6: types[4].ethertypes[0]: "0x05ff" is no EtherType; give ipv4, arp, ipv6, or a number from 0x0600 to \
                0xffff
                types.yaml:6: types[4].ethertypes[1]: "lldp" is no EtherType; give ipv4, arp, ipv6, or a number from 0x0600 to 0xffff
                types.yaml:6: types[4].ethertypes[2]: "2048" is no EtherType; give ipv4, arp, ipv6, or a number from 0x0600 to 0xffff
                types.yaml:6: types[4].ethertypes[3]: "0x8100" is the EtherType of a tag, which hides the EtherType behind it; remove it; \
                VLANs are given by vlans
                """),
        MistakeCase(
            name: "types that shadow each other",
            text: """
                types:
                  - { type: 1 }
                  - { type: 1, version: any, name: again }
                  - { type: 2, version: 1-5 }
                  - { type: 2, version: [9, 5] }
                  - { type: 2, version: 7, manager: 3 }
                  - { type: 3, name: "1" }
                """,
            lines: """
                types.yaml:3: types[1]: has the same manager, type and version as "1"; give every type once; an entry \
                without a version covers the versions that no other entry names
                types.yaml:5: types[3]: has the same manager, type and version as "2.1-5"; give every type once; an entry \
                without a version covers the versions that no other entry names
                types.yaml:7: types[5].name: "1" is already the name of the entry for type 1; give every entry a name of its own
                """),
    ]
}
