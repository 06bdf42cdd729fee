internal import LinuxSystem

/// A change to a link that the worker makes.
public enum LinkCommand: Sendable, Equatable {
    /// Creates a macvlan or macvtap; the result is the link.
    case create(MacvlanSpec)
    /// Deletes a link; the result is nil.
    case delete(index: Int32)
    /// Changes the mode of a macvlan or macvtap; the result is the link.
    case setMacvlanMode(index: Int32, MacvlanMode)
    /// Sets a link up or down; the result is the link.
    case setUp(index: Int32, Bool)
    /// Puts a link into the group that the host's own IP is kept off; the result is the link.
    case keepHostOff(index: Int32)
    /// Sets the MTU of a link, in octets; the result is the link.
    case setMTU(index: Int32, UInt32)
    /// Sees to it that there is a VLAN device; the result is it.
    case ensureVLAN(VLANDevice)
    /// Makes a VLAN device that is down; the result is it.
    case createVLAN(VLANDevice)
    /// Gives a link an alias; the result is the link.
    case setAlias(index: Int32, String)
    /// Makes a link a port of a bridge; the result is the link.
    case setMaster(index: Int32, bridgeIndex: Int32)
    /// Sets a virtual function of a port's card; the result is nil.
    case setVirtualFunction(portIndex: Int32, VirtualFunctionSettings)
    /// Has the switch inside of a port's card relay in a mode; the result is nil.
    case setCardSwitch(portIndex: Int32, CardSwitchMode)
    /// Looks how a link is, after all that was asked for before; the result is the link, or nil if there is none.
    case look(index: Int32)
    /// Sets hairpin of a bridge port; the result is the link.
    case setHairpin(portIndex: Int32, Bool)
}

extension LinkCommand {
    /// Makes the change, or says why it was not made.
    ///
    /// - Parameter links: The socket; of the thread that calls.
    /// - Returns: The link after the change, nil where it is gone.
    package func perform(with links: Links) -> Result<Link?, NetlinkError> {
        Result { () throws(NetlinkError) in
            switch self {
            case .create(let spec):
                return try links.createMacvlan(spec)
            case .delete(let index):
                try links.delete(index: index)
                return nil
            case .setMacvlanMode(let index, let mode):
                try links.setMacvlanMode(index: index, mode)
                return try links.link(index: index)
            case .setUp(let index, let isUp):
                return try links.setUp(index: index, isUp)
            case .keepHostOff(let index):
                try links.joinGroup(index: index)
                return try links.link(index: index)
            case .setMTU(let index, let mtu):
                try links.setMTU(index: index, mtu)
                return try links.link(index: index)
            case .ensureVLAN(let device):
                return try links.ensureVLAN(device)
            case .createVLAN(let device):
                return try links.createVLAN(device)
            case .setAlias(let index, let alias):
                return try links.setAlias(index: index, alias)
            case .setMaster(let index, let bridgeIndex):
                try links.setMaster(index: index, bridgeIndex: bridgeIndex)
                return try links.link(index: index)
            case .setVirtualFunction(let index, let settings):
                try links.setVirtualFunction(portIndex: index, settings)
                return nil
            case .setCardSwitch(let index, let mode):
                try links.setCardSwitch(portIndex: index, mode)
                return nil
            case .look(let index):
                return try links.link(index: index)
            case .setHairpin(let index, let isOn):
                try links.setHairpin(portIndex: index, isOn)
                return try links.link(index: index)
            }
        }
    }
}
