import EVBWire
import Testing

@Suite("Filter info that somebody asks for")
struct FilterInfoTests {
    static let mac = GoldenVDPDU.mac
    static let other = GoldenVDPDU.otherMAC

    static func mistake(_ entries: FilterEntry...) -> FilterInfo.Mistake? {
        do throws(FilterInfo.Mistake) {
            _ = try FilterInfo(checking: entries)
            return nil
        } catch {
            return error
        }
    }

    @Test("The format follows from what the entries have")
    func formats() throws {
        #expect(filter(FilterEntry(vid: 1)).format == .vid)
        #expect(filter(FilterEntry(vid: 1, macAddress: Self.mac)).format == .macVID)
        #expect(filter(FilterEntry(vid: 1, groupID: 0)).format == .groupVID)
        #expect(filter(FilterEntry(vid: 1, macAddress: Self.mac, groupID: 0)).format == .groupMACVID)
        for format in FilterFormat.allCases {
            #expect(FilterFormat(hasMACAddress: format.hasMACAddress, hasGroupID: format.hasGroupID) == format)
        }
    }

    @Test("Entries that make no filter are refused with the reason")
    func mistakes() throws {
        let group = try #require(MACAddress("01:00:5e:00:00:01"))
        let zero = MACAddress(truncating: 0)
        #expect(Self.mistake() == .noEntries)
        #expect(Self.mistake(FilterEntry(vid: 1), FilterEntry(vid: 1, macAddress: Self.mac)) == .mixedFormats)
        #expect(Self.mistake(FilterEntry(vid: 1, macAddress: Self.mac), FilterEntry(vid: 1)) == .mixedFormats)
        #expect(Self.mistake(FilterEntry(vid: 1), FilterEntry(vid: 1, groupID: 0)) == .mixedFormats)
        #expect(Self.mistake(FilterEntry(vid: 4095)) == .vidOutOfRange(4095))
        #expect(Self.mistake(FilterEntry(vid: 1, macAddress: group)) == .notIndividual(group))
        #expect(Self.mistake(FilterEntry(vid: 1, macAddress: zero)) == .notIndividual(zero))
        let double = FilterEntry(vid: 1, pcp: 3, macAddress: Self.mac)
        #expect(Self.mistake(double, FilterEntry(vid: 2, macAddress: Self.mac), double) == .doubled(double))
    }

    @Test("VDP-21 the null VID stands alone among VIDs, and with MAC addresses or groups need not")
    func nullVID() {
        #expect(Self.mistake(FilterEntry(vid: 0)) == nil)
        #expect(Self.mistake(FilterEntry(vid: 0), FilterEntry(vid: 1)) == .nullVIDNotAlone)
        #expect(Self.mistake(FilterEntry(vid: 1), FilterEntry(vid: 0)) == .nullVIDNotAlone)
        let pair = filter(FilterEntry(vid: 0, macAddress: Self.mac), FilterEntry(vid: 0, macAddress: Self.other))
        #expect(pair.asksForVID)
        #expect(filter(FilterEntry(vid: 0, groupID: 1), FilterEntry(vid: 3, groupID: 2)).asksForVID)
        #expect(!filter(FilterEntry(vid: 1), FilterEntry(vid: 4094)).asksForVID)
    }

    @Test("Values beyond a field lose their high bits")
    func tooLarge() {
        let entry = FilterEntry(vid: 0xF064, pcp: 0xFD)
        #expect(entry.vid == 0x064)
        #expect(entry.pcp == 5)
        let vsi = VSITLV(
            command: .associate, typeID: 0xAB12_3456, typeVersion: 1, vsiID: GoldenVDPDU.uuid, filter: filter(entry))
        #expect(vsi.typeID == 0x12_3456)
        #expect(OrganizationalInformation(oui: 0xAB12_3456, octets: []).oui == 0x12_3456)
        #expect(OrganizationalKey(oui: 0xAB12_3456, subtype: 1).oui == 0x12_3456)
    }
}
