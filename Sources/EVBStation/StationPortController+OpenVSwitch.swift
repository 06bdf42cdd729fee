internal import EVBModel
package import EVBPorts
package import EVBProtocol
internal import EVBSettings
internal import EVBTime
package import EVBWire
internal import EdgeRelays
internal import LinuxSystem
internal import OVSDB
internal import OpenVSwitch

// What a port is in an Open vSwitch, and what is wrong with that.

extension StationPortController {
    /// VSIs that a problem names.
    private static let vsisShown = 4

    private var openVSwitch: OpenVSwitch? { transport.surroundings.openVSwitch }

    /// The port, or how it is to be used, has changed: it may need the database of an Open vSwitch, or need it no more.
    func followSwitchNeed() {
        guard let openVSwitch else { return }
        openVSwitch.set(relay.switchNeed(openVSwitch.settings), of: name)
    }

    /// The Open vSwitch says something else of a link, or of the port.
    package func switchChanged(_ changed: String) {
        relay.switchChanged(changed)
        watch.changed()
        if changed == name { return }
        if let vsiID = relay.holder(of: changed) { checkTag(vsiID) }
    }

    /// evbd is connected with the database of an Open vSwitch, or is no more.
    package func switchStateChanged() { watch.changed() }

    /// Compares the VLAN that a VSI was granted with that of its tap's port.
    func checkTag(_ vsiID: VSIID) {
        let misplacement = misplacement(vsiID)
        guard misplaced[vsiID] != misplacement else { return }
        misplaced[vsiID] = misplacement
        watch.changed()
    }

    private func misplacement(_ vsiID: VSIID) -> String? {
        guard let tap = relay.switchPort(of: vsiID), let vsi = port.vsi(vsiID), vsi.state == .associated,
            let vid = vsi.filter.onlyVID, tap.tag != vid
        else { return nil }
        let own = tap.tag.map { "tag \($0)" } ?? "no tag"
        return "\(tap.name) has \(own), and VSI \(vsiID) was granted VLAN \(vid)"
    }

    // MARK: Taps that evbd associates by itself

    package var restoredForTaps: [(vsiID: VSIID, source: TapSource)] {
        vsis.keys.indices.compactMap { place in
            guard case .tap(let source) = vsis[index: place].owner, vsis[index: place].phase.isRestored else {
                return nil
            }
            return (vsis.keys[place], source)
        }
    }

    package func tapSource(of vsiID: VSIID) -> TapSource? {
        guard case .tap(let source)? = vsis[vsiID]?.owner else { return nil }
        return source
    }

    package func isWanted(_ request: EVBProtocol.VSIRequest, for source: TapSource) -> Bool {
        guard tapSource(of: request.vsiID) == source, let vsi = port.vsi(request.vsiID) else { return false }
        return !vsi.isWithdrawn && vsi.request == request
    }

    package func keepOut(_ address: MACAddress, link index: Int32) {
        guard relay.hasTaps else { return }
        relay.keepOut(address, link: index)
    }

    // MARK: Status

    /// The Open vSwitch that the port is in.
    var switchStatus: SwitchStatus? {
        guard let openVSwitch, case .known(let own) = relay.switchPlace else { return nil }
        var status = SwitchStatus(bridge: own.bridge, datapath: own.isUserspace ? .userspace : .kernel)
        if case .connected(let since) = openVSwitch.state {
            status.connectedSeconds = Int(clamping: now.since(since).nanoseconds / 1_000_000_000)
        }
        status.reason = openVSwitch.loss?.reason
        return status
    }

    // MARK: Problems

    var switchConditions: [PortProblem] {
        guard let openVSwitch else { return [] }
        return [unreachable(openVSwitch), forwarding, wrongTags].compactMap(\.self)
    }

    /// The database does not answer, or does not have the port.
    private func unreachable(_ openVSwitch: OpenVSwitch) -> PortProblem? {
        let path = openVSwitch.settings.socket
        let place: String
        switch relay.switchPlace {
        case .none: return nil
        case .known(let own): place = "\(name) is in the Open vSwitch bridge \(own.bridge)"
        case .unknown: place = "\(name) is in Open vSwitch"
        case .possible: place = "\(name) may be in an Open vSwitch, which only its database tells"
        }
        if let loss = openVSwitch.loss {
            let age = now.since(loss.since).nanoseconds / 1_000_000_000
            let effect =
                openVSwitch.isKnown
                ? "what was known of its ports stays as it is" : "an association controls no tap of it"
            return PortProblem(
                kind: .noOVSDB,
                message:
                    "\(place), and evbd has had no connection with its database for \(age) s: \(loss.reason); \(effect)",
                hint: loss.remedy)
        }
        guard case .unknown = relay.switchPlace, openVSwitch.isConnected else { return nil }
        return PortProblem(
            kind: .noOVSDB,
            message: "\(place), and the database at \(path) does not have it: an association controls no tap of it",
            hint:
                "set open-vswitch.socket to the socket of the database that has \(name) (ovs-vsctl port-to-br \(name))")
    }

    private var forwarding: PortProblem? {
        guard case .known(let own) = relay.switchPlace, own.forwardsBPDU else { return nil }
        return PortProblem(
            kind: .forwardsBPDU,
            message: "the Open vSwitch bridge \(own.bridge) of \(name) floods LLDP and ECP between its ports "
                + "(forward-bpdu=true)"
                + (own.isUserspace
                    ? ", and evbd's guest filter does not keep machines' frames from a userspace datapath" : ""),
            hint: "ovs-vsctl remove bridge \(own.bridge) other_config forward-bpdu")
    }

    private var wrongTags: PortProblem? {
        guard !misplaced.isEmpty else { return nil }
        let first = misplaced.sorted { "\($0.key)" < "\($1.key)" }.prefix(Self.vsisShown).map(\.value)
        let rest = misplaced.count - first.count
        return PortProblem(
            kind: .vlanMismatch,
            message: first.joined(separator: "; ") + (rest > 0 ? "; and \(rest) more" : ""),
            hint:
                "give the machine's port that tag (in libvirt: <vlan>), or have the bridge grant the tag's VLAN; evbd changes "
                + "no tag")
    }
}
