package import EVBWire
internal import Netlink
internal import PacketSocket

// Who captures at a port. While no client does, a frame costs one question whether one does.

extension PortTransport {
    /// Gives each frame to `sink` from now on, with the view of `port`, whose transport this is.
    package func begin(_ sink: any CaptureSink, of port: any ManagedPort) {
        let capture = self.capture ?? FrameCapture(of: port)
        capture.add(sink)
        self.capture = capture
        recordArrivals()
    }

    /// Gives no more frames to `sink`.
    package func end(_ sink: any CaptureSink) {
        capture?.remove(sink)
        guard capture?.isEmpty ?? false else { return }
        capture = nil
        recordArrivals()
    }

    /// The address of the interface, while it is there.
    package var address: MACAddress? { link?.ownAddress }

    /// Has the kernel say when frames came in while a client captures. Where it refuses, the time is when they are read.
    func recordArrivals() {
        for socket in sockets { try? socket.recordArrivals(capture != nil) }
    }
}
