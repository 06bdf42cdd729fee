extension ControlInterface {
    /// What is said of problems.
    static let problemTypes = """

        # Something that is wrong now; port is null where it is about the daemon. ageSeconds: how long it has been so.
        # hint: what to do about it. kind: interface-missing, interface-taken, cannot-listen, link-down,
        # channel-down (the S-channel is not given), mtu-too-small, send-failing,
        # evb-tlv-elsewhere (on another group address, or in a VLAN), unusable-tlv,
        # same-role, dialect-mismatch, no-evb-tlv, no-lldp, silent-peer (will age out), second-lldp-speaker (another
        # program speaks under the peer's name and address), several-peers, several-neighbours, foreign-ecp (from
        # another address), misaddressed-ecp (to another address), ecp-unacknowledged, vdp-unanswered, relay-refused,
        # reflects-unasked (the bridge reflects frames to a VEB), reflects-into-bridge (it reflects them into the
        # Linux bridge or Open vSwitch of the port), bridge-overloaded, vsi-refused, limit-reached, relay-not-offered,
        # no-spanning-tree (the Linux bridge hands LLDP and ECP on), overlay (the VXLAN device does not carry VSIs'
        # networks), overlay-mtu (frames are too long for it), vsi-contest (stations on two ports keep one VSI alive),
        # address-conflict (the VSI asks for an address that another VSI holds), bond-member, no-8021q,
        # no-ovsdb (the database of the port's Open vSwitch cannot be asked), forwards-bpdu (its bridge hands LLDP and ECP
        # on), vlan-mismatch (a tap has another VLAN than was granted), unfiltered-machines, unmanaged-addresses,
        # store-failing, libvirt-port, cdcp (what a neighbour says of S-channels), unclosed-link (the link of a VSI that is
        # not associated cannot be closed), card-switch (the network card cannot
        # relay as the edge relay does), vsi-types-missing (a server of VSI types has given none yet), vsi-types-outdated
        # (a server gives no newer ones), reload. There may be more kinds in later versions.
        type Problem (
          kind: string,
          port: ?string,
          ageSeconds: ?int,
          vsiID: ?string,
          otherPort: ?string,
          otherVSIID: ?string,
          address: ?string,
          message: string,
          hint: string
        )

        """
}
