import ControlSamples
import EVBModel
import LinuxSystem
import Testing

@testable import evbctl

@Suite struct LibvirtDomainsTests {
    private static let text = """
        <domain type='kvm' id='1'>
          <name>web &amp; shop</name>
          <uuid>11111111-2222-3333-4444-555555555555</uuid>
          <description>&lt;name&gt;no&lt;/name&gt;
          <name>not this</name></description>
          <devices>
            <interface type='direct'>
              <mac address='52:54:00:AA:BB:01'/>
              <source dev='eth0' mode='vepa'/>
              <virtualport type='802.1Qbg'>
                <parameters managerid='5' typeid='1' typeidversion='2' instanceid='5AB5C6A6-9f4b-4d27-a1bb-3b8d9d7b6a51'/>
              </virtualport>
            </interface>
            <disk type='file'>
              <mac address='52:54:00:aa:bb:99'/>
            </disk>
          </devices>
        </domain>

        <domain type='kvm'>
          <name>db</name>
          <devices>
            <interface type='direct'>
              <mac address='52:54:00:aa:bb:02'/>
            </interface>
          </devices>
        </domain>
        """

    @Test("OPS-406 domains are found by the instance ID of a port profile, and by MAC addresses")
    func names() {
        var domains = LibvirtDomains()
        domains.read(Self.text)
        var vsi = Samples.fullVSI
        vsi.filters = []
        #expect(domains.name(of: vsi) == "web & shop")
        vsi.vsiID = "other"
        #expect(domains.name(of: vsi) == nil)
        for (mac, name) in [
            ("52:54:00:aa:bb:01", "web & shop"), ("52:54:00:aa:bb:02", "db"), ("52:54:00:aa:bb:99", nil),
        ] {
            vsi.filters = [VSIFilter(vlan: 1), VSIFilter(mac: mac)]
            #expect(domains.name(of: vsi) == name, "\(mac)")
        }
    }

    @Test("OPS-406 a program that is absent, fails or does not end is said to be so")
    func programs() {
        #expect(throws: ChildFailure.absent) { try ChildProcess.output(of: ["evbctl-no-such-program"], seconds: 5) }
        #expect(throws: ChildFailure.failed("b")) {
            try ChildProcess.output(of: ["sh", "-c", "echo a >&2; echo b >&2; exit 3"], seconds: 5)
        }
        #expect(throws: ChildFailure.late(seconds: 1)) { try ChildProcess.output(of: ["sleep", "60"], seconds: 1) }
        let long = try? ChildProcess.output(of: ["sh", "-c", "yes | head -c 300000; cat"], seconds: 10)
        #expect(long?.count == 300_000)
    }
}
