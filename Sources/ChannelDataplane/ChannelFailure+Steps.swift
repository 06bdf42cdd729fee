internal import Netlink

extension ChannelFailure {
    /// Says what a step that failed leaves undone, and what to do about it.
    init(_ step: UplinkStep, _ error: NetlinkError, uplink: String) {
        let subject = step.subject(uplink: uplink)
        let message: String
        switch step {
        case .mark, .delete, .setDown, .setMTU, .setMaster, .setUp, .create: message = "\(error)"
        case .readRules: message = "the tc rules of \(uplink) cannot be read, so that its S-channels are down: \(error)"
        case .readForwarding, .installForwarding:
            message =
                "S-tags that a bridge forwards to \(uplink) cannot be dropped, so that its S-channels are down: \(error.reason)"
        case .installRules:
            message = "the tc rules of \(uplink) cannot be made, so that its S-channels are down: \(error)"
        }
        self.init(subject: subject, message: message, hint: Self.hint(step, error, uplink))
    }

    private static func hint(_ step: UplinkStep, _ error: NetlinkError, _ uplink: String) -> String {
        switch (step, error.kind) {
        case (_, .permissionDenied): "run evbd with CAP_NET_ADMIN"
        case (.create, .notSupported): "load the kernel's module 8021q (modprobe 8021q)"
        case (.create(let device), .exists):
            "another network namespace has a device of S-VLAN \(device.vid) at \(uplink), or a link has just taken the name: look with ip -d link show there"
        case (.installRules, .exists):
            "another program has a discipline or shared block at ingress of \(uplink): look with tc qdisc show dev \(uplink), and replace ingress by clsact"
        case (.installRules, .notSupported), (.installRules, .notFound), (.readRules, .notSupported):
            "load the kernel's modules sch_ingress, cls_bpf, cls_flower, act_gact and act_vlan"
        case (.readForwarding, _), (.installForwarding, _):
            "load the kernel's modules nf_tables and nft_meta_bridge, or take \(uplink) out of its bridge"
        case (.installRules, .invalid):
            "another program's filter may have preference \(UplinkRules.guardPreference) or \(UplinkRules.translationPreference) at \(uplink): look with tc filter show dev \(uplink) ingress, and egress"
        default: "evbd tries again by itself; look with ip -d link show and tc filter show dev \(uplink)"
        }
    }
}
