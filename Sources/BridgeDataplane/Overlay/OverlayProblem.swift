internal import Glibc
internal import Netlink

/// What keeps frames of VSIs out of their virtual networks, whatever is in force at the port.
package struct OverlayProblem: Sendable, Hashable {
    /// Whether it is about frames that are too long; the rest concerns all frames.
    package let isOfMTU: Bool
    /// What is wrong.
    package let message: String
    /// What to do about it.
    package let hint: String
}

extension BridgeEnforcer {
    /// What is wrong with the VXLAN devices that a port uses, by what the kernel says now; nothing for a port without an overlay.
    package func overlayProblems(of name: String) -> [OverlayProblem] {
        guard let port = ports[name], port.hasOverlay else { return [] }
        let fabric = fabric(of: port)
        guard let bridge = fabric.bridge else { return [] }
        var problems: [OverlayProblem] = []
        let devices = fabric.devices.filter { port.overlayDevice == nil || $0.name == port.overlayDevice }
        if devices.isEmpty {
            let wanted = port.overlayDevice.map { "VXLAN device \($0)" } ?? "VXLAN device"
            problems.append(
                OverlayProblem(
                    isOfMTU: false,
                    message: "bridge \(bridge.name) has no \(wanted): VSIs with a VNI are refused",
                    hint: "ip link set \(port.overlayDevice ?? "VXLAN") master \(bridge.name)"))
        }
        for device in devices.prefix(8) {
            guard let settings = device.vxlan else { continue }
            if settings.vni == nil {
                let index = device.index
                do throws(EnforcementError) {
                    // Any number will do.
                    _ = try self.device(for: carriedVNI(port), port)
                    if settings.filtersVNIs { _ = try overlay { try $0.vnis(deviceIndex: index) } }
                } catch {
                    problems.append(
                        OverlayProblem(
                            isOfMTU: false, message: "VSIs with a VNI are refused: \(error)",
                            hint: "one bridge for each VNI, with a VXLAN device of that VNI, needs no VLANs"))
                }
            }
            if !device.isUp {
                problems.append(
                    OverlayProblem(
                        isOfMTU: false, message: "\(device.name) is down: no frame leaves this box",
                        hint: "ip link set \(device.name) up"))
            }
            if settings.localAddress.isEmpty {
                problems.append(
                    OverlayProblem(
                        isOfMTU: false,
                        message: "\(device.name) has no local address: other boxes do not hear of its VSIs",
                        hint: "make it with: ip link add \(device.name) type vxlan local ADDRESS ..."))
            }
            problems += mtuProblems(of: device, settings, port)
        }
        return problems
    }

    /// A VNI that no device has alone.
    private func carriedVNI(_ port: Port) -> UInt32 {
        let fixed = Set(fabric(of: port).devices.compactMap { $0.vxlan?.vni })
        return (UInt32(1)...).first { !fixed.contains($0) } ?? 1
    }

    /// Whether frames of the port's greatest length get through.
    private func mtuProblems(of device: Link, _ settings: VXLANDevice, _ port: Port) -> [OverlayProblem] {
        let index = port.index
        guard let mtu = try? netlink({ try $0.link(index: index) })?.mtu, mtu > 0 else { return [] }
        if device.mtu < mtu {
            return [
                OverlayProblem(
                    isOfMTU: true,
                    message: "frames of \(mtu) octets that \(port.name) takes are dropped at \(device.name), whose "
                        + "MTU is \(device.mtu)",
                    hint: "ip link set \(device.name) mtu \(mtu), or give machines an MTU of \(device.mtu)")
            ]
        }
        // The inner Ethernet header, VXLAN, UDP, and IP.
        let overhead: UInt32 = settings.localAddress.count == 16 ? 70 : 50
        guard let way = underlay(of: settings), way.mtu > 0, UInt64(way.mtu) < UInt64(mtu) + UInt64(overhead) else {
            return []
        }
        let rest = way.mtu > overhead ? way.mtu - overhead : 0
        return [
            OverlayProblem(
                isOfMTU: true,
                message:
                    "frames of \(mtu) octets that \(port.name) takes do not fit into the underlay: \(way.name) has "
                    + "an MTU of \(way.mtu), and VXLAN adds \(overhead) octets",
                hint: "ip link set \(way.name) mtu \(UInt64(mtu) + UInt64(overhead)) here and on the way to the other "
                    + "boxes, or give machines an MTU of \(rest)")
        ]
    }

    /// The link by which a VXLAN device sends: the one that is named, or the one that has its address. An address of the loopback
    /// device goes wherever the routes lead.
    private func underlay(of settings: VXLANDevice) -> Link? {
        let index = settings.lowerIndex ?? Self.holder(of: settings.localAddress)
        guard let index else { return nil }
        return (try? netlink { try $0.link(index: index) }) ?? nil
    }

    private static func holder(of address: [UInt8]) -> Int32? {
        guard !address.isEmpty else { return nil }
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return nil }
        defer { freeifaddrs(list) }
        var next = list
        while let entry = next {
            next = entry.pointee.ifa_next
            // IFF_LOOPBACK
            guard entry.pointee.ifa_flags & 8 == 0, let socketAddress = entry.pointee.ifa_addr else { continue }
            let family = Int32(socketAddress.pointee.sa_family)
            let octets: [UInt8]
            if family == AF_INET, address.count == 4 {
                octets = socketAddress.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    withUnsafeBytes(of: $0.pointee.sin_addr) { Array($0) }
                }
            } else if family == AF_INET6, address.count == 16 {
                octets = socketAddress.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    withUnsafeBytes(of: $0.pointee.sin6_addr) { Array($0) }
                }
            } else {
                continue
            }
            if octets == address { return index(of: String(cString: entry.pointee.ifa_name)) }
        }
        return nil
    }
}
